"""One benchmark of one model: what is written, what is drawn, what has no bounds."""

import json
import shutil

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch

from tests.voco_model.evaluation import small_benchmarks as small
from voco_model.errors import VocoError
from voco_model.evaluation.answering import Asking
from voco_model.evaluation.benchmarks import by_name
from voco_model.evaluation.evaluating import NO_BOUNDS, Evaluation, chosen, evaluate_model
from voco_model.evaluation.outcome import read_outcome
from voco_model.evaluation.questions import Question
from voco_model.evaluation.scoring import score_files
from voco_model.evaluation.statistics import interval

SHORT = Asking(batch=5, max_new_tokens=3, frames=2)


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """Both benchmarks, a model and a model of bounds, and the evaluation of each benchmark."""
    folder = tmp_path_factory.mktemp("evaluated")
    small.gqa(folder / "data/gqa")
    small.msvd_qa(folder / "data/msvd_qa")
    small.assistant(dtype=torch.float32).save_pretrained(folder / "model")
    small.assistant(seed=1, dtype=torch.float32).save_pretrained(folder / "upper")
    return folder


def config(place, out, benchmark="gqa", **more) -> Evaluation:
    defaults = {"n_voco": (1, 4), "upper": place / "upper", "asking": SHORT}
    return Evaluation(benchmark, place / "model", place / "data", place / out, **defaults | more)


def test_every_way_of_reading_is_written_and_read_back(place):
    shares = []
    outcome = evaluate_model(config(place, "gqa"), lambda done, total: shares.append(done / total))
    assert [row.name for row in outcome.rows] == ["voco_1", "voco_4", "upper", "lower"]
    assert [row.n_voco for row in outcome.rows] == [1, 4, None, 4]
    assert shares == sorted(shares)
    assert shares[-1] == 1
    again = read_outcome(place / "gqa")
    assert again.about == json.loads(json.dumps(outcome.about))
    for row, read in zip(outcome.rows, again.rows, strict=True):
        assert interval(read.shares) == interval(row.shares) == read.headline
        assert read.figures == row.figures
        assert read.intervals == row.intervals
        assert row.intervals["accuracy"] == row.headline
    names = outcome.flat()
    assert names["gqa.voco_1.accuracy/structural/query.low"] <= names["gqa.voco_1.accuracy/structural/query"]
    assert {"gqa.voco_1.accuracy", "gqa.upper.headline", "gqa.lower.low", "gqa.voco_4.missing"} <= names.keys()


def test_other_models_are_asked_the_same_and_stand_beside(place):
    small.baseline(compressor="avgpool").save_pretrained(place / "avgpool")
    small.baseline(2).save_pretrained(place / "two")
    others = (("pool", place / "avgpool"), ("two", place / "two"))
    outcome = evaluate_model(config(place, "others", n_voco=(1,), others=others))
    assert [row.name for row in outcome.rows] == ["voco_1", "upper", "lower", "pool_1", "two_2"]
    assert outcome.about["kinds"]["pool"]["compressor"] == "avgpool"
    assert outcome.about["kinds"]["voco"]["n_voco"] == 4
    assert set(outcome.about["others"]) == {"pool", "two"}
    assert all(row.shares.clusters == outcome.rows[0].shares.clusters for row in outcome.rows)
    assert (place / "others/answers/pool_1/answers.json").is_file()
    assert read_outcome(place / "others").row("two", 2).figures == outcome.row("two", 2).figures
    clips = evaluate_model(config(place, "other-clips", "msvd_qa", n_voco=(1,), others=others))
    assert [row.name for row in clips.rows] == ["voco_1", "pool_1", "two_2"]
    again = read_outcome(place / "other-clips").row("pool", 1)
    assert interval(again.parts["score"]) == interval(clips.row("pool", 1).parts["score"])


def test_the_official_answers_score_as_the_items_do(place):
    evaluate_model(config(place, "scored", n_voco=(2,), upper=None))
    outcome = read_outcome(place / "scored")
    answers = place / "scored/answers/voco_2/answers.json"
    assert score_files(by_name("gqa"), place / "data/gqa", answers).headline == outcome.rows[0].headline.value
    items = pq.read_table(place / "scored/items.parquet").to_pylist()
    assert len(items) == 12
    assert 100 * np.mean([item["score"] for item in items]) == pytest.approx(outcome.rows[0].headline.value)
    assert {item["reading"] for item in items} == {"voco_2"}


def test_the_same_again_is_the_same_to_the_byte(place):
    for out in ("one", "two"):
        evaluate_model(config(place, out, limit=8))
    files = sorted(path.relative_to(place / "one") for path in (place / "one").rglob("*") if path.is_file())
    assert len(files) == 4 + 4
    for name in files:
        assert (place / "one" / name).read_bytes() == (place / "two" / name).read_bytes(), name


def test_clips_have_no_bounds_and_say_so(place):
    outcome = evaluate_model(config(place, "clips", "msvd_qa"))
    assert [row.name for row in outcome.rows] == ["voco_1", "voco_4"]
    assert NO_BOUNDS in outcome.remarks


def test_a_limit_takes_whole_pictures_and_a_larger_one_takes_more():
    questions = [Question(id=str(k), text="", prompt="", group=f"g{k % 7}") for k in range(70)]
    drawn = {limit: [q.id for q in chosen(questions, limit)] for limit in (1, 25, 30, 69)}
    assert [len(ids) for ids in drawn.values()] == [10, 20, 30, 60]
    assert set(drawn[1]) < set(drawn[25]) < set(drawn[30]) < set(drawn[69])
    assert drawn[30] == sorted(drawn[30], key=int)
    assert chosen(questions, 70) == chosen(questions, None) == questions


def test_a_result_that_cannot_be_read_is_named(place, tmp_path):
    evaluate_model(config(place, "whole", upper=None))
    shutil.copytree(place / "whole", tmp_path / "cut")
    (tmp_path / "cut/shares.parquet").write_bytes(b"PAR1")
    with pytest.raises(VocoError, match="cut: not an evaluation's result"):
        read_outcome(tmp_path / "cut")


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"benchmark": "gqo"}, "no benchmark 'gqo'; known: .*gqa"),
        ({"n_voco": (0,)}, "n_voco is"),
        ({"limit": 0}, "limit is"),
        ({"others": (("upper", "x"),)}, "is named 'upper'; give each a name of its own"),
        ({"others": (("a b", "x"),)}, "is named 'a b'"),
        ({"others": (("a", "x"), ("a", "y"))}, "is named 'a'"),
        ({"n_voco": (5,)}, "this model was trained with 4: choose 1 to 4"),
    ],
)
def test_mistakes_are_one_line(place, wrong, message):
    with pytest.raises(VocoError, match=message):
        evaluate_model(config(place, "none", **wrong))
    assert not (place / "none").exists()
