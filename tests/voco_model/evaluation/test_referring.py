"""RefCOCO against scores computed by hand: boxes by overlap, descriptions by CIDEr."""

from math import e, log, sqrt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.voco_model.evaluation.writing import figures, llava, write
from voco_model.errors import VocoError
from voco_model.evaluation.benchmarks import by_name
from voco_model.evaluation.cider import Cider
from voco_model.evaluation.evaluating import questions_folder
from voco_model.evaluation.ptb import tokens
from voco_model.evaluation.referring import first_box, in_pixels, overlap
from voco_model.evaluation.scoring import scored
from voco_model.evaluation.statistics import interval


def refcoco(folder):
    """Two objects of one picture of 200 by 100, and one for training."""

    def ref(number, split, sentences):
        told = [{"sent": s, "raw": s.upper(), "tokens": s.split(), "sent_id": i} for i, s in sentences]
        return {"ref_id": number, "ann_id": 10 + number, "image_id": 5, "split": split, "sentences": told}

    refs = [
        ref(1, "testA", [(0, "red ball"), (1, "the ball on the left")]),
        ref(2, "testB", [(2, "blue box")]),
        ref(3, "train", [(3, "green ring")]),
    ]
    boxes = {11: [20, 20, 40, 40], 12: [100, 10, 50, 50], 13: [0, 0, 1, 1]}
    instances = {
        "images": [{"id": 5, "file_name": "COCO_train2014_000000000005.jpg", "width": 200, "height": 100}],
        "annotations": [{"id": i, "image_id": 5, "bbox": b} for i, b in boxes.items()],
    }
    write(folder / "instances.json", instances)
    return write(folder / "refs(unc).json", refs)


def test_boxes(tmp_path):
    refs = refcoco(tmp_path)
    answers = {
        0: "It is at [0.1, 0.2, 0.3, 0.6], not at [0, 0, 1, 1].",  # just the box
        1: "[20, 20, 60, 40]",  # its upper half: 0.5
        2: "The box [100, 10, 150, 34]",  # 24 of 50: below
    }
    got = figures("refcoco_rec", refs, llava(tmp_path / "a.jsonl", answers))
    assert got["accuracy"] == pytest.approx(200 / 3, abs=1e-9)
    assert (got["testA/accuracy"], got["testB/accuracy"], got["questions"], got["boxes"]) == (100, 0, 3, 3)
    got = figures(
        "refcoco_rec", tmp_path, write(tmp_path / "b.json", [{"sent_id": 2, "box": [0.5, 0.1, 0.75, 0.6]}])
    )
    assert (got["testB/accuracy"], got["testA/accuracy"], got["missing"]) == (100, 0, 2)


def test_each_split_has_shares_of_its_own(tmp_path):
    """testA: both boxes right. testB: wrong; CIDEr of a split counts how rare words are in that split alone."""
    benchmark = by_name("refcoco_plus_rec")
    assert benchmark.title == "RefCOCO+ REC"
    result = scored(
        benchmark, benchmark.load(refcoco(tmp_path)), ["[20, 20, 60, 60]", "[0.1, 0.2, 0.3, 0.6]", "?"]
    )
    assert {name: interval(own).value for name, own in result.parts().items()} == {"testA": 100, "testB": 0}
    assert result.parts()["testA"].clusters == ["5", "5"]
    described = by_name("refcocog_reg")
    result = scored(described, described.load(tmp_path), ["Red ball.", "blue box"])
    for split, own in result.parts().items():
        assert interval(own).value == pytest.approx(100 * result.figures[f"{split}/CIDEr"])


@pytest.mark.parametrize(("name", "folder"), [("refcocog", "refcocog"), ("refcoco_plus", "refcoco+")])
def test_each_data_set_has_a_folder(tmp_path, name, folder):
    (tmp_path / folder).mkdir()
    assert (
        questions_folder(tmp_path, f"{name}_rec") == questions_folder(tmp_path, f"{name}_reg") == tmp_path / folder
    )


@pytest.mark.parametrize(
    ("text", "box"),
    [
        ("no box", None),
        ("", None),
        ("[1, 2, 3]", None),
        ("(1,2,3,4)", None),
        ("[.5,0.25, 1., 1]", (0.5, 0.25, 1, 1)),
        ("a [1] b [ -1 , 2 , 3 , 4 ] [5,6,7,8]", (-1, 2, 3, 4)),
    ],
)
def test_the_first_box(text, box):
    assert first_box(text) == box


def test_no_box_is_wrong_and_a_box_the_wrong_way_round_too():
    assert overlap((10, 10, 0, 0), (0, 0, 10, 10)) == 0
    assert overlap((0, 0, 0, 0), (0, 0, 0, 0)) == 0
    assert in_pixels((0, 0, 1, 1), (200, 100)) == (0, 0, 200, 100)
    assert in_pixels((0, 0, 2, 1), (200, 100)) == (0, 0, 2, 1)


edges = st.floats(0, 100, allow_nan=False)


@given(st.tuples(edges, edges, edges, edges), st.tuples(edges, edges, edges, edges))
def test_overlap_is_symmetric_and_a_share(a, b):
    a, b = ((min(c[0], c[2]), min(c[1], c[3]), max(c[0], c[2]), max(c[1], c[3])) for c in (a, b))
    assert overlap(a, b) == overlap(b, a)
    assert 0 <= overlap(a, b) <= 1 + 1e-9


def test_an_object_that_is_nowhere_is_named(tmp_path):
    refs = refcoco(tmp_path)
    write(tmp_path / "instances.json", {"images": [], "annotations": []})
    with pytest.raises(
        VocoError, match=r"refs\(unc\).json: record 1: its `image_id` 5 is not in .*instances.json"
    ):
        by_name("refcoco_rec").load(refs)


def test_cider_of_two_objects_by_hand(tmp_path):
    """Two objects, so a word of one object weighs log 2, a word of both nothing.

    `red ball` for the first: against `red ball` cosine 1 for words and for pairs, no longer ones: 2 / 4 * 10.
    Against `the ball on the left` (four pairs to one: penalty e^(-9/72)), only the word `ball` is shared, its
    weight log 2 in both; the norms are sqrt(2) log 2 and sqrt(1 + 1 + 1 + 2^2) log 2, as `the` is there twice.
    The second is answered in other words.
    """
    refs = refcoco(tmp_path)
    answers = write(
        tmp_path / "p.json", {"predictions": [{"sent": "Red ball.", "ref_id": 1}, {"sent": "?", "ref_id": 2}]}
    )
    against_second = e ** (-9 / 72) / (sqrt(2) * sqrt(7)) / 4 * 10
    expected = (5 + against_second) / 2
    got = figures("refcoco_reg", refs, answers)
    assert got["CIDEr"] == pytest.approx(expected / 2, abs=1e-9)
    assert got["testA/CIDEr"] == got["testB/CIDEr"] == 0  # of a single object all words weigh log 1
    assert by_name("refcoco_reg").load(refs)[0].text == "[0.10, 0.20, 0.30, 0.60]"


def test_cider_clips_repeated_words():
    cider = Cider([[["ball"]], [["box"]]])
    weight = log(2)
    # `ball ball`: clipped to one, by norms 2 and 1; the penalty for a pair too many.
    once = weight * weight / (2 * weight * weight) * e ** (-1 / 72)
    assert cider.score(["ball", "ball"], [["ball"]]) == pytest.approx(once / 4 * 10, abs=1e-9)
    assert cider.score([], [["ball"]]) == 0


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("The man's T-shirt, isn't it?", "the man 's t-shirt is n't it"),
        ("Second from left.", "second from left"),
        ('man in "red" jacket...', "man in red jacket"),
        ("cannot see (left)", "can not see -lrb- left -rrb-"),
        ("3.5 or 1,000; 10:30", "3.5 or 1,000 10:30"),
        ("dr. smith -- yes!", "dr. smith yes"),
        ("", ""),
    ],
)
def test_words_of_an_expression(text, words):
    assert tokens(text) == words.split()
