"""Questions about a scene with their answers; the benchmarks choose from them."""

import random
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, lru_cache
from itertools import permutations, product
from typing import Any

from data.world.phrases import a, place, written
from data.world.questions import plural
from data.world.scenes import BACKGROUNDS, COLOURS, DIGITS, LABELS, SHAPES, SIZES, WORDS, Scene, Thing

YES_NO = ("yes", "no")
NUMBERS = tuple(map(str, range(31)))
NOUNS = tuple(f"{colour} {shape}" for colour in COLOURS for shape in SHAPES)
MOST_NAMED = 8
"""Pairs are asked about among so many things of a scene, which keeps crowded scenes from having thousands."""
HIDDEN = 0.5
"""Things that are hidden further than this are not named in a question."""


@dataclass(frozen=True, eq=False)
class Fact:
    """A question with its answer."""

    kind: str
    question: str
    answer: str
    choices: tuple[str, ...]
    """The answers that the question may have."""
    about: Any
    """The scene or clip."""
    things: tuple[int, ...] = ()
    """The numbers of the things that the question names."""
    claim: str | None = None
    """The same as a yes/no question, with {} for the answer."""


def matches(thing: Thing, name: str) -> bool:
    """Whether a name such as "large red circle" or "blue thing" fits a thing."""
    return all(word == "thing" or word in (thing.size, thing.colour, thing.shape) for word in name.split())


def names(scene: Scene, number: int, *, without: str = "") -> list[str]:
    """Names that fit this thing and no other, shortest first, and do not say its shape, colour or size."""
    thing = scene.things[number]
    if thing.hidden_share > HIDDEN:
        return []
    fitting = _fitting(scene)
    fit = [name for name, leaves_out in _possible(thing) if without in ("", *leaves_out) and fitting[name] == 1]
    return sorted(fit, key=lambda name: (name.count(" "), name))


@lru_cache(maxsize=4)
def _fitting(scene: Scene) -> Counter[str]:
    """How many things each name fits."""
    return Counter(name for thing in scene.things for name, _ in _possible(thing))


@cache
def _looks_named(shape: str, colour: str, size: str) -> tuple[tuple[str, tuple[str, ...]], ...]:
    named = []
    for with_size, with_colour, with_shape in product((False, True), repeat=3):
        words = (size if with_size else "", colour if with_colour else "", shape if with_shape else "thing")
        says = {"size": with_size, "colour": with_colour, "shape": with_shape}
        named.append((" ".join(filter(None, words)), tuple(k for k, said in says.items() if not said)))
    return tuple(named[1:])


def _possible(thing: Thing) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """All names of a thing but "thing" alone, with what each leaves out."""
    return _looks_named(thing.shape, thing.colour, thing.size)


def image_facts(scene: Scene) -> list[Fact]:
    """Everything that is asked about a scene."""
    makers = (_looks, _places, _labels, _numbers, _presence, _pairs)
    return [fact for maker in makers for fact in maker(scene)]


def _looks(scene: Scene) -> Iterator[Fact]:
    for i, thing in enumerate(scene.things):
        for name in names(scene, i, without="colour"):
            ask, claim = f"What colour is the {name}?", f"Is the {name} {{}}?"
            yield Fact("colour", ask, thing.colour, tuple(COLOURS), scene, (i,), claim)
        for name in names(scene, i, without="shape"):
            ask, claim = f"What shape is the {name}?", f"Is the {name} a {{}}?"
            yield Fact("shape", ask, thing.shape, SHAPES, scene, (i,), claim)
        for name in names(scene, i, without="size"):
            ask, claim = f"Is the {name} small or large?", f"Is the {name} {{}}?"
            yield Fact("size", ask, thing.size, SIZES, scene, (i,), claim)
        ask = f"What colour is the thing in {place(thing.row, thing.column)}?"
        if thing.hidden_share <= HIDDEN:
            yield Fact("cell", ask, thing.colour, tuple(COLOURS), scene, (i,))
    ask, claim = "What pattern is in the background?", "Does the background show {}?"
    yield Fact("background", ask, scene.background, BACKGROUNDS, scene, (), claim)


def _places(scene: Scene) -> Iterator[Fact]:
    for i, thing in enumerate(scene.things):
        x, y = 2 * thing.column + 1 - scene.grid, 2 * thing.row + 1 - scene.grid
        for name in names(scene, i):
            if x:
                ask, claim = f"Is the {name} on the left or on the right?", f"Is the {name} on the {{}} side?"
                yield Fact("side", ask, "right" if x > 0 else "left", ("left", "right"), scene, (i,), claim)
            if y:
                ask, claim = f"Is the {name} at the top or at the bottom?", f"Is the {name} at the {{}}?"
                yield Fact("height", ask, "bottom" if y > 0 else "top", ("top", "bottom"), scene, (i,), claim)
        for j, other in enumerate(scene.things):
            if (other.row, other.column) == (thing.row, thing.column - 1) and other.hidden_share <= HIDDEN:
                for name in names(scene, i)[:1]:
                    ask = f"What colour is the thing just left of the {name}?"
                    claim = f"Is the thing just left of the {name} {{}}?"
                    yield Fact("beside", ask, other.colour, tuple(COLOURS), scene, (i, j), claim)


def _labels(scene: Scene) -> Iterator[Fact]:
    for i, thing in enumerate(scene.things):
        for name in names(scene, i):
            if thing.word is not None:
                kind, labels = ("digit", DIGITS) if thing.word.isdigit() else ("word", WORDS)
                ask, claim = f"What {kind} is written on the {name}?", f"Is the {kind} {{}} written on the {name}?"
                yield Fact(kind, ask, thing.word, labels, scene, (i,), claim)
            ask = f"Which of these is written on the {name}?"
            yield Fact("label", ask, thing.word or "None", (*LABELS, "None"), scene, (i,))
        if thing.word is not None:
            bearer = f"thing with {written(thing.word)}"
            ask, claim = f"What colour is the {bearer}?", f"Is the {bearer} {{}}?"
            yield Fact("bearer", ask, thing.colour, tuple(COLOURS), scene, (i,), claim)


def _numbers(scene: Scene) -> Iterator[Fact]:
    if any(t.hidden_share > HIDDEN for t in scene.things):
        return
    found = Counter(value for t in scene.things for value in (t.shape, t.colour, t.size))
    groups = {plural(s): found[s] for s in SHAPES} | {f"{c} things": found[c] for c in (*COLOURS, *SIZES)}
    for group, n in groups.items():
        ask, claim = f"How many {group} are there?", f"Is the number of {group} {{}}?"
        yield Fact("count", ask, str(n), NUMBERS, scene, (), claim)
    ask, claim = "How many things are there?", "Is the number of things {}?"
    yield Fact("total", ask, str(len(scene.things)), NUMBERS, scene, (), claim)
    for x, y in permutations(COLOURS, 2):
        if found[x] != found[y]:
            yield _yes_no("compare", f"Are there more {x} than {y} things?", found[x] > found[y], scene)


def _presence(scene: Scene) -> Iterator[Fact]:
    present = {(t.colour, t.shape) for t in scene.things}
    for pair in sorted(present):
        yield Fact("presence", "Name a thing.", " ".join(pair), NOUNS, scene)
    for colour, shape in product(COLOURS, SHAPES):
        ask = f"Is there {a(f'{colour} {shape}')} in the picture?"
        yield _yes_no("exist", ask, (colour, shape) in present, scene)
    pick = random.Random(f"{scene.name} {scene.seed}")
    for answer in (True, False):
        some = sorted({shape for _, shape in present})
        rest = [s for s in SHAPES if s not in some]
        if len(some) > 1 and rest:
            one = pick.choice(some)
            other = pick.choice([s for s in some if s != one] if answer else rest)
            first, second = sorted((one, other))
            ask = f"Are there both a {first} and a {second} in the picture?"
            yield _yes_no("both", ask, answer, scene)


def _pairs(scene: Scene) -> Iterator[Fact]:
    named = [(i, names(scene, i)[0]) for i in range(len(scene.things)) if names(scene, i)][:MOST_NAMED]
    for (i, x), (j, y) in permutations(named, 2):
        one, two = scene.things[i], scene.things[j]
        if one.column != two.column:
            ask = f"Is the {x} left of the {y}?"
            yield _yes_no("relation", ask, one.column < two.column, scene, (i, j))
        if one.row != two.row:
            yield _yes_no("relation", f"Is the {x} above the {y}?", one.row < two.row, scene, (i, j))
        if x < y:
            yield _yes_no("same", f"Are the {x} and the {y} in the same row?", one.row == two.row, scene, (i, j))


def _yes_no(kind: str, question: str, answer: bool, scene: Scene, things: tuple[int, ...] = ()) -> Fact:
    return Fact(kind, question, YES_NO[not answer], YES_NO, scene, things)
