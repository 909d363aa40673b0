"""A step's record: what went in and came out, by content; a step that fails leaves none."""

import json
import sys
from dataclasses import asdict, replace
from types import ModuleType

import pytest

from components.attesting.statement import statement_of
from components.stepping.digests import content_of
from components.stepping.job import Done
from components.stepping.perform import Assignment, perform
from components.stepping.record import config_digest, read_carried, read_record, record_from
from voco_model.errors import VocoError


@pytest.fixture(autouse=True)
def alone(tmp_path, monkeypatch):
    for name in ("VOCO_SPOOL", "VOCO_RUN", "VOCO_DVC_REMOTE", "MLFLOW_TRACKING_URI", "VOCO_IMAGE", "VOCO_WORK"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("VOCO_HOME", str(tmp_path / "home"))


@pytest.fixture
def toy(monkeypatch):
    """The step `toy` does what it is given."""

    def becomes(function):
        module = ModuleType("components.toy")
        module.step = function
        monkeypatch.setitem(sys.modules, "components.toy", module)

    return becomes


def assignment(tmp_path, **more):
    (tmp_path / "data").mkdir(exist_ok=True)
    (tmp_path / "data" / "a.txt").write_text("a")
    inputs, outputs = {"data": tmp_path / "data"}, {"model": tmp_path / "out" / "model"}
    return Assignment("toy", "toy", {"seed": 7, "lr": 0.1}, inputs, outputs, tmp_path / "out/record", **more)


def write(job):
    job.outputs["model"].mkdir()
    (job.outputs["model"] / "weights").write_text("w")
    job.tell(1, {"loss": 2.0})
    return Done({"loss": 1.5, "endless": float("inf")}, {"passed": "yes"})


def test_the_record_says_it_all(toy, tmp_path, monkeypatch, capfd):
    toy(write)
    monkeypatch.setenv("VOCO_RUN", "run-1")
    monkeypatch.setenv("VOCO_IMAGE", "voco@sha256:1")
    monkeypatch.setenv("VOCO_DVC_REMOTE", str(tmp_path / "remote"))
    given, told = assignment(tmp_path, label="toy b"), []
    perform(given, lambda step, figures: told.append((step, figures)))
    record = read_record(given.record)
    assert (record.run, record.task, record.step, record.seed, record.image) == (
        *("run-1", "toy b", "toy", 7, "voco@sha256:1"),
    )
    assert record.inputs == {"data": content_of(tmp_path / "data")}
    assert record.outputs == {"model": content_of(tmp_path / "out/model")}
    assert record.config_sha256 == config_digest({"lr": 0.1, "seed": 7})
    assert (record.figures, record.values) == ({"loss": 1.5}, {"passed": "yes"})
    assert record.kept == {"model": f"{tmp_path}/remote#{record.outputs['model'].md5}"}
    assert told == [(1, {"loss": 2.0})]
    assert [json.loads(line.split(" ", 1)[1])["event"] for line in capfd.readouterr().out.splitlines()] == [
        *("started", "figures", "ended"),
    ]
    again = read_record(given.record)
    assert again.sha256 == record.sha256


def test_numbers_as_keys_are_texts_as_in_the_record_that_is_read_again(toy, tmp_path):
    toy(write)
    given = replace(assignment(tmp_path), settings={"seed": 7, "elastic": {16: 1, 2: 1, 1: 0.5}})
    perform(given)
    carried = read_carried(given.record)
    assert carried.record.config == {"seed": 7, "elastic": {"16": 1, "2": 1, "1": 0.5}}
    assert carried.attestation is not None
    again = record_from(json.loads(json.dumps(asdict(carried.record))))
    assert again.sha256 == carried.record.sha256
    verified = statement_of(carried.record)["predicate"]["buildDefinition"]["externalParameters"]["config"]
    assert verified["elastic"] == {"16": 1, "2": 1, "1": 0.5}


def test_a_failing_step_leaves_no_record(toy, tmp_path):
    def fail(job):
        write(job)
        raise VocoError("no more")

    def forget(job):
        return Done()

    for function, said in ((fail, "no more"), (forget, "output model was not written")):
        toy(function)
        with pytest.raises(VocoError, match=said):
            perform(assignment(tmp_path))
        assert not list((tmp_path / "out").iterdir())


def test_the_work_folder_is_the_same_for_the_same_work_alone(toy, tmp_path):
    seen = []

    def look(job):
        seen.append(job.work)
        if not job.outputs["model"].exists():
            write(job)
        return Done()

    toy(look)
    perform(assignment(tmp_path))
    perform(assignment(tmp_path))
    changed = assignment(tmp_path)
    (tmp_path / "data" / "a.txt").write_text("b")
    perform(changed)
    assert seen[0] == seen[1] != seen[2]


def test_a_missing_input_and_a_link_are_refused(toy, tmp_path):
    toy(write)
    given = assignment(tmp_path)
    (tmp_path / "data" / "link").symlink_to("a.txt")
    with pytest.raises(VocoError, match="a link"):
        perform(given)
    with pytest.raises(VocoError, match="no such file or folder"):
        perform(Assignment("toy", "toy", {}, {"data": tmp_path / "absent"}, {}))


def test_a_record_that_is_none_is_one_line(tmp_path):
    for text in ("", "[]", "{}", '{"format": 9}', '{"format": 1, "run": "x"}'):
        (tmp_path / "record").write_text(text)
        with pytest.raises(VocoError, match="not a step's record"):
            read_record(tmp_path / "record")
