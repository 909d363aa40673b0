"""A model against bounds and baselines: paired, by hand, the verdict in words."""

import csv
import json

import numpy as np
import pytest

from voco_model.errors import VocoError
from voco_model.evaluation.comparing import BASELINES, BOUNDS, chosen, verdicts, write
from voco_model.evaluation.items import Shares
from voco_model.evaluation.outcome import LOWER, UPPER, VOCO, Outcome, Row
from voco_model.evaluation.statistics import compare, interval


def marks(right: str) -> Shares:
    """A string of 1 and 0: one question about each of as many pictures."""
    values = np.array([[float(mark)] for mark in right])
    return Shares(values, np.ones_like(values), [str(k) for k in range(len(right))], 100.0)


def result(**rows: str) -> Outcome:
    made = []
    for key, right in rows.items():
        row, _, n = key.partition("_")
        made.append(Row(row, int(n) if n else None, interval(marks(right)), {}, marks(right)))
    return Outcome("gqa", "GQA", "accuracy", made)


@pytest.mark.parametrize(
    ("gained", "lost", "p_value", "verdict"),
    [
        (5, 0, 2 / 32, "not told apart"),
        (6, 0, 2 / 64, "better"),
        (0, 6, 2 / 64, "worse"),
        (8, 1, 2 * (1 + 9) / 512, "better"),
        (7, 1, 2 * (1 + 8) / 256, "not told apart"),
    ],
)
def test_mcnemar_decides_by_hand(gained, lost, p_value, verdict):
    """The exact binomial: of the questions that one alone has right, p = 2 * P(so few or fewer)."""
    ours, theirs = "1" * gained + "0" * lost + "10" * 8, "0" * gained + "1" * lost + "10" * 8
    (one,) = verdicts([result(voco_1=ours, pool_1=theirs)], [BASELINES])
    found = one.comparison
    assert (found.test, found.verdict) == ("McNemar", verdict)
    assert found.p_value == pytest.approx(p_value)
    assert found.difference.value == pytest.approx(100 * (gained - lost) / (gained + lost + 16))
    assert str(one).startswith(f"GQA: VoCo with 1 token against pool with 1 token: {verdict}: ")
    assert ("it would take about" in str(one)) is (verdict == "not told apart")


def test_a_paired_bootstrap_by_hand():
    """Two questions about each picture; the gain is one question of each picture, whichever are drawn."""
    clusters = [str(k // 2) for k in range(40)]
    values = [np.array([[float(k % 2 or one)] for k in range(40)]) for one in (1, 0)]
    ours, theirs = (Shares(v, np.ones_like(v), clusters, 100.0) for v in values)
    found = compare(ours, theirs, resamples=999)
    assert (found.test, found.verdict) == ("paired bootstrap", "better")
    assert (found.difference.value, found.difference.low, found.difference.high) == (50, 50, 50)
    assert found.p_value == pytest.approx(2 * (0 + 1) / (999 + 1))


@pytest.mark.parametrize(
    ("pictures", "verdict", "p_value", "needed"),
    [(4, "not told apart", 2 / 2**4, 12), (5, "not told apart", 2 / 2**5, 12), (6, "better", 2 / 2**6, None)],
)
def test_a_few_pictures_all_one_way_may_be_chance(pictures, verdict, p_value, needed):
    """Two questions of each, all gained: every resample says the same, but n coins fall alike once in 2^(n-1)."""
    clusters = [str(k // 2) for k in range(2 * pictures)]
    ours, theirs = (
        Shares(np.full((2 * pictures, 1), mark), np.ones((2 * pictures, 1)), clusters, 100.0)
        for mark in (1.0, 0.0)
    )
    found = compare(ours, theirs, resamples=999)
    assert (found.test, found.verdict) == ("paired bootstrap", verdict)
    assert found.p_value == pytest.approx(p_value)
    assert needed is None or found.needed == needed, "six pictures of two questions"


def test_what_is_compared_with_what():
    whole = result(voco_1="10", voco_4="11", upper="11", lower="00", pool_1="01")
    assert [row.row for row in whole.rows] == [VOCO, VOCO, UPPER, LOWER, "pool"]
    pairs = [(one.first, one.second) for one in verdicts([whole], [BOUNDS])]
    assert pairs == [
        (f"VoCo with {n}", f"the {bound} bound") for n in ("1 token", "4 tokens") for bound in ("upper", "lower")
    ]
    assert {one.second for one in verdicts([whole], [BASELINES])} == {"pool with 1 token"}
    assert len(verdicts([whole], [BASELINES, BOUNDS])) == 6
    assert verdicts([whole], []) == []


def test_files_say_the_same_in_three_ways(tmp_path):
    found = verdicts([result(voco_1="1" * 6 + "10", pool_1="0" * 6 + "10")], [BASELINES])
    write(found, tmp_path)
    assert "| better " in (tmp_path / "comparisons.md").read_text()
    (told,) = json.loads((tmp_path / "comparisons.json").read_text())
    assert (told["verdict"], told["difference"], told["items"]) == ("better", 75, 8)
    with (tmp_path / "comparisons.csv").open() as file:
        (row,) = csv.DictReader(file)
    assert (row["verdict"], float(row["p_value"])) == ("better", told["p_value"])


def test_an_unknown_comparison_is_told_the_known():
    assert chosen("bounds, baselines,bounds") == ("bounds", "baselines")
    with pytest.raises(VocoError, match="--compare best: there are baselines and bounds"):
        chosen("bounds,best")
