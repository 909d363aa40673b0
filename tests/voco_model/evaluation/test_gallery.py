"""The gallery: which answers are drawn, what is said of them, pictures that are small and inside the page."""

import base64
import io

import pytest
from PIL import Image

from voco_model.evaluation.gallery import LONGEST, SIDE, data_uri, gallery, wanted
from voco_model.evaluation.items import Item
from voco_model.evaluation.questions import Question


def item(name: str, group: str, score: float, answer: str | None = "red", **more) -> Item:
    question = Question(id=name, text=f"What is {name}?", prompt="", truth="blue", group=group, **more)
    return Item(question, answer, (answer or "").lower(), score)


def opened(uri: str) -> Image.Image:
    head, _, data = uri.partition(",")
    assert head == "data:image/jpeg;base64"
    return Image.open(io.BytesIO(base64.b64decode(data)))


ITEMS = [item(f"q{k}", f"p{k // 4}", float(k % 2)) for k in range(40)]


def test_as_many_right_as_wrong_about_different_pictures():
    cards = gallery(ITEMS, lambda question: [])
    assert [card.right for card in cards] == [True] * 3 + [False] * 3
    assert [card.score for card in cards] == [1.0] * 3 + [0.0] * 3
    numbers = [int(card.question.removeprefix("What is q").removesuffix("?")) for card in cards]
    assert len({n // 4 for n in numbers[:3]}) == len({n // 4 for n in numbers[3:]}) == 3
    assert [n % 2 for n in numbers] == [1] * 3 + [0] * 3


def test_the_draw_depends_on_names_and_seed_alone():
    cards = gallery(ITEMS, lambda question: [])
    assert gallery(ITEMS[::-1], lambda question: []) == cards
    assert gallery(ITEMS, lambda question: [], seed=1) != cards


def test_what_does_not_count_or_was_not_answered_is_left_out():
    items = [
        item("a", "p", 1.0, counts=False),
        item("b", "p", 0.0, None),
        item("c", "p", 0.5),
        item("d", "p", 1.0),
    ]
    cards = gallery(items, lambda question: [])
    assert {card.question for card in cards} == {"What is c?", "What is d?"}, (
        "one picture's twice, for want of others"
    )


@pytest.mark.parametrize(
    ("truth", "options", "told"),
    [
        ("blue", {}, "blue"),
        ("B", {"A": "red", "B": "blue"}, "B (blue)"),
        (("blue", "red", "blue", "sky"), {}, "blue / red / sky"),
        ([["a", "red", "ball"], ["red", "ball"]], {}, "a red ball / red ball"),
        ((0.25, 0.5, 0.75, 1), {}, "[0.25, 0.5, 0.75, 1]"),
        (3, {}, "3"),
    ],
)
def test_the_right_answer_as_a_person_reads_it(truth, options, told):
    assert wanted(Question(id="1", text="", prompt="", truth=truth, options=options)) == told


def test_what_the_scorer_reads_is_said_where_it_differs():
    question = Question(id="1", text="Is it?" * 100, prompt="", truth="yes", options={"A": "yes"})
    same, other = (Item(question, answer, "yes", 1.0) for answer in ("Yes.", "1"))
    assert [gallery([one], lambda question: [])[0].read for one in (same, other)] == ["", "yes"]
    letter = gallery([Item(question, "A.", "A", 1.0)], lambda question: [])[0]
    assert (letter.given, letter.read, len(letter.question)) == ("A. (yes)", "", LONGEST)


def test_pictures_are_small_and_clips_are_strips():
    picture = Image.new("RGB", (1000, 500), (200, 30, 30))
    small = opened(data_uri([picture]))
    assert small.size == (SIDE, SIDE // 2)
    red, green, _ = small.convert("RGB").getpixel((40, 40))
    assert red > 180 > 60 > green
    frames = [Image.new("RGB", (64, 64), (0, 0, 40 * k)) for k in range(6)]
    strip = opened(data_uri(frames)).convert("RGB")
    assert strip.size == (3 * 64 + 4, 64)
    blues = [strip.getpixel((66 * k + 32, 32))[2] for k in range(3)]
    assert blues == pytest.approx([0, 80, 200], abs=6), "the first, the middle, the last"
    assert opened(data_uri(frames[:2])).size == (2 * 64 + 2, 64)
    assert data_uri([]) == ""
