"""An output is brought back from where it lay or from the remote; with other bytes it never is."""

import json
import shutil

import pytest

from components.dvc_keeping import keep
from components.stepping.digests import content_of
from components.tracing.fetching import Made
from voco_model.errors import VocoError


@pytest.fixture
def made(tmp_path):
    place = tmp_path / "place"
    (place / "inner").mkdir(parents=True)
    (place / "a.txt").write_text("a")
    (place / "inner/b.txt").write_text("b")
    (place / "inner/again.txt").write_text("a")
    return Made("ingest.data", content_of(place), str(place), keep(place, str(tmp_path / "remote")))


def object_of(tmp_path, text):
    return next(p for p in (tmp_path / "remote").rglob("*") if p.is_file() and p.read_text() == text)


def test_where_it_lies_is_taken_else_the_remote(made, tmp_path):
    assert made.bring(tmp_path / "to") == tmp_path / "place"
    (tmp_path / "place/a.txt").write_text("b")
    assert made.bring(tmp_path / "to") == tmp_path / "to"
    assert content_of(tmp_path / "to").sha256 == made.content.sha256
    shutil.rmtree(tmp_path / "place")
    assert (made.bring(tmp_path / "two") / "inner/again.txt").read_text() == "a"


def test_one_file(tmp_path):
    path = tmp_path / "audit.json"
    path.write_text("{}")
    made = Made("audit.audit", content_of(path), None, keep(path, str(tmp_path / "remote")))
    assert made.bring(tmp_path / "to").read_text() == "{}"
    assert made.files() == []


def test_some_of_its_files_and_their_list(made, tmp_path):
    assert sorted(one["relpath"] for one in made.files()) == ["a.txt", "inner/again.txt", "inner/b.txt"]
    top = made.bring_files(["inner/b.txt"], tmp_path / "to")
    assert [p.name for p in top.rglob("*") if p.is_file()] == ["b.txt"]
    shutil.rmtree(tmp_path / "remote")  # where it lay is as good
    assert len(made.files()) == 3
    assert (made.bring_files(["inner/b.txt"], tmp_path / "two") / "inner/b.txt").read_text() == "b"


def test_a_lost_or_changed_object_is_one_line(made, tmp_path):
    shutil.rmtree(tmp_path / "place")
    object_of(tmp_path, "b").write_text("x")
    with pytest.raises(VocoError, match=r"b\.txt of ingest\.data, was changed; put it back"):
        made.bring(tmp_path / "one")
    object_of(tmp_path, "x").unlink()
    with pytest.raises(VocoError, match=r"remote lost object .*, b\.txt of ingest\.data; put it back"):
        made.bring(tmp_path / "two")
    next((tmp_path / "remote").rglob("*.dir")).unlink()
    with pytest.raises(VocoError, match=r"the DVC remote lost ingest\.data; put it back"):
        made.bring(tmp_path / "three")
    with pytest.raises(VocoError, match="no DVC remote keeps it"):
        Made(made.name, made.content, made.place, None).bring(tmp_path / "four")


def test_a_list_leads_nowhere_else(made, tmp_path):
    shutil.rmtree(tmp_path / "place")
    listed = next((tmp_path / "remote").rglob("*.dir"))
    entries = json.loads(listed.read_text())
    entries[0]["relpath"] = "../../out.txt"
    listed.write_text(json.dumps(entries))
    with pytest.raises(VocoError, match="leads out of the folder"):
        made.bring(tmp_path / "to")
    listed.write_text("[1]")
    with pytest.raises(VocoError, match="no list of a folder's files"):
        made.bring(tmp_path / "two")
