"""Questions about a clip with their answers."""

from collections.abc import Iterator
from itertools import pairwise, permutations

from data.world.benchmarks.facts import NUMBERS, YES_NO, Fact
from data.world.clip_questions import DONE, WILL
from data.world.scenes import COLOURS, SHAPES, Clip, Event, Scene, Thing, scene_at

STAY = "stay"
"""What a thing does to which nothing happens."""
WAYS = ("left", "right", "up", "down")


def clip_facts(clip: Clip) -> list[Fact]:
    """Everything that is asked about a clip, in small letters and without a question mark."""
    if len({event.thing for event in clip.events}) < len(clip.events):
        return []  # A number may be given again after its thing vanished; such clips are left out.
    makers = (_deeds, _order, _motion, _ends)
    return [fact for maker in makers for fact in maker(clip)]


def things_of(clip: Clip) -> dict[int, Thing]:
    """All things by number as they are first seen, those that appear included."""
    appearing = {e.thing: e.to for e in clip.events if isinstance(e.to, Thing)}
    return {**dict(enumerate(clip.scene.things)), **appearing}


def clip_names(clip: Clip) -> dict[int, str]:
    """For each thing that has one, its shortest name that fits no other thing at any time."""
    things, out = things_of(clip), {}
    changed = {e.thing: {things[e.thing].colour, e.to} for e in clip.events if e.kind == "recolour"}
    colours = {i: changed.get(i, {t.colour}) for i, t in things.items()}
    for i, thing in things.items():
        others = [j for j in things if j != i]
        same_shape = [j for j in others if things[j].shape == thing.shape]
        if not same_shape:
            out[i] = thing.shape
        elif i not in changed and not any(thing.colour in colours[j] for j in same_shape):
            out[i] = f"{thing.colour} {thing.shape}"
        elif not any(things[j].size == thing.size for j in same_shape):
            out[i] = f"{thing.size} {thing.shape}"
    return out


def _deeds(clip: Clip) -> Iterator[Fact]:
    kind_of = {e.thing: e.kind for e in clip.events}
    done = {i: WILL[kind] for i, kind in kind_of.items()}
    for i, name in clip_names(clip).items():
        yield Fact("deed", f"what did the {name} do", done.get(i, STAY), (*WILL.values(), STAY), clip, (i,))
        for verb in WILL.values():
            yield _yes_no("did", f"did the {name} {verb}", done.get(i) == verb, clip, (i,))
    for kind, told in DONE.items():
        doers = tuple(i for i in kind_of if kind_of[i] == kind)
        yield Fact("times", f"how many things {told}", str(len(doers)), NUMBERS, clip)
        if len(doers) == 1:
            yield Fact("doer", f"which shape {told}", things_of(clip)[doers[0]].shape, SHAPES, clip, doers)


def _order(clip: Clip) -> Iterator[Fact]:
    names, verbs = clip_names(clip), tuple(WILL.values())
    for when, event in (("first", clip.events[0]), ("last", clip.events[-1])):
        yield Fact("sequence", f"what happened {when}", WILL[event.kind], verbs, clip, (event.thing,))
        shape = things_of(clip)[event.thing].shape
        yield Fact("leader", f"which shape did something {when}", shape, SHAPES, clip, (event.thing,))
    for x, y in pairwise(clip.events):
        if x.thing in names:
            ask = f"what happened next after the {names[x.thing]} {DONE[x.kind]}"
            yield Fact("after", ask, WILL[y.kind], verbs, clip, (x.thing, y.thing))
    for x, y in permutations([e for e in clip.events if e.thing in names], 2):
        ask = f"did the {names[x.thing]} {WILL[x.kind]} before the {names[y.thing]} {DONE[y.kind]}"
        yield _yes_no("before", ask, x.time < y.time, clip, (x.thing, y.thing))


def _motion(clip: Clip) -> Iterator[Fact]:
    names = clip_names(clip)
    for event in clip.events:
        way = _way(clip, event)
        if event.thing in names and way:
            ask = f"in which direction did the {names[event.thing]} move"
            yield Fact("direction", ask, way, WAYS, clip, (event.thing,))


def _way(clip: Clip, event: Event) -> str | None:
    """Where a move goes, where it goes further one way than across."""
    if not isinstance(event.to, tuple):
        return None
    thing, (row, column) = clip.scene.things[event.thing], event.to
    right, down = column - thing.column, row - thing.row
    if abs(right) == abs(down):
        return None
    if abs(right) > abs(down):
        return "right" if right > 0 else "left"
    return "down" if down > 0 else "up"


def _ends(clip: Clip) -> Iterator[Fact]:
    names = clip_names(clip)
    for event in clip.events:
        if event.thing in names and isinstance(event.to, str):
            ask = f"what colour did the {names[event.thing]} become"
            yield Fact("colour", ask, event.to, tuple(COLOURS), clip, (event.thing,))
    for when, scene in (("start", clip.scene), ("end", scene_at(clip, clip.seconds))):
        for i, name in names.items():
            thing = thing_at(clip, scene, i, when)
            if thing is None:
                continue
            if not any(colour in name for colour in COLOURS):
                ask = f"what colour is the {name} at the {when}"
                yield Fact("colour", ask, thing.colour, tuple(COLOURS), clip, (i,))
            side = 2 * thing.column + 1 - clip.scene.grid
            if side:
                ask, answer = f"where is the {name} at the {when}", "right" if side > 0 else "left"
                yield Fact("place", ask, answer, ("left", "right"), clip, (i,))
        yield Fact("total", f"how many things are there at the {when}", str(len(scene.things)), NUMBERS, clip)


def thing_at(clip: Clip, scene: Scene, number: int, when: str) -> Thing | None:
    """The thing as it stands at the start or end; None where it is not there."""
    events = {e.thing: e for e in clip.events}
    event = events.get(number)
    if when == "start":
        return None if event and event.kind == "appear" else clip.scene.things[number]
    if event and event.kind == "vanish":
        return None
    gone = sum(e.kind == "vanish" and e.thing < number for e in clip.events)
    return scene.things[number - gone]


def _yes_no(kind: str, question: str, answer: bool, clip: Clip, things: tuple[int, ...]) -> Fact:
    return Fact(kind, question, YES_NO[not answer], YES_NO, clip, things)
