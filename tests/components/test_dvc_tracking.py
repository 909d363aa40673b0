"""DVC: a data set is tracked, pushed to a remote, and comes back from it the same."""

import shutil

import pytest

from components.dvc_tracking import track
from components.ingest import ingest
from tests.components.dvc_repos import dvc, new_repo
from tests.components.ingest_worlds import contents, make_source, read_json
from tests.components.test_ingest import config
from voco_model.errors import VocoError


@pytest.fixture
def repo(tmp_path, monkeypatch):
    folder = new_repo(tmp_path, monkeypatch)
    (tmp_path / "source").mkdir()
    make_source(tmp_path / "source", 8)
    return folder


def test_a_data_set_is_tracked_pushed_and_pulled(repo, tmp_path):
    ingest(config(tmp_path / "source", repo / "data/small"), read_json)
    before = contents(repo / "data/small")
    pointer = track(repo / "data/small", repo, remote_url=str(tmp_path / "remote"), push=True)
    assert pointer == repo / "data/small.dvc"
    assert ".dir" in pointer.read_text()
    shutil.rmtree(repo / "data/small")
    shutil.rmtree(repo / ".dvc/cache")
    dvc(repo, "pull", "--quiet")
    assert contents(repo / "data/small") == before


def test_a_data_set_elsewhere_is_linked_into_the_repository(repo, tmp_path):
    ingest(config(tmp_path / "source", tmp_path / "sets/small"), read_json)
    remote = "s3://bucket/data"
    pointer = track(tmp_path / "sets/small", repo, remote_url=remote, endpoint_url="http://127.0.0.1:9")
    assert "path: small" in pointer.read_text()
    assert contents(repo / "data/small") == contents(tmp_path / "sets/small")
    settings = (repo / ".dvc/config").read_text()
    assert remote in settings
    assert "endpointurl = http://127.0.0.1:9" in settings


def test_mistakes_are_one_line(repo, tmp_path):
    with pytest.raises(VocoError, match="no DVC repository"):
        track(tmp_path / "source", tmp_path)
    with pytest.raises(VocoError, match="no such data set"):
        track(tmp_path / "absent", repo)
    with pytest.raises(VocoError, match="dvc push failed") as caught:
        track(tmp_path / "source", repo, push=True)
    assert "\n" not in str(caught.value)
