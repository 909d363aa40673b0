"""What the turns of many conversations show, as columns.

Parsing is the one thing done row by row; everything else works on the turns of a whole batch at once.
"""

import json
import re
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

OK = "ok"
TAGS = ("<image>", "<video>")
FOUR_NUMBERS = re.compile(r"\[\s*" + r"\s*,\s*".join([r"(-?\d+(?:\.\d+)?)"] * 4) + r"\s*\]")
SPEAKERS = {"human": 0, "gpt": 1}

FIELDS = (OK, "conversation is not a list of {from, value}", "no turns", "turns is not the number of turns")
TURN_ORDER = (OK, "human does not begin", "speakers do not alternate", "no answer at the end", "empty answer")
IMAGE_TAGS = (OK, "no <image> tag", "several <image> tags", "a tag in an answer", "a tag without media")
BOXES = (OK, "box outside 0 to 1", "box with its corners in the wrong order")
"""Findings in the order of their codes; -1 says that a check does not apply."""

_BYTES = np.arange(256)
_LETTER = ((_BYTES >= 65) & (_BYTES <= 90)) | ((_BYTES >= 97) & (_BYTES <= 122))
_FOREIGN = _BYTES >= 0xC0  # the first byte of every character beyond ASCII
_BLANK = np.isin(_BYTES, [9, 10, 11, 12, 13, 32])


class Findings(NamedTuple):
    """One value for each conversation of a batch; the first four are codes."""

    fields: np.ndarray
    turn_order: np.ndarray
    image_tags: np.ndarray
    boxes: np.ndarray
    answer_words: np.ndarray
    ascii_letters: np.ndarray
    """ASCII letters among these and all characters beyond ASCII: a guess at the script, not the language."""


def examine(conversations: list[str], turns: np.ndarray, media_kind: np.ndarray) -> Findings:
    """The findings of a batch: conversations as JSON, the manifest's count of turns, and its kinds of media."""
    parsed = [_turns(text) for text in conversations]
    counts = np.array([len(said or ()) for said in parsed], dtype=np.int64)
    readable = np.array([said is not None for said in parsed], dtype=bool)
    rows = np.repeat(np.arange(len(parsed)), counts)
    flat = [turn for said in parsed if said for turn in said]
    speakers = np.array([SPEAKERS.get(speaker, 2) for speaker, _ in flat], dtype=np.int8)
    texts = pa.array([text for _, text in flat], pa.large_string())
    place = np.arange(len(flat)) - np.repeat(counts.cumsum() - counts, counts)
    answers = speakers == 1
    words = _count_starts(texts)

    def any_of(mask: np.ndarray) -> np.ndarray:
        return np.bincount(rows[mask], minlength=len(parsed)) > 0

    def total(values: np.ndarray) -> np.ndarray:
        return np.bincount(rows, weights=values, minlength=len(parsed))

    with_turns = readable & (counts > 0)
    tags = sum(pc.count_substring(texts, tag).to_numpy(zero_copy_only=False) for tag in TAGS)
    tagged, media = total(tags), media_kind != "text"
    boxed = pc.match_substring(texts, "[").to_numpy(zero_copy_only=False) & (media_kind[rows] == "image")
    boxes = _box_codes([texts[i].as_py() for i in np.flatnonzero(boxed)])
    letters, foreign = total(_count(texts, _LETTER)), total(_count(texts, _FOREIGN))
    spoken = total(np.where(answers, words, 0))  # an empty answer is a matter of the turn order
    box_of = np.full(len(parsed), -1, np.int8)
    np.maximum.at(box_of, rows[np.flatnonzero(boxed)], boxes)
    return Findings(
        fields=_code(np.ones_like(readable), ~readable, counts == 0, counts != turns),
        turn_order=_code(
            with_turns,
            any_of((place == 0) & (speakers != 0)),
            any_of((speakers != place % 2) & (place > 0)),
            counts % 2 == 1,
            any_of(answers & (words == 0)),
        ),
        image_tags=_code(
            with_turns, media & (tagged == 0), media & (tagged > 1), media & any_of(answers & (tags > 0)),
            ~media & (tagged > 0),
        ),
        boxes=box_of,
        answer_words=np.where(spoken > 0, spoken, np.nan),
        ascii_letters=np.divide(
            letters, letters + foreign, out=np.full(len(parsed), np.nan), where=letters + foreign > 0
        ),
    )  # fmt: skip


def _turns(text: str) -> list[tuple[str, str]] | None:
    """Speakers and texts; None for anything but a list of `{from, value}` with texts that can be written."""
    try:
        said: Any = json.loads(text)
        turns = [(turn["from"], turn["value"]) for turn in said]
        if not isinstance(said, list) or not all(type(s) is str and type(t) is str for s, t in turns):
            return None
        if "\\u" in text:
            "".join(t for _, t in turns).encode()  # half a character cannot be written, and is refused here
        return turns
    except (ValueError, KeyError, TypeError, RecursionError):
        return None


def _code(applies: np.ndarray, *faults: np.ndarray) -> np.ndarray:
    """-1 where it does not apply, else the number of the first fault, else 0."""
    return np.select([~applies, *faults], [-1, *range(1, len(faults) + 1)], 0).astype(np.int8)


def _bytes_and_bounds(texts: pa.LargeStringArray) -> tuple[np.ndarray, np.ndarray]:
    _, offsets, data = texts.buffers()
    if not len(texts) or data is None:
        return np.empty(0, np.uint8), np.zeros(len(texts) + 1, np.int64)
    return np.frombuffer(data, np.uint8), np.frombuffer(offsets, np.int64)[: len(texts) + 1]


def _count(texts: pa.LargeStringArray, wanted: np.ndarray) -> np.ndarray:
    """How many bytes of each text are wanted."""
    data, bounds = _bytes_and_bounds(texts)
    return _between(wanted[data], bounds)


def _count_starts(texts: pa.LargeStringArray) -> np.ndarray:
    """How many words each text has: what is not blank after a blank or at the beginning."""
    data, bounds = _bytes_and_bounds(texts)
    blank = _BLANK[data]
    starts = ~blank
    starts[1:] &= blank[:-1]
    first = bounds[:-1][bounds[:-1] < bounds[1:]]
    starts[first] = ~blank[first]
    return _between(starts, bounds)


def _between(marks: np.ndarray, bounds: np.ndarray) -> np.ndarray:
    sums = np.zeros(bounds[-1] + 1, np.int32)
    np.cumsum(marks[: bounds[-1]], out=sums[1:])
    return np.diff(sums[bounds])


def _box_codes(texts: list[str]) -> np.ndarray:
    """For each text the worst of its boxes; -1 without any."""
    codes = np.full(len(texts), -1, np.int8)
    for i, text in enumerate(texts):
        for found in FOUR_NUMBERS.findall(text):
            left, top, right, bottom = map(float, found)
            inside = min(left, top, right, bottom) >= 0 and max(left, top, right, bottom) <= 1
            fault = 1 if not inside else 2 if left > right or top > bottom else 0
            codes[i] = max(codes[i], fault)
    return codes
