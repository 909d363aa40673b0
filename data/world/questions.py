"""Questions about scenes, made so that their words alone say nothing about the answer.

A yes or no, a number, or a side is chosen first, evenly; then a question that has it. Where a scene cannot give
every answer of a kind, it is not asked that kind: else the answers that are easier to find would be likelier.
"""

from collections.abc import Callable

from data.world.facts import Scene, Thing, above, count, left_of, same_row
from data.world.phrases import (
    Pair,
    Rng,
    a,
    box_text,
    coin,
    nameable,
    noun,
    phrase,
    pick,
    place,
    plural,
    shuffled,
    written,
    yes_no,
)
from data.world.vocabulary import COLOURS, SHAPES

COUNTS = {1: (0, 1), 2: (0, 1, 2), 3: (0, 1, 2), 4: (1, 2, 3)}
"""Level -> the numbers that are asked for; all must occur in a scene."""


def questions(scene: Scene, rng: Rng, types: tuple[str, ...] | None = None) -> list[Pair]:
    """One question of every type (or of those named) that the scene can give, in random order."""
    asked = []
    for kind in shuffled(rng, types or tuple(TYPES)):
        made = TYPES[kind](scene, rng)
        if made:
            asked.append(Pair(made[0], made[1], kind))
    return asked


Made = tuple[str, str] | None


def _colour_at(scene: Scene, rng: Rng) -> Made:
    thing = pick(rng, scene.things)
    asks = ("What colour is the thing in {place}?", "Which colour is in {place}?", "Name the colour in {place}.")
    return phrase(rng, asks, place=place(thing.row, thing.column)), thing.colour


def _shape_at(scene: Scene, rng: Rng) -> Made:
    thing = pick(rng, scene.things)
    asks = ("What shape is the thing in {place}?", "Which shape is in {place}?", "Name the shape in {place}.")
    return phrase(rng, asks, place=place(thing.row, thing.column)), thing.shape


def _colour_of(scene: Scene, rng: Rng) -> Made:
    only = [t for t in scene.things if count(scene, shape=t.shape) == 1]
    if not only:
        return None
    thing = pick(rng, only)
    asks = ("What colour is the {shape}?", "Which colour does the {shape} have?", "The {shape} is of what colour?")
    return phrase(rng, asks, shape=thing.shape), thing.colour


def _shape_of(scene: Scene, rng: Rng) -> Made:
    only = [t for t in scene.things if count(scene, colour=t.colour) == 1]
    if not only:
        return None
    thing = pick(rng, only)
    asks = ("What shape is the {colour} thing?", "Which shape does the {colour} thing have?")
    return phrase(rng, asks, colour=thing.colour), thing.shape


def _size_of(scene: Scene, rng: Rng) -> Made:
    asks = ("Is the {thing} small or large?", "What size is the {thing}: small or large?")
    things = nameable(scene)
    sizes = {t.size for t in things}
    if len(sizes) < 2:
        return None
    size = pick(rng, sorted(sizes))
    thing = pick(rng, [t for t in things if t.size == size])
    return phrase(rng, asks, thing=noun(thing)), size


def _exists(scene: Scene, rng: Rng) -> Made:
    present = {(t.colour, t.shape) for t in scene.things}
    answer = coin(rng)
    if answer:
        colour, shape = pick(rng, sorted(present))
    else:
        mixed = sorted({(c, s) for c, _ in present for _, s in present} - present)
        every = [(c, s) for c in COLOURS for s in SHAPES if (c, s) not in present]
        colour, shape = pick(rng, mixed or every)
    asks = ("Is there {thing}?", "Is there {thing} in the picture?", "Does the picture show {thing}?")
    return phrase(rng, asks, thing=a(f"{colour} {shape}")), yes_no(answer)


def _count(scene: Scene, rng: Rng) -> Made:
    wanted = COUNTS[scene.level]
    for attribute, values in shuffled(rng, [("colour", tuple(COLOURS)), ("shape", SHAPES)]):
        numbers = {value: count(scene, **{attribute: value}) for value in values}
        if set(wanted) <= set(numbers.values()):
            n = pick(rng, wanted)
            value = pick(rng, [v for v in values if numbers[v] == n])
            what = f"{value} things" if attribute == "colour" else plural(value)
            asks = ("How many {what} are there?", "How many {what} do you see?", "Count the {what}.")
            return phrase(rng, asks, what=what), str(n)
    return None


def _count_all(scene: Scene, rng: Rng) -> Made:
    asks = ("How many things are there?", "How many things does the picture show?", "Count all the things.")
    return phrase(rng, asks), str(len(scene.things))


def _compare(scene: Scene, rng: Rng) -> Made:
    numbers = {colour: count(scene, colour=colour) for colour in COLOURS}
    less, more = shuffled(rng, list(COLOURS))[:2]
    if numbers[less] == numbers[more]:
        return None
    if numbers[less] > numbers[more]:
        less, more = more, less
    answer = coin(rng)
    first, second = (more, less) if answer else (less, more)
    asks = ("Are there more {x} than {y} things?", "Is the number of {x} things larger than that of {y} things?")
    return phrase(rng, asks, x=first, y=second), yes_no(answer)


def _beside(scene: Scene, rng: Rng) -> Made:
    def asks(x: str, y: str) -> tuple[str, ...]:
        return f"Is the {x} left of the {y}?", f"Is the {x} further left than the {y}?"

    return _ordered(scene, rng, left_of, asks)


def _above(scene: Scene, rng: Rng) -> Made:
    def asks(x: str, y: str) -> tuple[str, ...]:
        return f"Is the {x} above the {y}?", f"Is the {x} in a higher row than the {y}?"

    return _ordered(scene, rng, above, asks)


def _ordered(
    scene: Scene,
    rng: Rng,
    before: Callable[[Thing, Thing], bool],
    asks: Callable[[str, str], tuple[str, ...]],
) -> Made:
    things = nameable(scene)
    pairs = [(x, y) for x in things for y in things if before(x, y)]
    if not pairs:
        return None
    x, y = pick(rng, pairs)
    answer = coin(rng)
    x, y = (x, y) if answer else (y, x)
    return pick(rng, asks(noun(x), noun(y))), yes_no(answer)


def _same_row(scene: Scene, rng: Rng) -> Made:
    things = nameable(scene)
    pairs = [(x, y) for x in things for y in things if x is not y]
    answer = coin(rng)
    if len({same_row(x, y) for x, y in pairs}) < 2:
        return None
    x, y = pick(rng, [(x, y) for x, y in pairs if same_row(x, y) == answer])
    asks = ("Are the {x} and the {y} in the same row?", "Is the {x} in the same row as the {y}?")
    return phrase(rng, asks, x=noun(x), y=noun(y)), yes_no(answer)


def _row_of(scene: Scene, rng: Rng) -> Made:
    things = nameable(scene)
    if not things:
        return None
    thing = pick(rng, things)
    asks = ("In which row is the {thing}?", "Which row is the {thing} in?", "Give the row of the {thing}.")
    return phrase(rng, asks, thing=noun(thing)), str(thing.row + 1)


def _word(scene: Scene, rng: Rng) -> Made:
    return _label(scene, rng, "word")


def _digit(scene: Scene, rng: Rng) -> Made:
    return _label(scene, rng, "digit")


def _label(scene: Scene, rng: Rng, what: str) -> Made:
    things = [t for t in nameable(scene) if t.word and t.word.isdigit() == (what == "digit")]
    if not things:
        return None
    thing = pick(rng, things)
    asks = (
        "What {what} is written on the {thing}?",
        "Which {what} is on the {thing}?",
        "Read the {what} on the {thing}.",
    )
    return phrase(rng, asks, what=what, thing=noun(thing)), thing.word or ""


def _colour_of_label(scene: Scene, rng: Rng) -> Made:
    things = [t for t in scene.things if t.word]
    if not things:
        return None
    thing = pick(rng, things)
    asks = ("What colour is the thing with {label}?", "Which colour has the thing that bears {label}?")
    return phrase(rng, asks, label=written(thing.word or "")), thing.colour


def _background(scene: Scene, rng: Rng) -> Made:
    asks = ("What pattern is in the background?", "Which pattern does the background have?")
    return phrase(rng, asks), scene.background


def _box_of(scene: Scene, rng: Rng) -> Made:
    things = nameable(scene)
    if not things:
        return None
    thing = pick(rng, things)
    asks = (
        "Give the box of the {thing}.",
        "Where is the {thing}? Answer with its box.",
        "Find the {thing}: its box?",
    )
    return phrase(rng, asks, thing=noun(thing)), box_text(thing.box)


def _thing_in_box(scene: Scene, rng: Rng) -> Made:
    thing = pick(rng, scene.things)
    asks = ("What is in the box {box}?", "Which thing fills the box {box}?", "Name the thing in {box}.")
    return phrase(rng, asks, box=box_text(thing.box)), noun(thing)


TYPES: dict[str, Callable[[Scene, Rng], Made]] = {
    "colour_at": _colour_at,
    "shape_at": _shape_at,
    "colour_of": _colour_of,
    "shape_of": _shape_of,
    "size_of": _size_of,
    "exists": _exists,
    "count": _count,
    "count_all": _count_all,
    "compare": _compare,
    "left_of": _beside,
    "above": _above,
    "same_row": _same_row,
    "row_of": _row_of,
    "word": _word,
    "digit": _digit,
    "colour_of_label": _colour_of_label,
    "background": _background,
    "box_of": _box_of,
    "thing_in_box": _thing_in_box,
}
