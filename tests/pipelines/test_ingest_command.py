"""`voco ingest`: what its options mean and what it prints."""

import argparse

import pytest

from components.ingesting import run as running
from pipelines.commands import ingest
from tests.components.ingest_worlds import item, jpeg, make_source, read_json, write_items
from voco_model.errors import VocoError


@pytest.fixture
def command(tmp_path, monkeypatch):
    """Runs the command on a small source."""
    (tmp_path / "source").mkdir()
    make_source(tmp_path / "source")
    monkeypatch.setattr("components.ingest._default_reader", lambda: read_json)
    parser = argparse.ArgumentParser()
    ingest.add(parser)

    def run(*more):
        fixed = [
            tmp_path / "source",
            "--kind",
            "llava_instruct",
            "--annotations",
            "chat.json",
            "--media",
            "images",
        ]
        ingest.run(parser.parse_args([str(word) for word in (*fixed, *more)]))

    return run


def test_it_says_what_was_made_and_what_changed(command, tmp_path, capsys):
    command("--out", tmp_path / "v1", "--shard-size", "20kB")
    assert "v1: 20 records in 3 shards, version " in capsys.readouterr().out
    write_items(
        tmp_path / "source", [item(n) for n in (1, 2, 4, 5, 6)] + [item(7, "absent.jpg"), item(8, said="new")]
    )
    command("--out", tmp_path / "v2", "--previous", tmp_path / "v1", "--quarantine-limit", 0.5)
    said = capsys.readouterr().out.splitlines()
    assert said[0].startswith(f"{tmp_path}/v2: 6 records in 1 shards")
    assert said[1:3] == ["set aside: 1 (missing_media 1)", "added: 0"]
    assert said[3:] == ["changed: 1 (r8)", "removed: 14 (r0, r3, r7, r9, r10, ...)", "not read again: 6"]


def test_options_reach_the_step(command, tmp_path, monkeypatch):
    seen = []
    usual = running.Ingestion.__init__
    monkeypatch.setattr(
        running.Ingestion,
        "__init__",
        lambda self, config, *rest: seen.append(config) or usual(self, config, *rest),
    )
    command("--out", tmp_path / "v1", "--no-decode", "--no-shards", "--shard-size", "2MiB", "--split", "val")
    (config,) = seen
    assert (config.decode, config.shards, config.shard_size) == (False, False, 2 * 2**20)
    assert (config.name, config.split, config.workers) == ("v1", "val", 4)


def test_mistakes_are_one_line(command, tmp_path, capsys):
    with pytest.raises(VocoError, match="need --dvc REPO"):
        command("--out", tmp_path / "v1", "--push")
    with pytest.raises(SystemExit):
        command("--out", tmp_path / "v1", "--shard-size", "many")
    assert "'many' is no size" in capsys.readouterr().err
    (tmp_path / "source/images/0/00000.jpg").write_bytes(jpeg(0)[:50])
    with pytest.raises(VocoError, match="1 of 20 records were set aside"):
        command("--out", tmp_path / "v1")
