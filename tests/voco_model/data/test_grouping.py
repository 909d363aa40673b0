"""The plan of an epoch: every record once, groups whole, batches of like length, near each other in the shards."""

from itertools import pairwise
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from voco_model.data.catalogue import Catalogue
from voco_model.data.grouping import BatchPolicy, EpochPlan, plan_epoch
from voco_model.errors import VocoError


def catalogue(media: list[int], shards: list[int], lengths: list[int], kinds: list[int]) -> Catalogue:
    names = [f"{n:06d}.tar" for n in range(max(shards) + 1)]
    digests = pa.array([f"{n:064x}" for n in media])
    ids = pa.array([f"r{n}" for n in range(len(media))])
    arrays = [np.array(column) for column in (shards, media, kinds, lengths)]
    return Catalogue(Path("set"), "v", names, np.arange(len(media)), ids, digests, *arrays, np.zeros(len(media)))


@st.composite
def catalogues(draw) -> Catalogue:
    n = draw(st.integers(1, 60))
    media = draw(st.lists(st.integers(0, n), min_size=n, max_size=n))
    lengths = draw(st.lists(st.integers(1, 500), min_size=n, max_size=n))
    per_shard = draw(st.integers(1, 20))
    return catalogue(media, [k // per_shard for k in range(n)], lengths, [m % 3 for m in media])


policies = st.builds(
    BatchPolicy,
    batch_size=st.integers(1, 12),
    questions_per_image=st.integers(1, 4),
    shards_at_once=st.integers(1, 4),
    sorted_batches=st.integers(1, 4),
)


def plan(of: Catalogue, policy: BatchPolicy, seed: int = 0, epoch: int = 0) -> EpochPlan:
    return plan_epoch(of, of.text_lengths, policy, seed, epoch)


def batches(made: EpochPlan) -> list[list[list[int]]]:
    return [made.batch(index) for index in range(len(made))]


@settings(max_examples=80, deadline=None)
@given(catalogues(), policies, st.integers(0, 3), st.integers(1, 8))
def test_every_record_once_at_any_world_size(of, policy, seed, world):
    made = plan(of, policy, seed)
    shares = [made.share(index, rank, world) for index in range(len(made)) for rank in range(world)]
    assert sorted(record for share in shares for group in share for record in group) == list(range(len(of)))
    for index in range(len(made)):
        counts = [len(made.share(index, rank, world)) for rank in range(world)]
        assert max(counts) - min(counts) <= 1
        assert sum(counts) == policy.batch_size or index == len(made) - 1


@settings(max_examples=60, deadline=None)
@given(catalogues(), policies)
def test_records_of_one_image_stay_together(of, policy):
    groups = [group for batch in batches(plan(of, policy)) for group in batch]
    most = policy.questions_per_image
    for media in np.unique(of.media):
        sizes = sorted(len(g) for g in groups if of.media[g[0]] == media)
        n = int((of.media == media).sum())
        assert sizes == sorted([most] * (n // most) + [n % most] * (n % most > 0))
    assert all(len(set(of.media[group])) == 1 for group in groups)


@settings(max_examples=50, deadline=None)
@given(catalogues(), policies, st.integers(0, 5), st.integers(0, 5))
def test_the_same_seed_and_epoch_give_the_same_plan(of, policy, seed, epoch):
    assert batches(plan(of, policy, seed, epoch)) == batches(plan(of, policy, seed, epoch))


def test_other_epochs_and_seeds_give_other_plans():
    of = catalogue(list(range(64)), [k // 8 for k in range(64)], [5] * 64, [1] * 64)
    seen = [batches(plan(of, BatchPolicy(4), seed, epoch)) for seed in range(3) for epoch in range(3)]
    assert all(a != b for a, b in pairwise(seen))
    assert len({str(made) for made in seen}) == 9


def test_questions_of_an_image_are_mixed_anew_each_epoch():
    of = catalogue([0] * 8, [0] * 8, [5] * 8, [1] * 8)
    policy = BatchPolicy(1, questions_per_image=4)
    partners = {frozenset(batches(plan(of, policy, 0, epoch))[0][0]) for epoch in range(6)}
    assert len(partners | {frozenset(range(8)) - p for p in partners}) > 2


def padding(groups: list[list[int]], lengths: np.ndarray) -> int:
    """Places that are padding, over all batches."""
    used = [int(lengths[g].sum()) for g in groups]
    return sum(len(g) * int(lengths[g].max()) for g in groups) - sum(used)


def test_batches_of_like_length_need_a_fifth_of_the_padding():
    chance = np.random.default_rng(0)
    lengths = (np.exp(chance.normal(4, 1, 4000)) + 1).astype(int)
    of = catalogue(list(range(4000)), [k // 500 for k in range(4000)], lengths.tolist(), [1] * 4000)
    made = plan(of, BatchPolicy(16, shards_at_once=4))
    ours = padding([[r for g in batch for r in g] for batch in batches(made)], lengths)
    random = padding(np.array_split(chance.permutation(4000), 250), lengths)
    assert ours < random / 5


def test_batches_are_of_one_kind_where_they_can_be():
    of = catalogue(list(range(900)), [0] * 900, [7] * 900, [k % 3 for k in range(900)])
    made = batches(plan(of, BatchPolicy(10, sorted_batches=30)))
    mixed = [batch for batch in made if len({int(of.kinds[g[0]]) for g in batch}) > 1]
    assert len(mixed) <= 2 * 3
    kinds = [int(of.kinds[batch[0][0]]) for batch in made]
    assert kinds != sorted(kinds)


def test_only_a_few_shards_are_read_from_at_one_time():
    of = catalogue(list(range(1000)), [k // 50 for k in range(1000)], [k % 37 for k in range(1000)], [1] * 1000)
    made = batches(plan(of, BatchPolicy(8, shards_at_once=3)))
    last_use = {int(of.shards[g[0]]): n for n, batch in enumerate(made) for g in batch}
    first_use = {int(of.shards[g[0]]): -n for n, batch in reversed(list(enumerate(made))) for g in batch}
    open_at = [sum(-first_use[s] <= n <= last_use[s] for s in last_use) for n in range(len(made))]
    assert max(open_at) <= 2 * 3
    assert [int(of.shards[b[0][0]]) // 3 for b in made] != sorted(int(of.shards[b[0][0]]) // 3 for b in made)


def test_the_last_batch_is_kept_or_dropped():
    of = catalogue(list(range(10)), [0] * 10, [1] * 10, [1] * 10)
    assert [len(b) for b in batches(plan(of, BatchPolicy(4)))] == [4, 4, 2]
    assert [len(b) for b in batches(plan(of, BatchPolicy(4, drop_last=True)))] == [4, 4]


@pytest.mark.parametrize("name", ["batch_size", "questions_per_image", "shards_at_once", "sorted_batches"])
def test_a_policy_below_one_is_refused_by_name(name):
    with pytest.raises(VocoError, match=f"{name} is 0"):
        BatchPolicy(**({"batch_size": 1} | {name: 0}))


def test_the_whole_mix_is_planned_in_arrays():
    n = 100_000
    chance = np.random.default_rng(1)
    of = catalogue(
        chance.integers(0, n // 2, n).tolist(),
        (np.arange(n) // 3000).tolist(),
        chance.integers(5, 900, n).tolist(),
        [1] * n,
    )
    made = plan(of, BatchPolicy(128, questions_per_image=3))
    assert sorted(made.records.tolist()) == list(range(n))
    assert len(np.unique(made.groups)) == len(made.bounds) - 1
