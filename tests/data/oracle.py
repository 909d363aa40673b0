"""The answer to a question of the benchmark files, worked out from the scene or clip and the question's words."""

import re

from data.world.scenes import SHAPES, Clip, Event, Scene, Thing, scene_at

TOLD = {"moved": "move", "appeared": "appear", "vanished": "vanish", "changed colour": "recolour"}
VERB = {"move": "move", "appear": "appear", "vanish": "vanish", "change colour": "recolour"}
SAID = {kind: verb for verb, kind in VERB.items()}


def fits(thing: Thing, words: str) -> bool:
    return all(w in (thing.shape, thing.colour, thing.size, "thing", "things") for w in singular(words).split())


def singular(words: str) -> str:
    for shape in SHAPES:
        words = re.sub(rf"\b{shape}(s|es)\b", shape, words)
    return words


def only(things: list[Thing]) -> Thing:
    assert len(things) == 1, f"{len(things)} things are meant"
    return things[0]


def meant(scene: Scene, words: str) -> Thing:
    if found := re.fullmatch(r"thing in row (\d), column (\d)", words):
        cell = (int(found[1]) - 1, int(found[2]) - 1)
        return only([t for t in scene.things if (t.row, t.column) == cell])
    if found := re.fullmatch(r"thing just left of the (.+)", words):
        right = meant(scene, found[1])
        return only([t for t in scene.things if (t.row, t.column) == (right.row, right.column - 1)])
    if found := re.fullmatch(r"(.+) (?:with|that says) (?:the (?:word|digit) )?(\w+)", words):
        return only([t for t in scene.things if t.word == found[2].lower() and fits(t, found[1])])
    if found := re.fullmatch(r"(.+) that is (\w+)", words):
        return only([t for t in scene.things if fits(t, f"{found[2]} {found[1]}")])
    return only([t for t in scene.things if fits(t, words)])


def number(scene: Scene, group: str) -> int:
    return sum(fits(t, group) for t in scene.things)


def half(value: int, grid: int, low: str, high: str) -> str:
    assert 2 * value + 1 != grid, "in the middle"
    return low if 2 * value + 1 < grid else high


def side(scene: Scene, words: str) -> str:
    return half(meant(scene, words).column, scene.grid, "left", "right")


def height(scene: Scene, words: str) -> str:
    return half(meant(scene, words).row, scene.grid, "top", "bottom")


def blind(scene: Scene, shape: str, attribute: str) -> str:
    things = [t for t in scene.things if t.shape == shape]
    return (getattr(only(things), attribute) if things else None) or "unanswerable"


def yes(value: bool) -> str:
    return "yes" if value else "no"


IMAGE = {
    r"what colour is the (.+)\?": lambda s, x: meant(s, x).colour,
    r"what shape is the (.+)\?": lambda s, x: meant(s, x).shape,
    r"is the (.+) small or large\?": lambda s, x: meant(s, x).size,
    r"is the (.+) on the left or on the right\?": side,
    r"is the (.+) at the top or at the bottom\?": height,
    r"where is the (.+)\?": lambda s, x: f"{height(s, x)} {side(s, x)}",
    r"what (?:word|digit) is written on the (.+)\?": lambda s, x: meant(s, x).word,
    r"which of these is written on the (.+)\?": lambda s, x: meant(s, x).word or "None",
    r"how many (.+) are there\?": lambda s, x: str(number(s, x)),
    r"what pattern is in the background\?": lambda s: s.background,
    r"are there more (\w+) than (\w+) things\?": lambda s, x, y: yes(number(s, x) > number(s, y)),
    r"is there an? (.+) in the (?:picture|image)\?": lambda s, x: yes(number(s, x) > 0),
    r"are there both a (\w+) and a (\w+) in .*": lambda s, x, y: yes(number(s, x) > 0 and number(s, y) > 0),
    r"is the (.+) left of the (.+)\?": lambda s, x, y: yes(meant(s, x).column < meant(s, y).column),
    r"is the (.+) above the (.+)\?": lambda s, x, y: yes(meant(s, x).row < meant(s, y).row),
    r"are the (.+) and the (.+) in the same row\?": lambda s, x, y: yes(meant(s, x).row == meant(s, y).row),
    r"what colour is this (\w+)\?": lambda s, x: blind(s, x, "colour"),
    r"is this (\w+) small or large\?": lambda s, x: blind(s, x, "size"),
    r"what does this (\w+) say\?": lambda s, x: blind(s, x, "word"),
}
CLAIMS = {
    r"is there an? (.+) in this image\?": lambda s, x: number(s, x) > 0,
    r"is the number of (.+) plus ten equal to (\d+)\?": lambda s, x, n: number(s, x) + 10 == int(n),
    r"is the number of (.+) (\d+)\?": lambda s, x, n: number(s, x) == int(n),
    r"if one more of the (.+) came, would there be (\d+)\?": lambda s, x, n: number(s, x) + 1 == int(n),
    r"the code counts the (.+) in the image\. does it print \"(\d+)\"\?": lambda s, x, n: number(s, x) == int(n),
    r"spelt backwards, is the word on the (.+) \"(\w+)\"\?": lambda s, x, w: meant(s, x).word == w[::-1],
    r"is the (?:word|digit) (\w+) written on the (.+)\?": lambda s, w, x: meant(s, x).word == w,
    r"does the background show (\w+)\?": lambda s, b: s.background == b,
    r"is the (.+) on the (\w+) side\?": lambda s, x, y: side(s, x) == y,
    r"is the (.+) at the (\w+)\?": lambda s, x, y: height(s, x) == y,
    r"is the (.+) a (\w+)\?": lambda s, x, y: meant(s, x).shape == y,
    r"is the (.+) (\w+)\?": lambda s, x, y: y in (meant(s, x).colour, meant(s, x).size),
}


def answer(scene: Scene, question: str) -> str:
    for pattern, rule in IMAGE.items():
        if found := re.fullmatch(pattern, question.lower()):
            return rule(scene, *found.groups())
    raise AssertionError(f"not understood: {question}")


def claim(scene: Scene, question: str) -> bool:
    for pattern, rule in CLAIMS.items():
        if found := re.fullmatch(pattern, question.lower()):
            return rule(scene, *found.groups())
    raise AssertionError(f"not understood: {question}")


class Told:
    """A clip with its things by number, and all that each looks like at some time."""

    def __init__(self, clip: Clip) -> None:
        self.clip = clip
        self.first = dict(enumerate(clip.scene.things))
        self.first |= {e.thing: e.to for e in clip.events if isinstance(e.to, Thing)}
        self.event = {e.thing: e for e in clip.events}

    def meant(self, words: str) -> int:
        def ever(i: int) -> bool:
            new = self.event[i].to if i in self.event and self.event[i].kind == "recolour" else None
            looks = [(t.shape, t.size, c) for t in [self.first[i]] for c in (t.colour, new)]
            return any(set(words.split()) <= set(look) for look in looks)

        numbers = [i for i in self.first if ever(i)]
        assert len(numbers) == 1, f"{words} means {numbers}"
        return numbers[0]

    def did(self, words: str) -> str | None:
        event = self.event.get(self.meant(words))
        return event.kind if event else None

    def at(self, words: str, when: str) -> Thing:
        """The thing itself: found by where it must be."""
        i = self.meant(words)
        scene = scene_at(self.clip, 0 if when == "start" else self.clip.seconds)
        thing, event = self.first[i], self.event.get(i)
        cell = event.to if when == "end" and event and event.kind == "move" else (thing.row, thing.column)
        return only(
            [t for t in scene.things if (t.row, t.column, t.shape, t.size) == (*cell, thing.shape, thing.size)]
        )

    def doers(self, told: str) -> list[Event]:
        return [e for e in self.clip.events if e.kind == TOLD[told]]

    def shape(self, event: Event) -> str:
        return self.first[event.thing].shape

    def ends(self, when: str) -> Event:
        return self.clip.events[0 if when == "first" else -1]

    def way(self, words: str) -> str:
        i = self.meant(words)
        row, column = self.event[i].to
        down, right = row - self.first[i].row, column - self.first[i].column
        if abs(right) > abs(down):
            return "right" if right > 0 else "left"
        assert abs(down) > abs(right)
        return "down" if down > 0 else "up"

    def after(self, words: str) -> str:
        place = [e.thing for e in self.clip.events].index(self.meant(words))
        return SAID[self.clip.events[place + 1].kind]


DID = "|".join(TOLD)
DO = "|".join(VERB)
CLIP = {
    r"what did the (.+) do": lambda c, x: SAID.get(c.did(x), "stay"),
    rf"did the (.+) (?:{DO}) before the (.+) (?:{DID})": lambda c, x, y: yes(
        c.event[c.meant(x)].time < c.event[c.meant(y)].time
    ),
    rf"did the (.+?) ({DO})": lambda c, x, v: yes(c.did(x) == VERB[v]),
    rf"how many things ({DID})": lambda c, v: str(len(c.doers(v))),
    rf"which shape ({DID})": lambda c, v: c.shape(only(c.doers(v))),
    r"which shape did something (first|last)": lambda c, w: c.shape(c.ends(w)),
    r"what happened (first|last)": lambda c, w: SAID[c.ends(w).kind],
    rf"what happened next after the (.+?) (?:{DID})": lambda c, x: c.after(x),
    r"in which direction did the (.+) move": lambda c, x: c.way(x),
    r"what colour did the (.+) become": lambda c, x: c.event[c.meant(x)].to,
    r"what colour is the (.+) at the (start|end)": lambda c, x, w: c.at(x, w).colour,
    r"where is the (.+) at the (start|end)": lambda c, x, w: half(
        c.at(x, w).column, c.clip.scene.grid, "left", "right"
    ),
    r"how many things are there at the (start|end)": lambda c, w: str(
        len(scene_at(c.clip, 0 if w == "start" else c.clip.seconds).things)
    ),
}


def clip_answer(clip: Clip, question: str) -> str:
    for pattern, rule in CLIP.items():
        if found := re.fullmatch(pattern, question.rstrip("?")):
            return rule(Told(clip), *found.groups())
    raise AssertionError(f"not understood: {question}")
