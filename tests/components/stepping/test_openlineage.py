"""OpenLineage events of a step: to a file, to a server, and to nobody."""

import json
import sys
import threading
import uuid
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import ModuleType

import pytest

from components.stepping.digests import content_of
from components.stepping.job import Done
from components.stepping.perform import Assignment, perform
from voco_model.errors import VocoError


@pytest.fixture
def toy(tmp_path, monkeypatch):
    for name in ("VOCO_SPOOL", "VOCO_DVC_REMOTE", "MLFLOW_TRACKING_URI", "VOCO_WORK"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("VOCO_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("VOCO_RUN", "run-1")
    (tmp_path / "data").write_text("a")
    module = ModuleType("components.toy")
    monkeypatch.setitem(sys.modules, "components.toy", module)

    def do(error=None):
        def step(job):
            if error:
                raise error
            job.outputs["model"].write_text("m")
            return Done()

        module.step = step
        inputs, outputs = {"data": tmp_path / "data"}, {"model": tmp_path / "model"}
        perform(Assignment("toy", "toy 1", {}, inputs, outputs))

    return do


def digest_names(datasets):
    return [one["name"] for one in datasets]


def test_a_step_that_ends_well_is_two_lines_of_a_file(toy, tmp_path, monkeypatch):
    monkeypatch.setenv("VOCO_OPENLINEAGE", str(tmp_path / "deep/events.jsonl"))
    toy()
    start, end = map(json.loads, (tmp_path / "deep/events.jsonl").read_text().splitlines())
    assert (start["eventType"], end["eventType"]) == ("START", "COMPLETE")
    assert start["run"]["runId"] == end["run"]["runId"] == str(uuid.UUID(end["run"]["runId"]))
    assert end["run"]["facets"]["voco_run"]["run"] == "run-1"
    assert end["schemaURL"] == "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunEvent"
    assert end["job"]["name"] == "toy 1"
    assert digest_names(end["inputs"]) == [f"sha256:{content_of(tmp_path / 'data').sha256}"]
    made = content_of(tmp_path / "model")
    assert digest_names(end["outputs"]) == [f"sha256:{made.sha256}"]
    facets = end["outputs"][0]["facets"]
    assert facets["version"]["datasetVersion"] == f"sha256:{made.sha256}"
    assert (facets["voco_digest"]["name"], facets["voco_digest"]["md5"]) == ("toy 1.model", made.md5)
    for facet in (*facets.values(), *end["run"]["facets"].values()):
        assert facet["_producer"]
        assert facet["_schemaURL"].startswith("https://openlineage.io/spec/")


def test_a_step_that_fails_says_why_where_that_is_meant_for_people(toy, tmp_path, monkeypatch):
    monkeypatch.setenv("VOCO_OPENLINEAGE", str(tmp_path / "events.jsonl"))
    for error, said in ((VocoError("no more data"), "no more data"), (RuntimeError("CANARY"), "RuntimeError")):
        with pytest.raises(type(error)):
            toy(error)
        fail = json.loads((tmp_path / "events.jsonl").read_text().splitlines()[-1])
        assert (fail["eventType"], fail["run"]["facets"]["errorMessage"]["message"]) == ("FAIL", said)
    (tmp_path / "data").unlink()
    with pytest.raises(VocoError):
        toy()
    kinds = [json.loads(line)["eventType"] for line in (tmp_path / "events.jsonl").read_text().splitlines()]
    assert kinds == ["START", "FAIL"] * 3


@pytest.fixture
def server():
    heard = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            heard.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(500 if self.path == "/broken" else 201)
            self.end_headers()

        def log_message(self, *arguments): ...

    one = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=one.serve_forever, daemon=True)
    thread.start()
    yield f"127.0.0.1:{one.server_port}", heard
    one.shutdown()
    thread.join(10)
    one.server_close()


def test_a_server_is_told(toy, server, monkeypatch):
    where, heard = server
    monkeypatch.setenv("VOCO_OPENLINEAGE", f"http://{where}/api/v1/lineage")
    toy()
    assert [event["eventType"] for event in heard] == ["START", "COMPLETE"]


def test_a_server_that_fails_is_told_of_once_and_stops_nothing(toy, server, tmp_path, monkeypatch, capfd):
    where, heard = server
    for url, times in ((f"http://me:CANARY@{where}/broken", 1), ("http://me:CANARY@127.0.0.1:9/", 1)):
        monkeypatch.setenv("VOCO_OPENLINEAGE", url)
        toy()
        out, err = capfd.readouterr()
        assert out.count("OpenLineage events are not sent") == times
        assert "CANARY" not in out + err
    assert len(heard) == 1
    monkeypatch.setenv("VOCO_OPENLINEAGE", str(tmp_path / "data/no-folder"))
    toy()
    assert "OpenLineage events are not sent" in capfd.readouterr().out
