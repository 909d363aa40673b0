"""Ingest from a folder: the same bytes every time, increments, hostile records, and nothing half-written."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from components.ingest import IngestConfig, ingest
from components.ingesting import looking
from tests.components.ingest_worlds import contents, item, jpeg, make_source, read_json, write_items
from voco_model.data.manifest import QUARANTINE_SCHEMA, SCHEMA
from voco_model.data.media import inspect_media
from voco_model.data.shards import read_shard
from voco_model.errors import VocoError

ROOT = Path(__file__).parents[2]


def config(source, out, **changes):
    settings = {
        "name": "small",
        "kind": "llava_instruct",
        "source": str(source),
        "annotations": "chat.json",
        "media": "images",
        "out": out,
        "shard_size": 20_000,
    }
    return IngestConfig(**settings | changes)


@pytest.fixture
def source(tmp_path):
    folder = tmp_path / "source"
    folder.mkdir()
    make_source(folder)
    return folder


@pytest.fixture
def looks(monkeypatch):
    """The names of media that were looked into."""
    seen = []

    def counted(path, *rest, **more):
        seen.append(Path(path).name)
        return inspect_media(path, *rest, **more)

    monkeypatch.setattr(looking, "inspect_media", counted)
    return seen


def rows(folder, name="manifest.parquet"):
    return pq.read_table(folder / name).to_pylist()


def hidden(folder):
    return sorted(p.name for p in folder.iterdir() if p.name.startswith(".") and not p.name.endswith(".lock"))


def test_a_folder_becomes_a_data_set(source, tmp_path):
    report = ingest(config(source, tmp_path / "out"), read_json)
    assert (report.records, report.quarantined, report.changes) == (20, 0, None)
    assert report.shards > 1
    assert pq.read_schema(tmp_path / "out/manifest.parquet") == SCHEMA
    assert pq.read_schema(tmp_path / "out/quarantine.parquet") == QUARANTINE_SCHEMA
    summary = json.loads((tmp_path / "out/dataset.json").read_text())
    assert (summary["version"], summary["shards"], summary["records"]) == (report.version, report.shards, 20)
    shards = sorted((tmp_path / "out/shards").iterdir())
    assert [shard.name for shard in shards] == [f"{n:06d}.tar" for n in range(report.shards)]
    assert all(shard.stat().st_size <= 20_000 for shard in shards)
    held = [(shard.name, *parts) for shard in shards for parts in read_shard(shard)]
    assert [key for _, key, _, _ in held] == [f"{n:09d}" for n in range(20)]
    for row, (shard, _, record, media) in zip(rows(tmp_path / "out"), held, strict=True):
        assert row["shard"] == shard
        assert (row["id"], row["file"], row["line"]) == (record["id"], "chat.json", record["line"])
        assert json.loads(row["conversation"]) == record["turns"]
        if row["media"]:
            assert media == (source / "images" / row["media"]).read_bytes()
            assert (row["width"], row["bytes"]) == (48, len(media))
        else:
            assert (media, row["digest"], row["bytes"]) == (None, None, 0)
    assert not hidden(tmp_path)


def test_the_same_input_gives_the_same_bytes_whatever_the_workers(source, tmp_path):
    for name, workers in (("one", 1), ("many", 7)):
        ingest(config(source, tmp_path / name, workers=workers), read_json)
    assert contents(tmp_path / "one") == contents(tmp_path / "many")
    shutil.copytree(source, tmp_path / "elsewhere")
    os.utime(tmp_path / "elsewhere/images/0/00000.jpg", (1, 1))
    again = ingest(config(tmp_path / "elsewhere", tmp_path / "copy"), read_json)
    assert contents(tmp_path / "one/shards") == contents(tmp_path / "copy/shards")
    assert again.version == json.loads((tmp_path / "one/dataset.json").read_text())["version"]


def test_other_content_has_another_version(source, tmp_path):
    first = ingest(config(source, tmp_path / "a"), read_json)
    (source / "images/0/00000.jpg").write_bytes(jpeg(999))
    assert ingest(config(source, tmp_path / "b"), read_json).version != first.version


def test_an_increment_reads_only_what_is_new_and_gives_the_bytes_of_a_full_run(source, tmp_path, looks):
    first = ingest(config(source, tmp_path / "v1"), read_json)
    assert len(looks) == 15
    looks.clear()
    items = json.loads((source / "chat.json").read_text())
    items = [item(100), *items[1:], item(101), item(102)]  # r0 is removed, so every key moves
    items[4]["conversations"][1]["value"] = "other words"
    for n in (100, 101, 102):
        (source / "images" / item(n)["image"]).write_bytes(jpeg(n))
    (source / "images" / items[5]["image"]).write_bytes(jpeg(555))
    write_items(source, items)
    report = ingest(config(source, tmp_path / "v2", previous=tmp_path / "v1"), read_json)
    assert sorted(looks) == sorted(Path(one["image"]).name for one in (items[0], items[5], items[-2], items[-1]))
    assert report.reused == 13
    assert report.changes.added == ["r100", "r101", "r102"]
    assert report.changes.changed == ["r4", "r5"]
    assert report.changes.removed == ["r0"]
    told = json.loads((tmp_path / "v2/changes.json").read_text())
    assert (told["previous"], told["added"]) == (first.version, report.changes.added)
    full = ingest(config(source, tmp_path / "full"), read_json)
    assert full.version == report.version
    made = contents(tmp_path / "v2")
    made.pop("changes.json")
    assert made == contents(tmp_path / "full")


def test_an_increment_without_changes_reads_nothing(source, tmp_path, looks):
    ingest(config(source, tmp_path / "v1"), read_json)
    looks.clear()
    report = ingest(config(source, tmp_path / "v2", previous=tmp_path / "v1"), read_json)
    assert not looks
    assert (report.changes.added, report.changes.changed, report.changes.removed) == ([], [], [])


def test_what_was_only_believed_before_is_looked_into(source, tmp_path, looks):
    ingest(config(source, tmp_path / "v1", decode=False), read_json)
    looks.clear()
    ingest(config(source, tmp_path / "v2", previous=tmp_path / "v1"), read_json)
    assert len(looks) == 15


def test_media_that_records_share_are_looked_into_once(source, tmp_path, looks):
    write_items(source, [item(n, "0/00000.jpg") for n in range(50)])
    ingest(config(source, tmp_path / "out", workers=1), read_json)
    assert looks == ["00000.jpg"]


def test_a_manifest_without_shards_or_decoding(source, tmp_path):
    report = ingest(config(source, tmp_path / "out", shards=False, decode=False), read_json)
    assert report.shards == 0
    assert not (tmp_path / "out/shards").exists()
    assert {(row["shard"], row["perceptual_hash"]) for row in rows(tmp_path / "out")} == {(None, None)}
    assert [row["width"] for row in rows(tmp_path / "out")][:4] == [48, 48, 48, None]


def test_hostile_records_are_set_aside_and_nothing_else_is_lost(source, tmp_path):
    secret = tmp_path / "secret.jpg"
    secret.write_bytes(jpeg(1))
    images = source / "images"
    (images / "out.jpg").symlink_to(secret)
    (images / "away").symlink_to(tmp_path)
    (images / "in.jpg").symlink_to(images / "0/00000.jpg")
    (images / "loop.jpg").symlink_to(images / "loop.jpg")
    (images / "cut.jpg").write_bytes(jpeg(1)[:400])
    (images / "none.jpg").write_bytes(b"")
    (images / "page.jpg").write_bytes(b"<html>not found</html>")
    os.mkfifo(images / "pipe.jpg")
    hostile = {
        "../../secret.jpg": "path_escape",
        str(secret): "path_escape",
        "out.jpg": "path_escape",
        "away/secret.jpg": "path_escape",
        "a\x00b.jpg": "path_escape",
        "loop.jpg": "missing_media",
        "absent.jpg": "missing_media",
        "x" * 5000: "missing_media",
        "cut.jpg": "truncated",
        "none.jpg": "empty_media",
        "page.jpg": "wrong_type",
        "pipe.jpg": "not_a_file",
        "0": "not_a_file",
    }
    honest = [item(0), item(1), item(2), item(9, "in.jpg")]
    items = [item(100 + n, path) for n, path in enumerate(hostile)]
    items += [item(200, said="half a pair \ud800"), {"conversations": []}]
    write_items(source, [*honest[:2], *items, *honest[2:]])
    report = ingest(config(source, tmp_path / "out", quarantine_limit=1), read_json)
    assert [row["id"] for row in rows(tmp_path / "out")] == ["r0", "r1", "r2", "r9"]
    aside = rows(tmp_path / "out", "quarantine.parquet")
    assert [row["code"] for row in aside] == [*hostile.values(), "bad_text", "no_id"]
    assert [row["line"] for row in aside] == list(range(3, 3 + len(items)))
    assert {row["file"] for row in aside} == {"chat.json"}
    assert report.quarantined == sum(report.reasons.values()) == len(items)


def test_too_many_set_aside_refuse_the_whole_and_leave_the_reasons(source, tmp_path):
    for path in sorted((source / "images").rglob("*.jpg"))[:2]:
        path.write_bytes(b"no")
    with pytest.raises(VocoError, match=r"2 of 20 records were set aside \(undecodable_image 2\)") as caught:
        ingest(config(source, tmp_path / "out", quarantine_limit=0.05), read_json)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "out").exists()
    assert len(pq.read_table(tmp_path / "out.quarantine.parquet")) == 2
    assert not hidden(tmp_path)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"kind": "llava"}, "kind is 'llava'; give one of"),
        ({"workers": 0}, "workers is 0"),
        ({"quarantine_limit": 2}, "quarantine_limit is 2"),
        ({"annotations": "absent.json"}, "absent.json: the file is not there"),
        ({"annotations": "../chat.json"}, "leaves the data root"),
        ({"source": "/nowhere/at/all"}, "no such folder"),
        ({"source": "ftp://host/x"}, "not a source"),
        ({"previous": "/nowhere"}, "no whole data set"),
        ({"pins": "/nowhere"}, "cannot be read"),
    ],
)
def test_mistakes_are_one_line(source, tmp_path, changes, message):
    with pytest.raises(VocoError, match=message) as caught:
        ingest(config(**{"source": source, "out": tmp_path / "out"} | changes), read_json)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "out").exists()


def test_settings_that_are_not_known_are_named():
    with pytest.raises(VocoError, match="unknown setting shard_bytes; known are annotations"):
        IngestConfig.from_mapping({"shard_bytes": 1})
    with pytest.raises(VocoError, match="missing"):
        IngestConfig.from_mapping({"name": "x"})


def test_an_empty_source_and_a_folder_that_is_there_are_refused(source, tmp_path):
    write_items(source, [])
    with pytest.raises(VocoError, match="holds no records"):
        ingest(config(source, tmp_path / "out"), read_json)
    with pytest.raises(VocoError, match="is there already"):
        ingest(config(source, source), read_json)


def test_a_file_that_changes_between_looking_and_writing_stops_the_run(source, tmp_path, monkeypatch):
    def meddling(path, *rest, **more):
        facts = inspect_media(path, *rest, **more)
        Path(path).write_bytes(bytes(facts.bytes))
        return facts

    monkeypatch.setattr(looking, "inspect_media", meddling)
    with pytest.raises(VocoError, match="changed while it was being read"):
        ingest(config(source, tmp_path / "out"), read_json)
    assert not (tmp_path / "out").exists()


CHILD = """
import resource, sys
from pathlib import Path
from components.ingest import ingest
from tests.components.ingest_worlds import read_json
from tests.components.test_ingest import config
def slowly(*arguments, **more):
    for record in read_json(*arguments, **more):
        if sys.argv[3] == "wait" and record.line == 15:
            print("half-way", flush=True)
            sys.stdin.read()
        yield record
if sys.argv[3] == "full":
    resource.setrlimit(resource.RLIMIT_FSIZE, (12_000, 12_000))
try:
    ingest(config(sys.argv[1], Path(sys.argv[2]), workers=1, shard_size=20_000), slowly)
except ValueError as error:
    print(error)
"""


def child(source, out, how):
    return subprocess.Popen(
        [sys.executable, "-c", CHILD, str(source), str(out), how],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def test_a_disk_that_is_full_is_one_line_and_leaves_nothing(source, tmp_path):
    said, _ = child(source, tmp_path / "out", "full").communicate(timeout=60)
    assert "File too large; free space, then run again" in said
    assert said.count("\n") == 1
    assert not (tmp_path / "out").exists()
    assert not hidden(tmp_path)


def test_a_run_that_is_killed_leaves_nothing_under_the_name_and_the_next_one_works(source, tmp_path):
    with child(source, tmp_path / "out", "wait") as running:
        assert running.stdout.readline() == "half-way\n"
        with pytest.raises(VocoError, match="another ingest is writing it"):
            ingest(config(source, tmp_path / "out"), read_json)
        running.send_signal(signal.SIGKILL)
        running.wait(20)
    assert not (tmp_path / "out").exists()
    assert hidden(tmp_path) == [".out.partial"]
    for _ in range(50):  # the lock goes with the process, at once or soon
        try:
            report = ingest(config(source, tmp_path / "out"), read_json)
            break
        except VocoError:
            time.sleep(0.1)
    assert report.records == 20
    assert not hidden(tmp_path)
