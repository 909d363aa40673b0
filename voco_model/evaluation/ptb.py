"""Words as the Penn Treebank's tokeniser cuts them and COCO's caption evaluation keeps them, in small letters.

What is covered is what expressions and short captions hold: words with hyphens and inner full stops, numbers,
abbreviations, endings (`n't`, `'s`), joined words (`cannot`), brackets and quotation marks. Brackets stay, as
`-lrb-` and `-rrb-`: the evaluation drops them by names in capital letters, after the tokeniser has lowered them.
"""

import re

_DROPPED = {"''", "'", "``", "`", ".", "?", "!", ",", ":", "-", "--", "...", ";"}
_BRACKETS = {"(": "-lrb-", ")": "-rrb-", "[": "-lsb-", "]": "-rsb-", "{": "-lcb-", "}": "-rcb-"}
_JOINED = {
    "cannot": ("can", "not"),
    "gonna": ("gon", "na"),
    "gotta": ("got", "ta"),
    "wanna": ("wan", "na"),
    "gimme": ("gim", "me"),
    "lemme": ("lem", "me"),
    "'tis": ("'t", "is"),
    "'twas": ("'t", "was"),
}
_ABBREVIATED = r"(?:mr|mrs|ms|dr|prof|st|jr|sr|vs|etc|inc|ltd|co|corp|a\.m|p\.m|e\.g|i\.e|(?:[a-z]\.)+[a-z])\."
_ENDING = r"n't|'(?:s|re|ve|ll|d|m)"
_TOKEN = re.compile(
    r"'t(?:is|was)\b"
    rf"|\b{_ABBREVIATED}(?=\s+\S|$)"
    r"|\d+(?:[.,:/]\d+)+%?|\.\d+"
    rf"|[^\W_]+?(?=(?:{_ENDING})\b)"  # the word before an ending
    rf"|(?:{_ENDING})\b"
    r"|[^\W_]+(?:[-'/&.@_][^\W_]+)*"
    r"|\.\.\.|--|''|``"
    r"|\S"
)


def tokens(text: str) -> list[str]:
    """The words of a text that CIDEr compares."""
    text = text.lower().replace("’", "'").replace("…", "...").replace("–", "--").replace("—", "--")
    out: list[str] = []
    for token in _TOKEN.findall(text):
        out.extend(_JOINED.get(token, (_BRACKETS.get(token, token),)))
    return [token for token in out if token not in _DROPPED and token != '"']
