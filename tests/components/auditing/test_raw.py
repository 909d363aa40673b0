"""The raw data behind a run, read again: changed, gone, out of reach, drawn anew."""

import json
import shutil

import pytest

from components.attesting.trust import trusted_keys
from components.auditing import raw
from components.auditing.copies import check_output
from components.auditing.items import RIGHT, Item
from components.auditing.lineage import gather, read_lineage, signed_lineage, write_lineage
from components.auditing.raw import check_raw
from components.promoting import deciding
from components.promoting.registry import Registry
from components.stepping.code import Code
from components.stepping.perform import Assignment, perform
from pipelines.cli import main
from tests.components.auditing.runs import raw_data, whole_run
from tests.components.auditing.tampering import flip
from tests.components.test_ingest_sets import SETTINGS


def ingested(folder, settings):
    """The lineage of an ingest alone."""
    record = folder / "out" / "record"
    perform(Assignment("ingest", "ingest", settings, {}, {"data": folder / "out" / "data"}, record))
    return read_lineage(write_lineage(signed_lineage(gather({"ingest": record}, "run-1"), None), folder))[0]


def verdicts(lineage, made=None):
    """made: what is known of the data that was ingested; None asks."""
    made = made or check_output(lineage.entry("ingest"), "data", deep=True)
    return {item.name: (item.verdict, item.why) for item in check_raw(lineage, trusted_keys(), made)}


RIGHT_DATA = Item("ingest", "data", "output", "", "", RIGHT)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.delenv("VOCO_TRUSTED_KEYS", raising=False)
    monkeypatch.setenv("VOCO_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("VOCO_SPOOL", str(tmp_path / "spool"))
    return tmp_path


@pytest.fixture
def lineage(folder):
    return ingested(folder, raw_data(folder / "raw"))


def test_untouched_data_are_right_file_by_file(lineage):
    found = verdicts(lineage)
    assert found == {"captions": ("right", "4 files read again"), "gqa": ("right", "")}


@pytest.mark.parametrize(
    ("file", "name"),
    [
        ("pictures/1.png", "captions"),
        ("captions.json", "captions"),
        ("benchmarks/gqa/questions.json", "gqa"),
    ],
)
def test_a_byte_of_a_raw_file_is_found_and_named(lineage, folder, file, name):
    flip(folder / "raw" / file)
    found = {name: one for name, one in verdicts(lineage).items() if one[0] != "right"}
    assert found.keys() == {name}
    verdict, why = found[name]
    assert verdict == "wrong"
    assert why.startswith("other bytes: ")
    assert file.removeprefix("benchmarks/").split("/questions")[0] in why


def test_what_is_gone_is_no_pass(lineage, folder):
    (folder / "raw/pictures/2.png").unlink()
    shutil.rmtree(folder / "raw/benchmarks/gqa")
    found = verdicts(lineage)
    assert found["captions"] == ("unknown", "pictures/2.png: not there any more")
    assert found["gqa"][0] == "unknown"
    shutil.rmtree(folder / "raw")
    found = verdicts(lineage)
    assert {verdict for verdict, _ in found.values()} == {"unknown"}
    assert "no such folder" in found["captions"][1]


def test_without_what_was_ingested_there_is_nothing_to_compare_with(lineage, folder):
    shutil.rmtree(folder / "out/data")
    assert {verdict for verdict, _ in verdicts(lineage).values()} == {"unknown"}


def test_nobody_else_says_from_where_to_fetch(lineage, folder, monkeypatch):
    monkeypatch.setattr(raw, "open_source", lambda *_, **__: pytest.fail("was fetched from"))
    (folder / "other").mkdir()
    assert [one.verdict for one in check_raw(lineage, {}, RIGHT_DATA)] == ["unknown"]


def test_a_changed_file_is_found_beside_others_that_cannot_be_read(lineage, folder, monkeypatch):
    flip(folder / "raw/pictures/1.png")
    (folder / "raw/pictures/0.png").unlink()
    usual = raw.sha256_of

    def refused(path):
        if path.name == "2.png":
            raise PermissionError("not yours")
        return usual(path)

    monkeypatch.setattr(raw, "sha256_of", refused)
    assert verdicts(lineage)["captions"] == ("wrong", "other bytes: pictures/1.png")


def test_errors_are_told_before_what_is_gone_and_end_after_some(lineage, folder, monkeypatch):
    (folder / "raw/pictures/0.png").unlink()
    monkeypatch.setattr(raw, "sha256_of", lambda path: 1 / 0)
    verdict, why = verdicts(lineage, RIGHT_DATA)["captions"]
    assert verdict == "unknown"
    assert why.startswith("captions.json: division by zero")
    assert why.endswith("and 1 more")
    monkeypatch.setattr(raw, "MOST_ERRORS", 1)
    assert "not fetched, as many before" in verdicts(lineage, RIGHT_DATA)["captions"][1]


@pytest.mark.parametrize(
    ("file", "content"),
    [
        ("captions/dataset.json", '{"source": {"annotations": "captions.json", "annotations_digest": "0"}}'),
        ("captions/dataset.json", "[]"),
        ("captions/manifest.parquet", "no table"),
        ("captions/sources.parquet", ""),
        ("data.json", '{"benchmarks": {"gqa": 5}}'),
        ("data.json", '{"benchmarks": {}}'),
        ("data.json", '{"benchmarks": ["gqa"]}'),
        ("data.json", "null"),
    ],
)
def test_whatever_stands_where_the_data_were_is_no_traceback_and_no_pass(lineage, folder, file, content):
    """Held to its digest, it is not even read."""
    (folder / "out/data" / file).write_text(content)
    assert verdicts(lineage).popitem()[1][0] == "unknown"
    found = {verdict for verdict, _ in verdicts(lineage, RIGHT_DATA).values()}
    assert "unknown" in found
    assert "wrong" not in found


def test_a_relative_folder_may_be_another_one_here(folder, monkeypatch):
    monkeypatch.chdir(folder)
    settings = raw_data(folder / "raw")
    lineage = ingested(folder, settings | {"source": "raw"})
    assert verdicts(lineage)["captions"][0] == "right"
    flip(folder / "raw/pictures/0.png")
    assert verdicts(lineage)["captions"][0] == "unknown"


def test_the_small_world_is_drawn_again(folder, monkeypatch):
    lineage = ingested(folder, SETTINGS)
    found = verdicts(lineage)
    assert found.keys() == {"captions", "clips", "pope", "images.parquet"}
    assert {verdict for verdict, _ in found.values()} == {"right"}
    other = json.loads((folder / "audit.json").read_text())
    assert other["records"][0]["record"]["config"]["world"]["seed"] == 0
    drawn = raw.Sets.drawn

    def odd(self, work):
        world = drawn(self, work)
        flip(next(world.rglob("*.jpg")))
        return world

    monkeypatch.setattr(raw.Sets, "drawn", odd)
    assert "wrong" in {verdict for verdict, _ in verdicts(lineage).values()}
    for name, other in (("packages", "pillow==1.0\n"), ("code", Code("c" * 40, False, "a" * 64))):
        with monkeypatch.context() as patched:
            patched.setattr(raw, name, lambda other=other: other)
            found = {verdict for verdict, _ in verdicts(lineage).values()}
        assert "unknown" in found
        assert "wrong" not in found, "other libraries and other code may draw otherwise"


def test_the_audit_reads_raw_data_only_when_asked(mlflow_uri, folder, monkeypatch, capsys):
    whole_run(folder, monkeypatch)
    flip(folder / "raw/pictures/0.png")
    assert main(["audit", "voco-llama@champion"]) == 0
    assert "raw data" not in capsys.readouterr().out
    assert main(["audit", "voco-llama@champion", "--deep"]) == 1
    assert "✗ raw data captions" in capsys.readouterr().out


def test_a_source_that_moved_on_does_not_keep_a_model_from_being_promoted(mlflow_uri, folder, monkeypatch):
    whole_run(folder, monkeypatch)
    shutil.rmtree(folder / "raw")
    registry = Registry(mlflow_uri)
    found = deciding._audited(registry.by_number("1"), registry, folder / "work")
    assert found.right > 0
    assert (found.wrong, found.unknown) == (0, 0)
