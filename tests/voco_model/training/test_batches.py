"""The stream of a run: every record once in a pass, at any number of ranks and parts; and an exact position."""

import json
from itertools import islice

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.voco_model.data.small_sets import PROCESSOR, Item, png, write
from voco_model.training.batches import Stream
from voco_model.training.recipe import Data


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    root = tmp_path_factory.mktemp("stream")
    first = write(root / "a", [Item(media=png(n // 2), answer="y" * n) for n in range(11)])
    second = write(root / "b", [Item("text", answer="z" * n) for n in range(1, 6)])
    return first, second


def stream(folders, batch_size=4, **options) -> Stream:
    data = Data(folders=folders, batch_size=batch_size, workers=0, questions_per_image=2)
    return Stream(data, PROCESSOR, seed=3, **options)


def steps(source: Stream, n: int) -> list[list[str]]:
    """The records of each step, in any order."""
    batches = list(islice(source, n * source.parts))
    return [sorted(i for b in batches[k * source.parts : (k + 1) * source.parts] for i in b.ids) for k in range(n)]


@settings(max_examples=8, deadline=None)
@given(st.sampled_from([(1, 1), (1, 2), (2, 1), (2, 2), (4, 1), (1, 4)]), st.integers(1, 12))
def test_steps_hold_the_same_records_at_any_number_of_ranks_and_parts(folders, cut, n):
    world_size, parts = cut
    alone = steps(stream(folders), n)
    ranks = [steps(stream(folders, rank=k, world_size=world_size, parts=parts), n) for k in range(world_size)]
    assert [sorted(i for rank in ranks for i in rank[k]) for k in range(n)] == alone


def test_a_pass_reads_every_record_of_every_folder_once(folders):
    source = stream(folders)
    for _ in range(2):
        seen = sorted(i for step in steps(source, source.steps_per_pass) for i in step)
        assert seen == sorted([f"r{n}" for n in range(11)] + [f"r{n}" for n in range(5)])


def test_folders_are_mixed_in_another_order_in_each_pass(folders):
    source = stream(folders, batch_size=1)
    orders = [source._order(n) for n in range(4)]
    assert all(sorted(order) == sorted(orders[0]) for order in orders)
    assert len({tuple(order) for order in orders}) > 1
    assert orders == [stream(folders, batch_size=1)._order(n) for n in range(4)]


@settings(max_examples=8, deadline=None)
@given(st.integers(0, 9), st.integers(1, 5), st.sampled_from([1, 2]))
def test_a_position_is_gone_on_from_exactly_with_other_parts_too(folders, before, after, parts):
    whole = steps(stream(folders), before + after)
    first = stream(folders)
    steps(first, before)
    second = stream(folders, parts=parts)
    second.load_state_dict(json.loads(json.dumps(first.state_dict())))
    assert steps(second, after) == whole[before:]


def test_one_pass_comes_out_the_same_every_time(folders):
    source = stream(folders)
    first, second = ([batch.ids for batch in source.one_pass()] for _ in range(2))
    assert first == second
    assert sum(len(ids) for ids in first) == 16
