"""Questions about clips; as with those about scenes, their words alone say nothing about the answer."""

from collections.abc import Callable
from dataclasses import replace

from data.world.facts import Clip, Event, Thing
from data.world.phrases import Pair, Rng, a, coin, in_order, noun, phrase, pick, place, shuffled, yes_no

DONE = {"move": "moved", "appear": "appeared", "vanish": "vanished", "recolour": "changed colour"}
WILL = {"move": "move", "appear": "appear", "vanish": "vanish", "recolour": "change colour"}
COUNTS = {1: (0, 1), 2: (0, 1, 2), 3: (0, 1, 2), 4: (0, 1, 2)}
"""Level -> the numbers that are asked for; all must occur in a clip."""


def clip_questions(clip: Clip, rng: Rng, types: tuple[str, ...] | None = None) -> list[Pair]:
    """One question of every type (or of those named) that the clip can give, in random order."""
    asked = []
    for kind in shuffled(rng, types or tuple(TYPES)):
        made = TYPES[kind](clip, rng)
        if made:
            asked.append(Pair(made[0], made[1], kind))
    return asked


def clip_caption(clip: Clip, rng: Rng) -> str:
    """What happens, in order."""
    parts = [f"{a(noun(actor(clip, event)))} {_what_happens(event)}" for event in clip.events]
    opening = pick(rng, ("", f"among {len(clip.scene.things)} things, ", "first, "))
    return opening + in_order(parts, pick(rng, ("and then", "and finally")))


def actor(clip: Clip, event: Event) -> Thing:
    """The thing of an event, as it looked before, or when it appeared."""
    return event.to if isinstance(event.to, Thing) else clip.scene.things[event.thing]


def _what_happens(event: Event) -> str:
    if isinstance(event.to, Thing):
        return f"appears in {place(event.to.row, event.to.column)}"
    if isinstance(event.to, str):
        return f"turns {event.to}"
    return "vanishes" if event.to is None else f"moves to {place(*event.to)}"


Made = tuple[str, str] | None


def _what(clip: Clip, rng: Rng) -> Made:
    """What moved, vanished, ...; the first of several, or the last."""
    kind = pick(rng, clip.events).kind
    events = [e for e in clip.events if e.kind == kind]
    if len(events) == 1:
        return phrase(rng, ("What {did}?", "Which thing {did}?"), did=DONE[kind]), noun(actor(clip, events[0]))
    first = coin(rng)
    asks = ("What {did} {when}?", "Which thing {did} {when}?")
    when = "first" if first else "last"
    return phrase(rng, asks, did=DONE[kind], when=when), noun(actor(clip, events[0 if first else -1]))


def _first_kind(clip: Clip, rng: Rng) -> Made:
    asks = (
        "What happened first: did something move, appear, vanish or change colour?",
        "The first event: did something move, appear, vanish or change colour?",
    )
    return phrase(rng, asks), WILL[clip.events[0].kind]


def _order(clip: Clip, rng: Rng) -> Made:
    """Whether one event came before another, of which the words tell apart both things."""
    names = [noun(t) for t in _everything(clip)]
    told = [e for e in clip.events if names.count(noun(actor(clip, e))) == 1]
    if len(told) < 2:
        return None
    i, j = sorted(int(n) for n in rng.permutation(len(told))[:2])
    answer = coin(rng)
    one, other = (told[i], told[j]) if answer else (told[j], told[i])
    asks = (
        "Did the {x} {x_does} before the {y} {y_did}?",
        "Is it right that the {x} {x_did} before the {y} {y_did}?",
    )
    x, y = noun(actor(clip, one)), noun(actor(clip, other))
    words = {"x": x, "y": y, "x_does": WILL[one.kind], "x_did": DONE[one.kind], "y_did": DONE[other.kind]}
    return phrase(rng, asks, **words), yes_no(answer)


def _new_colour(clip: Clip, rng: Rng) -> Made:
    events = [e for e in clip.events if e.kind == "recolour"]
    shapes = [t.shape for t in _everything(clip)]
    told = [e for e in events if shapes.count(actor(clip, e).shape) == 2]  # before and after
    if not told:
        return None
    event = pick(rng, told)
    asks = ("What colour did the {shape} become?", "Into which colour did the {shape} change?")
    return phrase(rng, asks, shape=actor(clip, event).shape), str(event.to)


def _old_colour(clip: Clip, rng: Rng) -> Made:
    events = [e for e in clip.events if e.kind == "recolour"]
    if len(events) != 1:
        return None
    asks = ("Before it changed, what colour was the thing that changed colour?", "Which colour was changed?")
    return phrase(rng, asks), actor(clip, events[0]).colour


def _count(clip: Clip, rng: Rng) -> Made:
    numbers = {kind: sum(e.kind == kind for e in clip.events) for kind in DONE}
    wanted = COUNTS[clip.level]
    if not set(wanted) <= set(numbers.values()):
        return None
    n = pick(rng, wanted)
    kind = pick(rng, [k for k in DONE if numbers[k] == n])
    asks = ("How many things {did}?", "Count the things that {did}.")
    return phrase(rng, asks, did=DONE[kind]), str(n)


def _happened(clip: Clip, rng: Rng) -> Made:
    """Whether there was an event of some kind; asked where both answers can be given."""
    seen = {e.kind for e in clip.events}
    if len(seen) == len(DONE):
        return None
    answer = coin(rng)
    kind = pick(rng, [k for k in DONE if (k in seen) == answer])
    return phrase(rng, ("Did anything {do}?", "Did something {do} in the clip?"), do=WILL[kind]), yes_no(answer)


def _new_row(clip: Clip, rng: Rng) -> Made:
    events = [e for e in clip.events if e.kind == "move"]
    if len(events) != 1 or not isinstance(events[0].to, tuple):
        return None
    asks = ("To which row did the thing move?", "In which row did the moving thing end?")
    return phrase(rng, asks), str(events[0].to[0] + 1)


def _everything(clip: Clip) -> list[Thing]:
    """All looks that a thing has at some time."""
    looks = list(clip.scene.things)
    for event in clip.events:
        if isinstance(event.to, Thing):
            looks.append(event.to)
        elif isinstance(event.to, str):
            looks.append(replace(clip.scene.things[event.thing], colour=event.to))
    return looks


TYPES: dict[str, Callable[[Clip, Rng], Made]] = {
    "clip_what": _what,
    "clip_first_kind": _first_kind,
    "clip_order": _order,
    "clip_new_colour": _new_colour,
    "clip_old_colour": _old_colour,
    "clip_count": _count,
    "clip_happened": _happened,
    "clip_new_row": _new_row,
}
