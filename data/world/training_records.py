"""What the training files say about one scene or clip: records as the real files have them."""

import hashlib
from collections.abc import Callable
from typing import Any

from data.world.facts import Clip, Scene
from data.world.phrases import Pair, Rng, pick, shuffled
from data.world.speech import caption, clip_caption, clip_questions, questions
from data.world.vocabulary import BACKGROUNDS, COLOURS, DIGITS, SHAPES, WORDS
from voco_model.evaluation.questions import LETTER, WORD

Json = dict[str, Any]

DESCRIBE = (
    "Describe the picture.",
    "What can be seen here?",
    "Say in one sentence what the picture shows.",
    "Tell what there is, and where.",
    "Give a caption for this picture.",
)
DESCRIBE_CLIP = ("What happens in the clip?", "Describe the clip.", "Tell what happens, in order.")
FACTS = ("colour_at", "shape_at", "colour_of", "shape_of", "size_of", "exists", "count", "count_all")
RELATIONS = ("compare", "left_of", "above", "same_row", "row_of", "background")
LABELLED = ("word", "digit", "colour_of_label")
BOXES = ("box_of", "thing_in_box")
OPTIONS = {
    "colour_at": tuple(COLOURS),
    "colour_of": tuple(COLOURS),
    "colour_of_label": tuple(COLOURS),
    "shape_at": SHAPES,
    "shape_of": SHAPES,
    "background": BACKGROUNDS,
    "word": WORDS,
    "digit": DIGITS,
}
"""Question types that can be asked with options, and all that may be right."""


def caption_record(scene: Scene, rng: Rng, record_id: str, image: str) -> Json:
    """One of the alignment captions: an instruction, with the tag before or after it, and the caption."""
    turns = [(pick(rng, DESCRIBE), caption(scene, rng))]
    return {"id": record_id, "image": image, "conversations": conversation(turns, rng)}


def conversation(turns: list[tuple[str, str]], rng: Rng | None) -> list[Json]:
    """Turns as the files have them; with `rng`, the first has the image tag."""
    said = []
    for i, (human, gpt) in enumerate(turns):
        if i == 0 and rng is not None:
            human = f"<image>\n{human}" if rng.integers(2) else f"{human}\n<image>"
        said += [{"from": "human", "value": human}, {"from": "gpt", "value": gpt}]
    return said


def talk(scene: Scene, rng: Rng) -> list[tuple[str, str]]:
    """A description, then questions."""
    asked = questions(scene, rng, FACTS + RELATIONS)[:3]
    return [(pick(rng, DESCRIBE), caption(scene, rng)), *((f"{p.question}\n{WORD}", p.answer) for p in asked)]


def short_answers(scene: Scene, rng: Rng) -> list[tuple[str, str]]:
    """Many short questions; what is wanted is said once, in the first."""
    asked = questions(scene, rng, FACTS + RELATIONS)[:6]
    return [(p.question if i else f"{p.question}\n{WORD}", p.answer) for i, p in enumerate(asked)]


def options(scene: Scene, rng: Rng) -> list[tuple[str, str]]:
    """Questions with four options, answered by a letter."""
    asked = questions(scene, rng, tuple(OPTIONS))[:3]
    return [with_options(pair, rng) for pair in asked]


def with_options(pair: Pair, rng: Rng) -> tuple[str, str]:
    """The question with the right answer and three others, in random order."""
    others = shuffled(rng, [o for o in OPTIONS[pair.type] if o != pair.answer])[:3]
    shown = shuffled(rng, [pair.answer, *others])
    lines = [f"{letter}. {option}" for letter, option in zip("ABCD", shown, strict=True)]
    return "\n".join([pair.question, *lines, LETTER]), "ABCD"[shown.index(pair.answer)]


def reading(scene: Scene, rng: Rng) -> list[tuple[str, str]]:
    """What is written in the picture; where nothing is, that is the answer."""
    labels = [t.word.upper() for t in sorted(scene.things, key=lambda t: (t.row, t.column)) if t.word]
    turns = [("What is written in the picture? Read from the top left.", ", ".join(labels) or "nothing")]
    return turns + [(f"{p.question}\n{WORD}", p.answer) for p in questions(scene, rng, LABELLED)]


def boxes(scene: Scene, rng: Rng) -> list[tuple[str, str]]:
    """Where things are, and what is where."""
    return [(p.question, p.answer) for p in questions(scene, rng, BOXES)]


Said = Callable[[Scene, Rng], list[tuple[str, str]]]
SOURCES: dict[str, tuple[Said, str]] = {
    "coco/train2017": (talk, ".jpg"),
    "gqa/images": (short_answers, ".jpg"),
    "ocr_vqa/images": (options, ".png"),
    "textvqa/train_images": (reading, ".jpg"),
    "vg/VG_100K": (boxes, ".jpg"),
}
"""The mix's sub-folders: what is said about their pictures, and the kind of file."""


def mixed_record(scene: Scene, rng: Rng, number: int) -> Json:
    """One of the instruction mix; each source has ids of its own kind, one of them numbers."""
    folder = tuple(SOURCES)[number % len(SOURCES)]
    say, suffix = SOURCES[folder]
    ids = {
        "coco/train2017": f"{number:012d}",
        "gqa/images": 2000000 + number,
        "ocr_vqa/images": f"{number:010d}",
        "textvqa/train_images": _short_hash("textvqa", number),
        "vg/VG_100K": f"VG_100K/{number}",
    }
    name = str(ids[folder]).rsplit("/", 1)[-1]
    turns = conversation(say(scene, rng), rng)
    return {"id": ids[folder], "image": f"{folder}/{name}{suffix}", "conversations": turns}


def text_record(rng: Rng, number: int) -> Json:
    """A conversation without a picture."""
    turns = []
    for kind in shuffled(rng, ("sum", "class", "odd"))[: int(rng.integers(1, 4))]:
        x, y = (int(n) for n in rng.integers(0, 10, size=2))
        shape, colour, word = pick(rng, SHAPES), pick(rng, tuple(COLOURS)), pick(rng, WORDS)
        if kind == "sum":
            end = "How many are there together?"
            turns.append((f"There are {x} red things and {y} blue ones. {end}\n{WORD}", str(x + y)))
        elif kind == "class":
            name, answer = pick(rng, ((shape, "shape"), (colour, "colour")))
            turns.append((f"Is {name} a colour or a shape?\n{WORD}", answer))
        else:
            row = shuffled(rng, [*shuffled(rng, tuple(COLOURS))[:3], word])
            turns.append((f"Which of these is not a colour: {', '.join(row)}?\n{WORD}", word))
    return {"id": _short_hash("text", number)[:7] + "_0", "conversations": conversation(turns, None)}


def clip_pairs(clip: Clip, rng: Rng, video_id: str) -> list[Json]:
    """Question and answer pairs of one clip."""
    pairs = [{"q": pick(rng, DESCRIBE_CLIP), "a": clip_caption(clip, rng), "video_id": video_id}]
    asked = clip_questions(clip, rng)[:4]
    return pairs + [{"q": f"{p.question}\n{WORD}", "a": p.answer, "video_id": video_id} for p in asked]


def video_name(number: int) -> str:
    return "v_" + _short_hash("clip", number)[:11]


def _short_hash(*parts: object) -> str:
    return hashlib.sha256("|".join(map(str, parts)).encode()).hexdigest()[:16]
