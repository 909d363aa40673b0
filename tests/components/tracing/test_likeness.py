"""Two outputs: the first file and value that differ, by hand; and whether all of it is within a tolerance."""

import json
import math

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from safetensors.numpy import save_file

from components.tracing.likeness import Difference, difference


@pytest.fixture
def pair(tmp_path):
    for side in ("old", "new"):
        (tmp_path / side).mkdir()
        (tmp_path / side / "z.txt").write_text("the same")
    return tmp_path / "old", tmp_path / "new"


def tensors(path, **values):
    save_file({name: np.array(value, "float32") for name, value in values.items()}, path / "model.safetensors")


def test_the_same_is_no_difference(pair):
    assert difference(*pair) is None
    assert difference(pair[0] / "z.txt", pair[1] / "z.txt") is None


def test_the_first_tensor_is_named_with_its_greatest_difference(pair):
    old, new = pair
    tensors(old, a=[1, 2], b=[100, 0, 4], c=[1])
    tensors(new, a=[1, 2], b=[100, 0.25, 3.5], c=[3])
    told = "tensor b: greatest difference 0.5 (tolerance 1)"  # a hundredth of 100
    assert difference(old, new, 0.01) == Difference("model.safetensors", told, False)  # c is 2 apart
    tensors(new, a=[1, 2], b=[100, 0.25, 3.5], c=[1.0078125])
    assert difference(old, new, 0.01) == Difference("model.safetensors", told, True)
    assert not difference(old, new, 0.004).within


@pytest.mark.parametrize(
    ("new", "said"),
    [
        ({"a": [1, 2, 3]}, "tensor a: [2] torch.float32 became [3] torch.float32"),
        ({"a": [1, math.nan]}, "tensor a: greatest difference inf (tolerance 200)"),
        ({"b": [1, 2]}, "tensor a is missing"),
        ({"a": [1, 2], "b": [1]}, "tensor b is new"),
    ],
)
def test_what_no_tolerance_allows(pair, new, said):
    tensors(pair[0], a=[1, 2])
    tensors(pair[1], **new)
    assert difference(*pair, 100.0) == Difference("model.safetensors", said, False)


def test_numbers_in_json_and_parquet_and_nothing_else_may_differ_a_little(pair):
    old, new = pair
    (old / "r.json").write_text(json.dumps({"rows": [{"score": 50.0, "of": "gqa"}], "n": 1}))
    (new / "r.json").write_text(json.dumps({"rows": [{"score": 50.2, "of": "gqa"}], "n": 1}))
    assert difference(old, new, 0.01) == Difference("r.json", "rows.0.score: 50.0 became 50.2", True)
    assert not difference(old, new, 0.001).within
    (new / "r.json").write_text(json.dumps({"rows": [{"score": 50.0, "of": "pope"}], "n": 1}))
    assert difference(old, new, 9.0) == Difference("r.json", 'rows.0.of: "gqa" became "pope"', False)
    (new / "r.json").write_text(json.dumps({"rows": [{"score": 50.0, "of": "gqa"}], "n": True}))
    assert not difference(old, new, 9.0).within  # true is no number
    (new / "r.json").unlink()
    (old / "r.json").unlink()
    for path, score in ((old, 1.0), (new, 1.5)):
        pq.write_table(pa.table({"score": [0.0, score]}), path / "r.parquet")
    assert difference(old, new, 0.5) == Difference("r.parquet", "1.score: 1.0 became 1.5", True)


def test_files_that_came_or_went_other_bytes_and_broken_files(pair):
    old, new = pair
    (new / "y.txt").write_text("")
    assert difference(old, new) == Difference("y.txt", "is there this time only", False)
    assert difference(new, old) == Difference("y.txt", "is missing this time", False)
    (old / "y.txt").write_text("other")
    assert difference(old, new) == Difference("y.txt", "other bytes", False)
    for path, text in ((old, "{"), (new, "[")):
        (path / "a.json").write_text(text)
    found = difference(old, new)
    assert (found.file, found.within) == ("a.json", False)
    assert "cannot be compared" in found.what


def test_folders_that_say_when_they_were_made_are_left_out(pair):
    old, new = pair
    for path in pair:
        (path / "docs").mkdir()
        (path / "docs" / f"{path.name}.html").write_text("")
    assert difference(old, new, leave_out=("docs",)) is None
    assert difference(old, new).file == "docs/new.html"
