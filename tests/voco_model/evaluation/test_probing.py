"""The probe: a ridge as written out by hand; what it reads where there is something, and where nothing is."""

import numpy as np
import pytest

from voco_model.evaluation import probing
from voco_model.evaluation.probing import RIDGES, folds_of, gram, held_out, probe, ridge, word_gram


def by_hand(features: np.ndarray, targets: np.ndarray, others: np.ndarray) -> np.ndarray:
    """A ridge over weights, its strength chosen by really leaving each row out."""
    scale = np.linalg.eigvalsh(np.cov(features.T, bias=True) * len(features)).sum() / len(features)

    def fitted(x: np.ndarray, y: np.ndarray, strength: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        centre, mean = x.mean(0), y.mean(0)
        inside = (x - centre).T @ (x - centre) + strength * np.eye(x.shape[1])
        return np.linalg.solve(inside, (x - centre).T @ (y - mean)), centre, mean

    def error(part: float) -> float:
        total = 0.0
        for row in range(len(features)):
            rest = np.arange(len(features)) != row
            weights, centre, mean = fitted(features[rest], targets[rest], part * scale)
            total += float((((features[row] - centre) @ weights + mean - targets[row]) ** 2).sum())
        return total

    weights, centre, mean = fitted(features, targets, min(RIDGES, key=error) * scale)
    return (others - centre) @ weights + mean


def test_the_ridge_is_the_one_over_weights():
    chance = np.random.default_rng(0)
    features, others = chance.normal(size=(14, 5)), chance.normal(size=(4, 5))
    targets = features @ chance.normal(size=(5, 2)) + 0.3 * chance.normal(size=(14, 2))
    told = ridge(features @ features.T, targets, others @ features.T)
    np.testing.assert_allclose(told, by_hand(features, targets, others), atol=1e-9)


def test_inner_products_of_standardised_features(monkeypatch):
    features = np.array([[1.0, 7, 10], [3, 7, 10], [5, 7, 40], [7, 7, 40]], dtype=np.float32)
    found = gram(features)
    first, third = np.array([-3, -1, 1, 3]) / 5**0.5, np.array([-1, -1, 1, 1])
    np.testing.assert_allclose(found, (np.outer(first, first) + np.outer(third, third)) / 2, atol=1e-12)
    monkeypatch.setattr(probing, "AT_ONCE", 1)
    np.testing.assert_allclose(gram(features), found, atol=1e-12)
    assert gram(np.ones((3, 2))).tolist() == np.zeros((3, 3)).tolist(), "features that never differ tell nothing"


def test_words_are_sets():
    found = word_gram(["Is it red?", "is it it red", "What else"])
    np.testing.assert_allclose(found, [[1, 1, 0], [1, 1, 0], [0, 0, 1]], atol=1e-12)


def bits(n_pictures: int, seed: int = 0):
    """Pictures of three bits, hidden in a hundred features; for each picture two questions about bits."""
    chance = np.random.default_rng(seed)
    facts = chance.integers(0, 2, (n_pictures, 3))
    features = (2 * facts - 1) @ chance.normal(size=(3, 100)) + 0.1 * chance.normal(size=(n_pictures, 100))
    asked = [(p, int(b)) for p in range(n_pictures) for b in chance.permutation(3)[:2]]
    names = ("red", "round", "large")
    texts = [f"Is it {names[b]}?" for _, b in asked]
    answers = ["yes" if facts[p, b] else "no" for p, b in asked]
    of = np.array([p for p, _ in asked])
    return gram(features)[np.ix_(of, of)], texts, answers, [f"p{p}" for p in of]


def test_what_is_there_is_read_and_words_alone_do_not_tell():
    found = probe(*bits(90))
    assert found.accuracy.value > 95
    assert found.accuracy.low > max(found.words, found.majority) + 20
    assert (found.questions, found.pictures) == (180, 90)
    assert 50 <= found.majority < 65
    assert found.words < 65


def test_what_is_not_there_is_not_read():
    grams, texts, answers, groups = bits(90)
    shuffled = np.random.default_rng(1).permutation(90).repeat(2) * 2
    other = grams[np.ix_(shuffled, shuffled)]
    found = probe(other, texts, answers, groups)
    assert found.accuracy.low < found.majority
    assert found.accuracy.value < 65


def test_a_picture_is_never_on_both_sides():
    groups = [f"p{k // 3}" for k in range(60)]
    folds = folds_of(groups)
    assert {len(set(folds[k : k + 3])) for k in range(0, 60, 3)} == {1}
    assert sorted(np.unique(folds, return_counts=True)[1]) == [12] * 5
    assert folds_of(groups).tolist() == folds.tolist()
    same = np.eye(20).repeat(3, 0).repeat(3, 1)  # pictures alike only to themselves: nothing is learned of others
    answers = ["a" if k // 3 % 2 else "b" for k in range(60)]
    assert held_out(same, answers, folds).mean() < 0.7


@pytest.mark.parametrize("answers", [["a"] * 10, ["a", "b"] * 5])
def test_few_or_like_answers_do_no_harm(answers):
    found = probe(np.zeros((10, 10)), ["What?"] * 10, answers, [str(k) for k in range(10)])
    assert 0 <= found.accuracy.value <= found.majority == 100 * answers.count("a") / 10
