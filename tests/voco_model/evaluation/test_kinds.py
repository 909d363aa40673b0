"""Types of question: means by hand, the bounds beside, what does not count, what cannot be read."""

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from voco_model.errors import VocoError
from voco_model.evaluation.kinds import ALL, kinds_of
from voco_model.evaluation.outcome import ITEMS


def line(reading: str, kind: str, score: float, **more) -> dict:
    return {"reading": reading, "kind": kind, "category": "", "group": "p", "score": score, "counts": True} | more


def test_means_by_kind_and_reading_the_most_frequent_first(tmp_path):
    lines = [
        line("voco_4", "colour", 1.0),
        line("voco_4", "colour", 0.0),
        line("voco_4", "shape", 0.5, group="a"),
        line("voco_4", "shape", 1.0, group="b"),
        line("voco_4", "shape", 0.0, group="c"),
        line("upper", "colour", 1.0),
        line("voco_1", "colour", 1.0),
        line("voco_4", "colour", 1.0, counts=False),
        line("voco_4", "", 1.0, category="split"),
        line("voco_4", "", 1.0),
    ]
    pq.write_table(pa.Table.from_pylist(lines), tmp_path / ITEMS)
    found = kinds_of(tmp_path, ["voco_4", "upper"])
    assert [(kind.name, kind.questions) for kind in found] == [("shape", 3), ("colour", 2), (ALL, 1), ("split", 1)]
    shape, colour, *_ = found
    assert shape.by_reading["voco_4"].value == 50
    assert (shape.by_reading["voco_4"].low, shape.by_reading["voco_4"].high) == (0, 100), (
        "three pictures tell little"
    )
    assert {name: own.value for name, own in colour.by_reading.items()} == {"voco_4": 50, "upper": 100}
    assert [kind.name for kind in kinds_of(tmp_path, ["voco_4"], most=1)] == ["shape"]


def test_items_that_cannot_be_read_are_named(tmp_path):
    (tmp_path / ITEMS).write_bytes(b"items")
    with pytest.raises(VocoError, match=r"items.parquet: not an evaluation's items"):
        kinds_of(tmp_path, ["voco_4"])
