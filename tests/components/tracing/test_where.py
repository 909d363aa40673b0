"""A file, a digest or its beginning: what made it, who read it, which registered models were made from it."""

import json
import shutil
import socket

import pytest

from components.promoting.registry import Registry
from components.stepping.digests import content_of
from pipelines.cli import main
from tests.components.tracing.made_up import PICTURES, SETS, a_run, digest_of

ONLY_B = {"captions": [("2", "b", "two")]}


@pytest.fixture
def home(mlflow_uri, tmp_path, monkeypatch):
    """Two local runs, of which both saw picture b, the first alone picture a, and none picture c."""
    monkeypatch.chdir(tmp_path)
    for name, content in PICTURES.items():
        (tmp_path / name).write_bytes(content)
    folder = tmp_path / "home"
    a_run(folder / "outputs/first", monkeypatch, "run-1", sets=SETS)
    a_run(folder / "outputs/second", monkeypatch, "run-2", sets=ONLY_B, gqa=PICTURES["a"])
    return folder


def asked(capsys, what):
    """Status and answer."""
    capsys.readouterr()
    status = main(["where", str(what), "--json"])
    found = json.loads(capsys.readouterr().out)
    assert found["status"] == status
    return status, found


def tasks(steps):
    return [(step["run"], step["task"]) for step in steps]


def versions(found):
    return {model["version"]: model["aliases"] for one in found["found"] for model in one["models"]}


def test_a_picture_is_followed_to_the_models_that_saw_it(home, capsys):
    status, found = asked(capsys, "b")
    assert status == 0
    first, second = sorted(found["found"], key=lambda one: one["made_by"][0]["run"])
    assert first["holds"] == ["captions: 1 record (2)", "instructions: 1 record (7)"]
    assert tasks(first["made_by"]) == [("run-1", "ingest")]
    assert set(tasks(first["read_by"])) == {
        ("run-1", task) for task in ("validate", "summarise", "profile", "export", "promote")
    }
    assert second["holds"] == ["captions: 1 record (2)"]
    assert versions(found) == {"1": ["previous"], "2": ["challenger", "champion"]}
    for digest in (digest_of("b"), digest_of("b")[:8], f"sha256:{digest_of('b').upper()}"):
        assert asked(capsys, digest)[1]["found"] == found["found"]


def test_a_file_inside_a_folder_is_found_by_its_md5(home, capsys):
    found = asked(capsys, "a")[1]
    holds = {one["made_by"][0]["run"]: one["holds"] for one in found["found"]}
    assert holds == {"run-1": ["captions: 1 record (1)"], "run-2": ["1 file (benchmarks/gqa/questions.json)"]}
    md5 = content_of(home.parent / "a").md5
    # Both runs made the same tables; the first's were not made from this file.
    assert versions(asked(capsys, md5)[1]) == {"2": ["challenger", "champion"]}


def test_an_output_is_followed_both_ways(home, capsys):
    tables = content_of(home / "outputs/first/out/summarise/tables")
    for what in (home / "outputs/first/out/summarise/tables", tables.sha256[:10], tables.md5):
        status, found = asked(capsys, what)
        assert status == 0
        # The second run's tables are the same bytes: both made them, and both models come from them.
        [one] = found["found"]
        assert (one["sha256"], one["holds"]) == (tables.sha256, [])
        assert set(tasks(one["made_by"])) == {("run-1", "summarise"), ("run-2", "summarise")}
        assert set(tasks(one["read_by"])) >= {("run-1", "export"), ("run-1", "promote")}
    exported = asked(capsys, home / "outputs/first/out/export/exported")[1]
    assert versions(exported) == {"1": ["previous"]}
    assert tasks(exported["found"][0]["behind"]) == []
    assert main(["where", tables.sha256]) == 0
    text = capsys.readouterr().out
    assert text.startswith(f"summarise.tables {tables.sha256[:12]}\n  made by   summarise (run run-1)\n")
    assert "\n  read by   export, promote (run run-1)\n" in text
    assert "  model     voco-llama version 2 @challenger @champion\n" in text


def test_the_registry_alone_knows_too(home, capsys):
    shutil.rmtree(home / "outputs/first/out")
    shutil.rmtree(home / "outputs/second/out")
    assert set(versions(asked(capsys, "b")[1])) == {"1", "2"}
    (home / "runs/other").mkdir(parents=True)
    (home / "runs/other/record.json").write_text("{}")
    status, found = asked(capsys, "b")
    assert status == 2
    assert "not a step's record" in found["not_searched"][0]


def test_what_is_not_found_says_where_was_looked(home, capsys):
    status, found = asked(capsys, "c")
    assert (status, found["found"], found["not_searched"]) == (1, [], [])
    assert main(["where", "c"]) == 1
    text = capsys.readouterr().out
    assert "not found" in text
    assert f"2 local runs ({home})" in text
    assert "2 registered versions" in text
    assert main(["where", "0" * 64]) == 1
    assert "the file itself has both" in capsys.readouterr().out


def test_an_answer_without_what_could_not_be_read_is_no_answer(home, mlflow_uri, capsys):
    registry = Registry(mlflow_uri)
    version = registry.by_number("1")
    registry.register(version.source, version.run, {})
    status, found = asked(capsys, "b")
    assert status == 2
    assert "voco-llama version 3: names no lineage" in found["not_searched"][0]
    assert len(found["found"]) == 2
    shutil.rmtree(home / "outputs/first")
    assert main(["where", "a"]) == 2
    text = capsys.readouterr().out
    assert "benchmarks/gqa/questions.json" in text
    assert "not looked into: " in text
    assert "the DVC remote lost ingest.data" in text


def test_mistakes_are_one_line(home, tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("VOCO_HOME", str(tmp_path / "empty"))
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/none.db")
    for what, said in (
        ("absent.png", "no such file, and no digest"),
        ("abc123", "at least 8 hex digits"),
        ("b", "no run, and none is registered"),
    ):
        assert main(["where", what]) == 2
        error = capsys.readouterr().err
        assert said in error
        assert error.count("\n") == 1
    assert not (tmp_path / "none.db").exists()


def test_a_registry_that_does_not_answer_is_one_line(tmp_path, capsys, monkeypatch):
    with socket.socket() as taken:  # bound and not listening: nobody answers there
        taken.bind(("127.0.0.1", 0))
        monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://127.0.0.1:{taken.getsockname()[1]}")
        monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
        monkeypatch.setenv("VOCO_HOME", str(tmp_path))
        for command in (["where", "0" * 64], ["reproduce", "voco-llama", "--all"], ["diff", "voco-llama", "/1"]):
            assert main(command) == (1 if command[0] == "diff" else 2)
            error = capsys.readouterr().err
            assert "MLFLOW_TRACKING_URI: nothing can be logged there" in error
            assert error.count("\n") == 1
