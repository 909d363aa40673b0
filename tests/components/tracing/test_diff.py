"""Two versions: which records came and went, what was set otherwise, and figures on the same draws."""

import json
import shutil
import subprocess

import pytest

from components.stepping.digests import text_digest
from pipelines.cli import main
from tests.components.tracing.made_up import a_run, edited
from tests.components.tracing.toys import ROOT

CHANGED = {
    "captions": [("1", "a", "one"), ("2", "c", "two"), ("3", "b", "three"), ("4", "b", "four")],
    "clips": [("9", None, "nine")],
}


@pytest.fixture
def ran(mlflow_uri, tmp_path, monkeypatch):
    a_run(tmp_path / "first", monkeypatch, "run-1", right=range(20))
    return tmp_path


def compared(capsys, *subjects):
    capsys.readouterr()  # what the runs said
    assert main(["diff", *map(str, subjects), "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def test_records_that_came_and_went_and_figures_that_rose(ran, monkeypatch, capsys):
    a_run(ran / "second", monkeypatch, "run-2", sets=CHANGED, gqa=b"others", right=range(34))
    for folder in (ran / "first/out", ran / "second/out"):
        shutil.rmtree(folder)  # the remotes hold all that is asked for
    found = compared(capsys, "voco-llama/1", "@challenger")
    none = {"added": [], "changed": [], "removed": []}
    assert found["data"] == {
        "same": False,
        "sets": {
            "captions": {"added": ["3", "4"], "changed": ["2"], "removed": []},
            "clips": none | {"added": ["9"]},
            "instructions": none | {"removed": ["7", "8"]},
        },
        "benchmarks": ["gqa"],
    }
    # Of 40 questions 20 were right and 34 are; retention between bounds of 0 and 100 is the same figure.
    [retained] = found["figures"]["retention"]
    assert (retained["n_voco"], retained["difference"]["value"], retained["why"]) == (8, 35.0, "")
    [gqa] = found["figures"]["benchmarks"]
    assert (gqa["told"]["verdict"], gqa["told"]["difference"]["value"]) == ("better", 35.0)
    # Twenty pictures of two questions, of which seven became right: about 35 less twice the deviation of 10.7.
    assert 10 < gqa["told"]["difference"]["low"] < 20
    assert gqa["told"]["difference"]["low"] == pytest.approx(retained["difference"]["low"], abs=2)
    assert main(["diff", "voco-llama/1", "voco-llama/2"]) == 0
    text = capsys.readouterr().out
    for line in (
        "voco-llama version 1 -> voco-llama version 2",
        "  captions: 2 added, 1 changed",
        "    added: 3, 4",
        "  benchmark gqa: other files, so figures on it may be of other questions",
        "  gqa at N = 8: better: +35.00 [",
    ):
        assert f"\n{line}" in f"\n{text}"
    last = text.splitlines()[-1]
    assert last.startswith("Changed: data (captions: 2 added, 1 changed; clips: 1 added; instructions: 2 removed;")
    assert last.endswith("The second is better in 1 of 1 comparisons.")


def test_a_version_and_itself_differ_in_nothing(ran, capsys):
    found = compared(capsys, "voco-llama", "/1")
    assert found["data"]["same"]
    assert [found[part] for part in ("settings", "code", "packages", "unlisted")] == [[], [], [], []]
    assert found["figures"]["benchmarks"][0]["told"]["verdict"] == "not told apart"
    assert found["in_one_line"].startswith("Nothing changed that is recorded.")


def test_settings_code_and_packages(ran, capsys):
    newest, before = subprocess.run(
        ["git", "rev-list", "--max-count=2", "HEAD", "--", "components"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split()
    old, new = "a==1.0\nb==2\n", "a==1.1\nc==3\n"

    def earlier(document, records):
        for record in records.values():
            record["packages_sha256"] = text_digest(old)
            record["code"] = {"commit": before, "dirty": False, "sha256": "b" * 64}
        document["packages"] = {text_digest(old): old}

    def later(document, records):
        for record in records.values():
            record["packages_sha256"] = text_digest(new)
        document["packages"] = {text_digest(new): new}
        records["export"]["code"] = {"commit": newest, "dirty": True, "sha256": "e" * 64}
        records["export"]["config"] = {"seed": 4, "set": {"objective.elastic": {"1": 2}}}
        records["promote"]["config"]["config_sha256"] = "f" * 64  # of what is compared anyway

    path = ran / "first/out/audit/audit/audit.json"
    first, second = edited(path, ran / "a.json", earlier), edited(path, ran / "b.json", later)
    found = compared(capsys, first, second)
    assert found["settings"] == [["export.seed", "3", "4"], ["export.set.objective.elastic.1", "-", "2"]]
    assert found["packages"] == [["a", "1.0", "1.1"], ["b", "2", "-"], ["c", "-", "3"]]
    pairs = {tuple(one["tasks"]): one for one in found["code"]}
    exported = pairs[("export",)]
    assert (exported["before"], exported["after"]) == (before[:12], f"{newest[:12]} (with changes)")
    assert "changed" in exported["stat"]
    [others] = [one for tasks, one in pairs.items() if tasks != ("export",)]
    assert others["stat"] is None  # its commit is none of this repository
    assert (
        "Changed: settings (export.seed, export.set.objective.elastic.1), code, packages (a, b, c)."
        in (found["in_one_line"])
    )
    assert main(["diff", str(first), str(second)]) == 0
    text = capsys.readouterr().out
    assert "  export.seed: 3 -> 4\n" in text
    assert "  + c 3\n" in text
    assert "fetch both commits with git" in text


def test_other_questions_are_not_compared(ran, monkeypatch, capsys):
    a_run(ran / "second", monkeypatch, "run-2", right=range(30), questions=60)
    found = compared(capsys, "voco-llama/1", "voco-llama/2")
    assert "different questions" in found["figures"]["retention"][0]["why"]
    assert found["figures"]["benchmarks"][0]["why"] == "of 40 and 60 questions, 40 are the same"
    # On those 40, 20 were right and 30 are.
    assert found["figures"]["benchmarks"][0]["told"]["difference"]["value"] == 25.0


def test_mistakes_are_one_line(ran, mlflow_uri, capsys, monkeypatch):
    def without_ingest(document, records):
        document["records"] = [one for one in document["records"] if one["record"]["task"] != "ingest"]

    whole = ran / "first/out/audit/audit/audit.json"
    part = edited(whole, ran / "part.json", without_ingest)
    cases = [
        (("voco-llama", "voco-llama@best"), "no version has the alias best; there are /1"),
        (("voco-llama", "/9"), "no version 9"),
        (("other", "voco-llama"), "nothing is registered under that name"),
        ((part, whole), "has no data of a step ingest; compare versions of whole runs"),
    ]
    next((ran / "first/remote").rglob("*.dir")).parent.parent.rename(ran / "gone")
    shutil.rmtree(ran / "first/out/summarise")
    cases.append(((whole, whole), "the DVC remote lost summarise.tables; put it back"))
    for subjects, said in cases:
        assert main(["diff", *map(str, subjects)]) == 1
        error = capsys.readouterr().err
        assert said in error
        assert error.count("\n") == 1
    from components.promoting.registry import Registry

    registry = Registry(mlflow_uri)
    registry.tag(registry.by_number("1"), {"audit_sha256": "b" * 64})
    assert main(["diff", "voco-llama/1", "voco-llama/1"]) == 1
    assert "its lineage is not the one that was registered" in capsys.readouterr().err
