"""Every fault is counted, the first are kept, and past a stated share there is an error that says which."""

import json

import pyarrow.parquet as pq
import pytest

from voco_model.data.manifest import QUARANTINE_SCHEMA
from voco_model.data.quarantine import Quarantine
from voco_model.data.records import Quarantined
from voco_model.errors import VocoError


@pytest.fixture
def quarantine():
    made = Quarantine(keep=2)
    for line, code in enumerate(["bad_json", "nul", "nul"], 1):
        made.add(Quarantined("a.json", line, f"fault {line}", code, id=None if line == 1 else "x"))
    return made


def test_all_are_counted_and_the_first_are_kept(quarantine):
    assert len(quarantine) == 3
    assert quarantine.counts == {"bad_json": 1, "nul": 2}
    assert [fault.line for fault in quarantine.kept] == [1, 2]


def test_past_the_stated_share_it_is_an_error(quarantine):
    assert quarantine.share(30) == 0.1
    quarantine.check(0.1, 30)
    with pytest.raises(VocoError, match=r"3 of 29 records.*bad_json 1, nul 2.*1\.00%.*a\.json record 1: fault 1"):
        quarantine.check(0.01, 29)


def test_nothing_set_aside_is_no_share_of_nothing():
    empty = Quarantine()
    assert empty.share(0) == 0
    empty.check(0, 0)


def test_it_is_written_with_the_schema_and_the_counts(quarantine, tmp_path):
    quarantine.write(tmp_path / "q/quarantine.parquet")
    table = pq.read_table(tmp_path / "q/quarantine.parquet")
    assert table.schema.equals(QUARANTINE_SCHEMA)
    assert table.to_pylist()[1] == {"file": "a.json", "line": 2, "id": "x", "code": "nul", "reason": "fault 2"}
    assert json.loads(table.schema.metadata[b"counts"]) == {"bad_json": 1, "nul": 2}
    assert [p.name for p in (tmp_path / "q").iterdir()] == ["quarantine.parquet"]


def test_none_is_written_too(tmp_path):
    Quarantine().write(tmp_path / "q.parquet")
    assert pq.read_table(tmp_path / "q.parquet").num_rows == 0
