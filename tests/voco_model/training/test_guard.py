"""What counts as a step gone wrong, and when there were too many."""

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voco_model.errors import VocoError
from voco_model.training.guard import FEWEST, MEMORY, Guard
from voco_model.training.recipe import Guard as Settings


def guard(tmp_path, losses=(), source=0, **settings) -> Guard:
    made = Guard(Settings(**settings), tmp_path / "bad.jsonl")
    for loss in losses:
        made.passed(loss, source)
    return made


@pytest.mark.parametrize("loss", [math.nan, math.inf, -math.inf])
def test_what_is_no_number_is_a_fault_from_the_first_step_on(tmp_path, loss):
    assert "loss is" in guard(tmp_path).fault(loss)
    assert "gradient" in guard(tmp_path).fault(1.0, loss)


def test_a_spike_is_held_to_the_median_of_the_last_losses(tmp_path):
    made = guard(tmp_path, [5.0] * FEWEST + [2.0] * MEMORY, spike=3.0)
    assert made.fault(5.9) is None
    assert made.fault(6.1) == "loss 6.1 is a spike over the median of 2"


def test_nothing_is_a_spike_before_there_is_something_to_compare_with(tmp_path):
    assert guard(tmp_path, [1.0] * (FEWEST - 1)).fault(1e9) is None
    assert guard(tmp_path, [1.0] * FEWEST).fault(1e9) is not None


def test_what_lies_below_the_first_losses_is_no_spike_but_not_learned_yet(tmp_path):
    made = guard(tmp_path, [2.5] * FEWEST + [0.05] * MEMORY, spike=4.0)
    assert made.fault(2.4) is None
    assert made.fault(2.6) == "loss 2.6 is a spike over the median of 0.05"


@given(st.lists(st.floats(0, 10), min_size=FEWEST, max_size=60), st.floats(0, 100))
def test_a_spike_is_above_the_median_and_the_beginning(tmp_path_factory, losses, loss):
    last, first = sorted(losses[-MEMORY:]), sorted(losses[:FEWEST])
    median = (last[(len(last) - 1) // 2] + last[len(last) // 2]) / 2
    found = guard(tmp_path_factory.getbasetemp(), losses, spike=4.0).fault(loss)
    began = (first[(FEWEST - 1) // 2] + first[FEWEST // 2]) / 2
    assert (found is not None) == (loss > 4 * median and loss > began)


def test_what_is_learned_of_one_data_set_says_nothing_of_another(tmp_path):
    """Clips among pictures that are known well by now."""
    made = guard(tmp_path, [0.02] * MEMORY, source=0, spike=4.0)
    for _ in range(FEWEST):
        assert made.fault(2.5, source=1) is None
        made.passed(2.5, source=1)
    assert made.fault(2.5, source=0) is not None
    assert made.fault(2.5, source=1) is None
    assert made.fault(11.0, source=1) == "loss 11 is a spike over the median of 2.5"


def test_skipped_steps_are_written_down_and_too_many_stop_the_run(tmp_path):
    made = guard(tmp_path, most=1)
    made.skip(3, "loss is nan", ["a", "b"])
    with pytest.raises(VocoError, match=r"step 4: loss is inf; with it 2 steps were skipped.*guard.most=1"):
        made.skip(4, "loss is inf", ["c"])
    lines = [json.loads(line) for line in (tmp_path / "bad.jsonl").read_text().splitlines()]
    assert lines == [
        {"step": 3, "fault": "loss is nan", "ids": ["a", "b"]},
        {"step": 4, "fault": "loss is inf", "ids": ["c"]},
    ]


def test_what_it_remembers_can_be_carried_on(tmp_path):
    made = guard(tmp_path, [1.0, 2.0, 3.0] * 30, source=2)
    made.skipped = 2
    other = guard(tmp_path)
    other.load_state_dict(json.loads(json.dumps(made.state_dict())))
    assert other.histories == made.histories
    assert other.histories[2].losses.maxlen == MEMORY
    assert (other.losses, other.losses.maxlen, other.skipped) == (made.losses, MEMORY, 2)
