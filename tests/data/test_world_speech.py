"""Questions have the answers that they are given, by another reading of the scene; and words alone do not help."""

import re
from collections import Counter, defaultdict

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data.world.balance import template, text_only_score
from data.world.phrases import Pair
from data.world.scenes import COLOURS, LABELS, LEVELS, SHAPES, generator, make_clip, make_scene, scene_at
from data.world.speech import caption, clip_caption, clip_questions, questions
from data.world.training_records import OPTIONS, with_options

THING = rf"({'|'.join(COLOURS)}) ({'|'.join(SHAPES)})"
PLACE = r"row (\d+), column (\d+)"
BOX = r"\[\d\.\d\d, \d\.\d\d, \d\.\d\d, \d\.\d\d\]"


def found(question, *patterns):
    """The groups of the first pattern that fits."""
    for pattern in patterns:
        match = re.search(pattern, question)
        if match:
            return match.groups()
    return None


def one(things):
    (thing,) = things
    return thing


def oracle(question, scene):
    """The answer, worked out from the question's words."""
    things = scene.things
    named = [
        one(t for t in things if (t.colour, t.shape) == pair)
        for pair in re.findall(THING, question)
        if not re.search(r"^(Is there|Does the picture show)", question)
    ]
    yes = {True: "yes", False: "no"}
    if groups := found(question, PLACE):
        thing = one(t for t in things if (t.row + 1, t.column + 1) == tuple(map(int, groups)))
        return thing.colour if re.search("[Cc]olour", question) else thing.shape
    if groups := found(question, rf"(?:Is there|show) an? {THING}"):
        return yes[any((t.colour, t.shape) == groups for t in things)]
    if groups := found(
        question, r"(?:more|number of) (\w+) (?:things )?(?:than|things larger than that of) (\w+)"
    ):
        first, second = (sum(t.colour == g for t in things) for g in groups)
        return yes[first > second]
    if re.search("How many things (are|does)|all the things", question):
        return str(len(things))
    if groups := found(question, r"(?:How many|Count the) (\w+)"):
        of = groups[0]
        if of in COLOURS:
            return str(sum(t.colour == of for t in things))
        return str(
            sum(t.shape == re.sub("e?s$", "", of) or t.shape + "s" == of for t in things)
            if of != "crosses"
            else sum(t.shape == "cross" for t in things)
        )
    if re.search("left", question):
        return yes[
            named[0].box[0] + named[0].box[2] < named[1].box[0] + named[1].box[2]
            and named[0].column != named[1].column
        ]
    if re.search("above|higher", question):
        return yes[named[0].row < named[1].row]
    if re.search("same row", question):
        return yes[named[0].row == named[1].row]
    if re.search(r"\brow\b", question):
        return str(named[0].row + 1)
    if re.search("small or large", question):
        return named[0].size
    if groups := found(question, r"the (?:word|digit) (\w+)\?"):
        return one(t for t in things if t.word == groups[0].lower()).colour
    if re.search(r"\b(word|digit)\b", question):
        return named[0].word
    if re.search("pattern", question):
        return scene.background
    if groups := found(question, f"({BOX})"):
        thing = one(t for t in things if _box(t) == groups[0])
        return f"{thing.colour} {thing.shape}"
    if re.search(r"\bbox\b", question):
        return _box(named[0])
    if groups := found(question, rf"\b({'|'.join(SHAPES)})\b"):
        return one(t for t in things if t.shape == groups[0]).colour
    groups = found(question, rf"\b({'|'.join(COLOURS)})\b")
    return one(t for t in things if t.colour == groups[0]).shape


def _box(thing):
    return "[{:.2f}, {:.2f}, {:.2f}, {:.2f}]".format(*thing.box)


@given(st.integers(0, 10**6), st.sampled_from(list(LEVELS)))
@settings(max_examples=150, deadline=None)
def test_answers_are_right(number, level):
    scene = make_scene(0, "test", number, level)
    for question, answer, kind in questions(scene, generator(number)):
        assert oracle(question, scene) == answer, (kind, question)


DID = {
    "move": r"moved?\b",
    "appear": r"appear(ed)?\b",
    "vanish": r"vanish(ed)?\b",
    "recolour": r"changed? colour\b",
}


def clip_oracle(question, clip):
    """By comparing what is to be seen before and after each event."""
    seen = []  # (kind, look before or at first, look after)
    for event in clip.events:
        before = {(t.row, t.column): t for t in scene_at(clip, event.time - 0.01).things}
        after = {(t.row, t.column): t for t in scene_at(clip, event.time + 0.6).things}
        same = set(before) & set(after)
        gone = [before[c] for c in set(before) - same] + [
            before[c] for c in same if before[c].colour != after[c].colour
        ]
        come = [after[c] for c in set(after) - same] + [
            after[c] for c in same if before[c].colour != after[c].colour
        ]
        kind = "vanish" if not come else "appear" if not gone else "move"
        kind = "recolour" if gone and come and gone[0].colour != come[0].colour else kind
        seen.append((kind, (gone or come)[0], (come or gone)[0]))
    if "did something move, appear" in question:
        return {"recolour": "change colour"}.get(seen[0][0], seen[0][0])
    if groups := found(question, rf"(?:Did|that) the {THING} (.*) before the {THING} (.*)\?"):
        colour1, shape1, did1, colour2, shape2, did2 = groups
        places = [
            one(i for i, (k, t, _) in enumerate(seen) if (t.colour, t.shape) == look and re.match(DID[k], did))
            for look, did in (((colour1, shape1), did1), ((colour2, shape2), did2))
        ]
        return "yes" if places[0] < places[1] else "no"
    if groups := found(question, r"colour did the (\w+) (?:become|change)"):
        return one(new for k, _, new in seen if k == "recolour" and new.shape == groups[0]).colour
    if re.search("Before it changed|colour was changed", question):
        return one(old for k, old, _ in seen if k == "recolour").colour
    if re.search(r"\brow\b", question):
        return str(one(new for k, _, new in seen if k == "move").row + 1)
    kind = one(k for k, pattern in DID.items() if re.search(pattern, question))
    of_kind = [t for k, t, _ in seen if k == kind]
    if re.search("How many|Count", question):
        return str(len(of_kind))
    if re.search("^Did", question):
        return "yes" if of_kind else "no"
    thing = of_kind[-1] if "last" in question else of_kind[0] if "first" in question else one(of_kind)
    return f"{thing.colour} {thing.shape}"


@given(st.integers(0, 10**6), st.sampled_from(list(LEVELS)))
@settings(max_examples=120, deadline=None)
def test_answers_about_clips_are_right(number, level):
    clip = make_clip(0, "train", number, level)
    for question, answer, kind in clip_questions(clip, generator(number)):
        assert clip_oracle(question, clip) == answer, (kind, question)


def pairs_by_type(split, level, n_scenes, n_clips):
    out = defaultdict(list)
    for n in range(n_scenes):
        for pair in questions(make_scene(11, split, n, level), generator(split, n)):
            out[pair.type].append(pair)
    for n in range(n_clips):
        for pair in clip_questions(make_clip(11, split, n, level), generator(split, n)):
            out[pair.type].append(pair)
    return out


@pytest.mark.parametrize("level", [1, 2, 3])
def test_words_alone_do_not_help(level):
    """For every type of question, what is learned of training scenes scores at chance on test scenes."""
    train, test = pairs_by_type("train", level, 600, 300), pairs_by_type("test", level, 600, 300)
    assert len(test) >= 23
    for kind, pairs in test.items():
        score, chance = text_only_score(pairs, train[kind])
        noise = (chance * (1 - chance) / len(pairs)) ** 0.5
        assert score < chance + 0.03 + 3.5 * noise, (kind, len(pairs), score, chance)


def test_yes_is_as_likely_as_no():
    asked = pairs_by_type("test", 2, 1000, 0)
    for kind in ("exists", "left_of", "above", "same_row", "compare"):
        answers = Counter(answer for _, answer, _ in asked[kind])
        assert set(answers) == {"yes", "no"}
        assert answers["yes"] / answers.total() == pytest.approx(0.5, abs=0.06)


def test_the_guesser_finds_what_words_give_away():
    """A blind guesser must score where there is something to find, or its chance scores mean nothing."""
    rng = generator("biased")
    colours = list(COLOURS)
    by_colour = [(f"What shape is the {c} thing?", SHAPES[i % 8 % 6]) for i, c in enumerate(colours * 40)]
    assert text_only_score(by_colour)[0] > 0.9
    skewed = [("How many?", "1" if rng.random() < 0.8 else "2") for _ in range(400)]
    score, chance = text_only_score(skewed)
    assert score == pytest.approx(0.8, abs=0.07)
    assert chance == 0.5
    fair = [("How many?", str(rng.integers(2))) for _ in range(400)]
    assert text_only_score(fair)[0] == pytest.approx(0.5, abs=0.08)
    paired = [(f"Is {i // 2} even?", ("yes", "no")[i % 2]) for i in range(400)]
    assert text_only_score(paired)[0] == pytest.approx(0.5, abs=0.08)
    by_template = [("Is it red?", "yes"), ("What?", "no")] * 50
    assert text_only_score(by_template) == (1.0, 1.0)
    assert text_only_score(skewed, train=[("How many?", "2")] * 10)[0] == pytest.approx(0.2, abs=0.07)
    assert text_only_score([]) == (0.0, 0.0)


def test_templates_forget_the_worlds_words():
    assert template("Is the red circle in row 3?") == template("Is the pink star in row 1?")
    assert template("How many circles?") == template("How many crosses?")
    assert template("Is it left?") != template("Is it above?")


def test_options_hold_the_answer_once_and_letters_are_even():
    letters = Counter()
    for n in range(400):
        scene = make_scene(5, "train", n, 2)
        for pair in questions(scene, generator(n), tuple(OPTIONS)):
            text, letter = with_options(pair, generator("letters", n, pair.type))
            shown = dict(line.split(". ", 1) for line in text.splitlines()[1:5])
            assert shown[letter] == pair.answer
            assert len(set(shown.values())) == 4
            letters[letter] += 1
    assert all(n / letters.total() == pytest.approx(0.25, abs=0.04) for n in letters.values())


@pytest.mark.parametrize("level", LEVELS)
def test_a_caption_tells_what_there_is(level):
    for n in range(30):
        scene = make_scene(6, "train", n, level)
        text = caption(scene, generator(n))
        told = re.findall(rf"(small|large) {THING}", text)
        looks = Counter((t.size, t.colour, t.shape) for t in scene.things)
        assert not Counter(told) - looks, "nothing that is not there"
        assert len(told) == min(len(scene.things), 9)
        for size, colour, shape, row, column in re.findall(rf"(small|large) {THING}[^,]*? in {PLACE}", text):
            thing = one(t for t in scene.things if (t.row + 1, t.column + 1) == (int(row), int(column)))
            assert (thing.size, thing.colour, thing.shape) == (size, colour, shape)
        assert {w.lower() for w in re.findall(r"\b[A-Z]{3}\b|(?<=digit )\d", text)} <= set(LABELS)


def test_phrasings_vary_and_follow_the_seed():
    scene = make_scene(7, "train", 1, 3)
    texts = {caption(scene, generator(n)) for n in range(30)}
    assert len(texts) >= 4
    assert questions(scene, generator(1)) == questions(scene, generator(1))
    exists = {re.sub(THING, "", questions(scene, generator(n), ("exists",))[0].question) for n in range(40)}
    assert len(exists) >= 3
    assert isinstance(questions(scene, generator(1))[0], Pair)


def test_a_clips_caption_keeps_the_order():
    verbs = {"move": "moves to", "appear": "appears in", "vanish": "vanishes", "recolour": "turns"}
    for n in range(60):
        clip = make_clip(8, "train", n, 3)
        text = clip_caption(clip, generator(n))
        told = re.findall("moves to|appears in|vanishes|turns", text)
        assert told == [verbs[e.kind] for e in clip.events]
