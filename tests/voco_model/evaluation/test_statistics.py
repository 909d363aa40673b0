"""Intervals, retention and comparisons, against textbook figures and by their properties."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from voco_model.errors import VocoError
from voco_model.evaluation.items import Shares
from voco_model.evaluation.statistics import compare, interval, mcnemar, retention, retention_difference


def shares(scores, clusters=None, scale=100.0):
    values = np.array(scores, dtype=float)[:, None]
    return Shares(values, np.ones_like(values), clusters or [str(i) for i in range(len(scores))], scale)


def drawn(share, n=2000, seed=0):
    return (np.random.default_rng(seed).random(n) < share).astype(float)


def test_an_interval_is_as_wide_as_theory_says():
    """Of a share p of n: 1.96 * sqrt(p (1 - p) / n) to each side."""
    scores = [1] * 1200 + [0] * 800
    got = interval(shares(scores), resamples=4000)
    half = 196 * np.sqrt(0.6 * 0.4 / 2000)
    assert got.value == pytest.approx(60)
    assert got.high - got.value == pytest.approx(half, rel=0.1)
    assert got.value - got.low == pytest.approx(half, rel=0.1)


def test_questions_about_one_picture_count_as_one_draw():
    scores = np.repeat(drawn(0.5, 200), 10)
    alone = interval(shares(scores))
    together = interval(shares(scores, [str(i // 10) for i in range(2000)]))
    assert together.value == alone.value
    assert (together.high - together.low) / (alone.high - alone.low) == pytest.approx(np.sqrt(10), rel=0.15)


@settings(max_examples=25, deadline=None)
@given(st.lists(st.sampled_from([0.0, 0.3, 1.0]), min_size=1, max_size=30), st.integers(0, 5))
def test_an_interval_is_within_what_there_is_and_the_same_for_a_seed(scores, seed):
    clusters = [str(i % 7) for i in range(len(scores))]
    got = interval(shares(scores, clusters), resamples=50, seed=seed)
    assert got == interval(shares(scores, clusters), resamples=50, seed=seed)
    assert 100 * min(scores) - 1e-9 <= got.low <= got.high <= 100 * max(scores) + 1e-9


def test_a_sum_of_ratios_keeps_its_columns_apart():
    """1 of 2 in the first column, 3 of 3 in the second: 50 + 100."""
    tops = np.array([[1, 0], [0, 0], [0, 3]], dtype=float)
    bottoms = np.array([[1, 0], [1, 0], [0, 3]], dtype=float)
    got = interval(Shares(tops, bottoms, ["a", "b", "c"], 100.0), resamples=200)
    assert got.value == 150
    assert 100 <= got.low <= got.high <= 200


def test_retention_and_its_interval():
    lower, upper = shares([0] * 300 + [1] * 100), shares([1] * 400)
    half = shares([1, 0] * 150 + [1] * 100)
    got = retention(half, lower, upper)
    assert got.value == pytest.approx(50)
    assert 43 < got.low < 50 < got.high < 57
    assert retention(upper, lower, upper).low == pytest.approx(100)
    assert retention(lower, lower, upper).high == pytest.approx(0)
    with pytest.raises(VocoError, match=r"the upper bound \(25.00\) is not above the lower bound \(100.00\)"):
        retention(half, upper, lower)


def test_retention_of_two_models_is_compared_on_the_same_draws():
    """Between bounds of 0 and 100 % it is accuracy: 90 of 100 less 60, of which 30 items alone differ."""
    bounds = shares([0] * 100), shares([1] * 100)
    better, worse = (shares([1] * n + [0] * (100 - n)) for n in (90, 60))
    got = retention_difference([(better, *bounds)], [(worse, *bounds)])
    assert got.value == pytest.approx(30)
    assert (got.high - got.low) / 2 == pytest.approx(196 * np.sqrt(0.3 * 0.7 / 100), rel=0.15)
    same = retention_difference([(better, *bounds)] * 2, [(better, *bounds)] * 2)
    assert (same.value, same.low, same.high) == (0, 0, 0)
    with pytest.raises(VocoError, match="different questions"):
        retention_difference([(better, *bounds)], [(shares([1] * 99), *bounds)])


def test_bounds_that_cannot_be_told_apart_give_no_finite_interval():
    got = retention(shares([1, 0, 1, 0]), shares([0, 1, 0, 1]), shares([1, 1, 0, 1]))
    assert np.isinf(got.low)
    assert np.isinf(got.high)


@pytest.mark.parametrize(
    ("gained", "lost", "p_value"),
    [(0, 0, 1.0), (5, 0, 0.0625), (1, 8, 20 / 512), (3, 3, 1.0), (2, 10, 2 * (1 + 12 + 66) / 4096)],
)
def test_mcnemar_is_the_exact_binomial(gained, lost, p_value):
    first = np.array([1] * gained + [0] * lost + [1, 0])
    second = np.array([0] * gained + [1] * lost + [1, 0])
    assert mcnemar(first, second) == pytest.approx(p_value, abs=1e-12)


def test_mcnemar_of_many_items_does_not_overflow():
    assert mcnemar(np.array([1] * 8000 + [0] * 4000), np.array([0] * 8000 + [1] * 4000)) < 1e-200


def test_a_verdict_in_words():
    better, worse = shares(drawn(0.7)), shares(drawn(0.6, seed=1))
    won, lost = compare(better, worse), compare(worse, better)
    assert (won.verdict, won.test, lost.verdict) == ("better", "McNemar", "worse")
    assert won.difference.low > 0 > lost.difference.high
    assert str(won).startswith("better: +")
    same = compare(better, better)
    assert (same.verdict, same.needed, same.p_value) == ("not told apart", None, 1.0)
    assert "the two agree" in str(same)


def test_how_many_items_it_would_take():
    """Of 400 pairs 30 went one way and 20 the other: a difference of 2.5 points.

    Its variance per item is (30 + 20) / 400 - 0.025^2, so it takes (1.96 + 0.84)^2 * 0.124375 / 0.025^2 = 1562.
    """
    first = [1] * 30 + [0] * 20 + [1] * 350
    second = [0] * 30 + [1] * 20 + [1] * 350
    got = compare(shares(first), shares(second), resamples=4000)
    assert got.verdict == "not told apart"
    assert got.difference.value == pytest.approx(2.5)
    assert got.needed == pytest.approx(1562, rel=0.1)
    assert "it would take about" in str(got)


def test_clustered_answers_are_compared_by_bootstrap():
    clusters = [str(i // 4) for i in range(2000)]
    got = compare(shares(drawn(0.7), clusters), shares(drawn(0.6, seed=1), clusters))
    assert (got.test, got.verdict) == ("paired bootstrap", "better")


def test_only_the_same_questions_are_compared():
    with pytest.raises(VocoError, match="different questions cannot be compared"):
        compare(shares([1, 0]), shares([1, 0, 1]))
    with pytest.raises(VocoError, match="no scored questions"):
        interval(shares([]))
