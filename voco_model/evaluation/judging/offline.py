"""A judge without a model: the same words in another form are the same answer."""

import re
from collections.abc import Sequence

from voco_model.evaluation.judging import Case, Verdict

_ONES = """zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen
seventeen eighteen nineteen"""
_TENS = "twenty thirty forty fifty sixty seventy eighty ninety"
NUMBERS = {word: str(i) for i, word in enumerate(_ONES.split())}
NUMBERS |= {word: str(10 * i) for i, word in enumerate(_TENS.split(), start=2)}
_IDLE_WORDS = "a an the is are was were be been it its this that there he she they his her their of in on at to"
_IDLE = set(_IDLE_WORDS.split())
_ODD = {
    "men": "man", "women": "woman", "children": "child", "people": "person", "mice": "mouse", "feet": "foot",
    "teeth": "tooth", "geese": "goose", "knives": "knife", "wives": "wife", "leaves": "leaf", "ran": "run",
    "went": "go", "gone": "go", "came": "come", "did": "do", "done": "do", "made": "make", "took": "take",
    "sat": "sit", "stood": "stand", "ate": "eat", "rode": "ride", "threw": "throw", "fell": "fall", "left": "left",
    "colour": "color", "grey": "gray", "yeah": "yes", "yep": "yes", "nope": "no",
}  # fmt: skip
_VOWELS = "aeiou"
_MOST = 5


class OfflineJudge:
    """Right when every word of the right answer, as a lemma or number, is in the prediction, and yes is not no."""

    name: str = "offline_judge"
    about: str = (
        "judged offline by matching lemmas and numbers, not by a model: not comparable with published figures"
    )

    def judge(self, cases: Sequence[Case]) -> list[Verdict | None]:
        return [_verdict(case) for case in cases]


def _verdict(case: Case) -> Verdict:
    told = lemmas(case.prediction)
    wanted = [word for word in lemmas(case.answer) if word not in _IDLE] or lemmas(case.answer)
    if not wanted or not told:
        return Verdict(right=False, score=0)
    if wanted[0] in ("yes", "no") and len(wanted) == 1:
        first = next((word for word in told if word in ("yes", "no")), "no" if "not" in told else None)
        return Verdict(first == wanted[0], _MOST if first == wanted[0] else 0)
    shared = len(set(wanted) & set(told)) / len(set(wanted))
    return Verdict(shared == 1, round(_MOST * shared) if shared == 1 else int((_MOST - 1) * shared))


def lemmas(text: str) -> list[str]:
    """The words, each in one form, numbers as digits."""
    words = re.findall(r"[a-z]+|\d+", text.lower())
    out: list[str] = []
    for word in words:
        number = NUMBERS.get(word)
        if number is not None and out and out[-1].isdigit() and out[-1] in _ROUND and 0 < int(number) < 10:
            out[-1] = str(int(out[-1]) + int(number))  # twenty one
        else:
            out.append(number or lemma(word))
    return out


_ROUND = {str(10 * i) for i in range(2, 10)}


def lemma(word: str) -> str:
    """An English word without its ending: rules, not a dictionary; both sides get the same ones."""
    if word in _ODD:
        return _ODD[word]
    for ending, put in (("ies", "y"), ("sses", "ss"), ("shes", "sh"), ("ches", "ch"), ("xes", "x")):
        if word.endswith(ending) and len(word) > len(ending) + 1:
            return word[: -len(ending)] + put
    if word.endswith("s") and len(word) > 3 and not word.endswith(("ss", "us", "is")):
        word = word[:-1]
    for ending in ("ing", "ed"):
        stem = word.removesuffix(ending)
        if stem != word and len(stem) > 2 and any(vowel in stem for vowel in _VOWELS):
            double = stem[-1] == stem[-2] and stem[-1] not in "lsz"
            return _without_e(stem[:-1] if double else stem)
    return _without_e(word)


def _without_e(word: str) -> str:
    """`riding` and `ride` meet without the last e."""
    return word[:-1] if word.endswith("e") and len(word) > 3 else word
