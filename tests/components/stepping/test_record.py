"""A record says how many threads computed; one that is older keeps the digest that it was given."""

import json
import sys
from dataclasses import asdict, replace

import pytest

from components.stepping.code import Code
from components.stepping.digests import text_digest
from components.stepping.record import Record, read_record, threads

RECORD = Record(
    *("run-1", "align", "align", "2026-01-01T00:00:00+00:00", 1.0, {"seed": 1}, "c" * 64),
    *(Code("c" * 40, False, "a" * 64), None, "3.11", "b" * 64, 1, {}, {}, {}, {}, {}),
)


def test_a_record_from_before_threads_were_recorded_keeps_its_digest(tmp_path):
    before = {name: value for name, value in asdict(RECORD).items() if name != "threads"}
    (tmp_path / "record").write_text(json.dumps(before))
    found = read_record(tmp_path / "record")
    assert found.threads is None
    assert found.sha256 == text_digest(before)
    (tmp_path / "again").write_text(json.dumps(asdict(found)))  # as a lineage has it
    assert read_record(tmp_path / "again").sha256 == found.sha256


def test_threads_are_part_of_a_record(tmp_path):
    record = replace(RECORD, threads=3)
    (tmp_path / "record").write_text(json.dumps(asdict(record)))
    assert read_record(tmp_path / "record") == record
    assert record.sha256 != RECORD.sha256


@pytest.mark.parametrize(("given", "expected"), [("3", 3), ("0", 8), ("many", 8), ("", 8)])
def test_without_torch_threads_are_what_it_would_take(monkeypatch, given, expected):
    monkeypatch.delitem(sys.modules, "torch", raising=False)
    monkeypatch.setattr("os.cpu_count", lambda: 8)
    monkeypatch.setenv("OMP_NUM_THREADS", given)
    assert threads() == expected


def test_torch_says_how_many_it_takes():
    import torch

    before = torch.get_num_threads()
    try:
        torch.set_num_threads(3)
        assert threads() == 3
    finally:
        torch.set_num_threads(before)
