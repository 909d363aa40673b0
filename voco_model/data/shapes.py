"""From a row of a file to a record: the fields that each kind of data set has, and what becomes of them."""

import re
from collections import Counter
from collections.abc import Callable
from typing import Any, NamedTuple

from voco_model.data.faults import Fault, Limits, shown
from voco_model.data.json_stream import parse
from voco_model.data.paths import MediaRoot, PathEscape
from voco_model.data.records import MediaKind, Said

SPEAKERS = ("human", "gpt")
CLIP_ENDINGS = (".mp4", ".mkv", ".webm", ".avi")
FEATURES_ENDING = ".pkl"
"""Converted Video-ChatGPT files name a clip's features; the clip is meant, and features are never opened."""

_FORMULA = re.compile(r"[=@]|[\t\r]+[=+\-@]")
"""How a cell that a spreadsheet would execute begins; captions that begin with - or + are ordinary text."""

Row = dict[str, Any]


class Shaped(NamedTuple):
    """What a row says, in a record's terms."""

    id: str
    media_kind: MediaKind
    media: str | None
    turns: tuple[Said, ...]
    extra: Row


class Shaper:
    """Makes records' parts of one file's rows; a row of another shape is a Fault that names the field."""

    def __init__(self, kind: str, media: MediaRoot, limits: Limits) -> None:
        self._kind = kind
        self._of_kind: Callable[[Row], Shaped] = getattr(self, f"_{kind}")
        self._media = media
        self._limits = limits
        self._asked: Counter[str] = Counter()

    def shape(self, row: Any) -> Shaped:
        """The row's parts; paths are not yet checked."""
        if not isinstance(row, dict):
            raise Fault("wrong_shape", f"it is {_type(row)}, not an object with fields")
        return self._of_kind(row)

    def check(self, shaped: Shaped) -> None:
        """Refuse formulas and paths that leave the root."""
        if self._kind == "webvid":
            for name, value in (("name", shaped.turns[1].text), *shaped.extra.items()):
                if isinstance(value, str) and _FORMULA.match(value):
                    raise Fault("formula", f"{name} begins like a spreadsheet's formula: {shown(value)}")
        if shaped.media is not None:
            try:
                self._media.check(shaped.media)
            except PathEscape as error:
                raise Fault("path_escape", str(error)) from None

    def _llava_pretrain(self, row: Row) -> Shaped:
        if row.get("image") is None:
            raise _missing(row, "image")
        return self._llava_instruct(row)

    def _llava_instruct(self, row: Row) -> Shaped:
        identity = _identity(row, "id")
        turns = self._turns(row)
        image = row.get("image")
        if image is not None and not (isinstance(image, str) and image):
            raise Fault("wrong_shape", f"image is {shown(image)}, not a path")
        return Shaped(identity, "text" if image is None else "image", image, turns, _rest(row, "image"))

    def _webvid(self, row: Row) -> Shaped:
        identity = _identity(row, "videoid")
        name, folder = _text(row, "name"), _text(row, "page_dir")
        if not folder:
            raise Fault("wrong_shape", "page_dir is empty")
        turns = (Said("human", "<video>"), Said("gpt", name))
        return Shaped(identity, "video", f"{folder}/{identity}.mp4", turns, _rest(row, "videoid", "name"))

    def _video_chatgpt(self, row: Row) -> Shaped:
        if "conversations" in row and "video" in row:
            video = _identity(row, "video").removesuffix(FEATURES_ENDING)
            turns = self._turns(row)
        else:
            question, answer = _text(row, "q"), _text(row, "a")
            video = _identity(row, "video_id")
            turns = (Said("human", f"<video>\n{question}"), Said("gpt", answer))
        self._asked[video] += 1
        identity = f"{video}-{self._asked[video]}"
        return Shaped(identity, "video", self._clip(video), turns, _rest(row, "video", "q", "a", "video_id"))

    def _clip(self, video: str) -> str:
        """The clip's file: the first that exists, or how it would most likely be named."""
        for ending in CLIP_ENDINGS if self._media.root is not None else ():
            try:
                if self._media.path(video + ending).is_file():
                    return video + ending
            except (PathEscape, OSError):
                break
        return video + CLIP_ENDINGS[0]

    def _turns(self, row: Row) -> tuple[Said, ...]:
        turns = row.get("conversations")
        if isinstance(turns, str):
            # Tables without nested columns hold the conversation as JSON.
            turns = parse(turns.encode(), self._limits)
            if isinstance(turns, Fault):
                raise turns
        if turns is None:
            raise _missing(row, "conversations")
        if not isinstance(turns, list) or not turns:
            raise Fault("wrong_shape", f"conversations is {_type(turns)}, not a list of turns")
        return tuple(_turn(turn, i) for i, turn in enumerate(turns, 1))


def _turn(turn: Any, number: int) -> Said:
    if not isinstance(turn, dict):
        raise Fault("wrong_shape", f"turn {number} of conversations is {_type(turn)}, not an object")
    speaker, text = turn.get("from"), turn.get("value")
    if speaker not in SPEAKERS:
        raise Fault("wrong_shape", f"`from` of turn {number} is {shown(speaker)}, not human or gpt")
    if not isinstance(text, str):
        raise Fault("wrong_shape", f"`value` of turn {number} is {_type(text)}, not text")
    return Said(speaker, text)


def identity_of(row: Any) -> str | None:
    """What a row that is set aside calls itself, if it says so."""
    for name in ("id", "videoid", "video_id"):
        value = row.get(name) if isinstance(row, dict) else None
        if isinstance(value, str | int):
            return str(value)[:200]
    return None


def _identity(row: Row, name: str) -> str:
    value = row.get(name)
    if value is None:
        raise _missing(row, name)
    if isinstance(value, bool) or not isinstance(value, str | int) or value == "":
        raise Fault("wrong_shape", f"{name} is {shown(value)}, not a name or a whole number")
    return str(value)


def _text(row: Row, name: str) -> str:
    value = row.get(name)
    if value is None:
        raise _missing(row, name)
    if not isinstance(value, str):
        raise Fault("wrong_shape", f"{name} is {_type(value)}, not text")
    return value


def _missing(row: Row, name: str) -> Fault:
    return Fault("wrong_shape", f"it has no {name}; it has {shown(', '.join(map(str, row)))}")


def _rest(row: Row, *used: str) -> Row:
    return {name: value for name, value in row.items() if name not in (*used, "id", "conversations")}


def _type(value: Any) -> str:
    names = {dict: "an object", list: "a list", str: "text", bool: "true or false", type(None): "null"}
    return names.get(type(value), "a number") if value != [] else "an empty list"
