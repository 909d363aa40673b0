"""The normaliser of the VQA challenge, and the accuracy against ten people's answers.

Facts about it that its users rely on: a sign is replaced by nothing where a space stands beside it anywhere in the
answer, or where digits stand around a comma, else by a space; only the first 32 full stops go, since the official
code hands a flag to the place of a count; `none` is a number.
"""

import re
from collections.abc import Sequence
from functools import lru_cache

_SIGNS = ';/[]"{}()=+\\_-><@`,?!'
_STOP = re.compile(r"\.(?!\d)")
_STOPS = 32
_COMMA = re.compile(r"\d,\d")
_DIGITS = "zero one two three four five six seven eight nine ten"
_NUMBERS = {word: str(i) for i, word in enumerate(_DIGITS.split())} | {"none": "0"}
_ARTICLES = {"a", "an", "the"}
_ENOUGH = 3
"""So many people's word is taken."""


_SHORTENED = """
ain't aren't can't could've couldn't didn't doesn't don't hadn't hasn't haven't he'd he's how'd how'll how's
I'm I've isn't it'd it'll ma'am mightn't might've mustn't must've needn't not've o'clock oughtn't shan't
should've shouldn't somebody'll somebody's someone'd someone'll someone's something'd something'll that's
there'd there're there's they'd they'll they're they've 'twas wasn't we've weren't what'll what're what's
what've when's where'd where's where've who'd who'll who's who've why'll why're why's won't would've wouldn't
y'all you'd you'll you're you've
"""
_TWICE_SHORTENED = """
couldn't've hadn't've he'd've I'd've it'd've mightn't've she'd've shouldn't've somebody'd've someone'd've
something'd've there'd've they'd've we'd've who'd've wouldn't've you'd've
"""


def _contractions() -> dict[str, str]:
    """Words written without their apostrophes, and how the official table writes them; its slips are kept."""
    table = {word.replace("'", ""): word for word in _SHORTENED.split()}
    for word in _TWICE_SHORTENED.split():
        first, second = (i for i, letter in enumerate(word) if letter == "'")
        table[word[:first] + word[first + 1 :]] = word
        table[word[:second] + word[second + 1 :]] = word
    table |= dict.fromkeys(("ow's'at", "'ows'at", "'ow'sat"), "'ow's'at")
    table |= {"yall'll": "y'all'll", "y'allll": "y'all'll", "somebody'd": "somebodyd"}
    return table | dict.fromkeys(("yall'd've", "y'alld've", "y'all'dve"), "y'all'd've")


_CONTRACTIONS = _contractions()


def without_signs(text: str) -> str:
    """Punctuation away, by the challenge's rule."""
    out = text
    joined = _COMMA.search(text) is not None
    for sign in _SIGNS:
        if sign in out:
            beside = joined or f"{sign} " in text or f" {sign}" in text
            out = out.replace(sign, "" if beside else " ")
    return _STOP.sub("", out, count=_STOPS)


def plain_words(text: str) -> str:
    """Small letters, numbers as digits, no articles, apostrophes where they belong."""
    words = (_NUMBERS.get(word, word) for word in text.lower().split())
    return " ".join(_CONTRACTIONS.get(word, word) for word in words if word not in _ARTICLES)


@lru_cache(1 << 16)
def one_line(text: str) -> str:
    """Breaks and tabs as spaces, none at the ends."""
    return text.replace("\n", " ").replace("\t", " ").strip()


@lru_cache(1 << 16)
def vqa_normalised(text: str) -> str:
    """As VQAv2's and VizWiz's scorers do it; of an answer that is one line."""
    return plain_words(without_signs(text))


@lru_cache(1 << 16)
def eval_ai_normalised(text: str) -> str:
    """As TextVQA's scorer does it: commas and question marks go first, and `'s` becomes a word of its own."""
    text = text.lower().replace(",", "").replace("?", "").replace("'s", " 's").strip()
    return plain_words(without_signs(one_line(text)))


def soft_accuracy(answer: str, given: Sequence[str]) -> float:
    """The mean, over leaving each person out, of min(1, agreeing / 3) with the others who agree."""
    agreeing = sum(one == answer for one in given)
    others = min(1.0, agreeing / _ENOUGH)
    without_one = min(1.0, (agreeing - 1) / _ENOUGH)
    return (agreeing * without_one + (len(given) - agreeing) * others) / len(given) if agreeing else 0.0
