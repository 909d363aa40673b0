"""`voco submit`, `schedule`, `runs`, `logs` against a stand-in for KFP's REST API; no real backend was there."""

import pytest
from kfp import compiler, dsl

from pipelines.cli import main
from pipelines.cluster.connection import find_address
from tests.servers.kubeflow import kubeflow
from tests.servers.ports import free_port
from voco_model.errors import VocoError

TOKEN = "a-token-that-is-never-shown"


@dsl.component(base_image="python:3.11", install_kfp_package=False)
def work(text: str, number: int) -> None:
    """Nothing."""


@dsl.pipeline(name="toy")
def toy(text: str, number: int = 3) -> None:
    work(text=text, number=number)


@pytest.fixture(scope="module")
def package(tmp_path_factory):
    path = tmp_path_factory.mktemp("package") / "toy.yaml"
    compiler.Compiler().compile(toy, str(path))
    return path


@pytest.fixture
def cluster(monkeypatch):
    with kubeflow(TOKEN) as server:
        monkeypatch.setenv("KFP_HOST", server.url)
        monkeypatch.setenv("KFP_TOKEN", TOKEN)
        monkeypatch.delenv("KFP_NAMESPACE", raising=False)
        yield server


@pytest.fixture
def voco(capsys):
    """Runs a command; its status and both outputs, in which the token never stands."""

    def run(*arguments: object) -> tuple[int, str, str]:
        code = main([str(a) for a in arguments])
        out, err = capsys.readouterr()
        assert TOKEN not in out + err
        return code, out, err

    return run


def submitted(voco, package, *more) -> str:
    code, out, err = voco("submit", "--package", package, "--param", "text=hello", *more)
    assert code == 0, err
    return out.split()[0]


def test_submit_pins_a_version_and_uploads_it_once(cluster, voco, package):
    first, second = submitted(voco, package), submitted(voco, package, "--param", "number=4")
    assert len(cluster.uploads) == len(cluster.pipelines) == len(cluster.versions) == len(cluster.experiments) == 1
    assert b"pipelineInfo" in cluster.uploads[0]
    assert [cluster.runs[r]["runtime_config"]["parameters"] for r in (first, second)] == [
        {"text": "hello"},
        {"text": "hello", "number": 4},
    ]
    assert cluster.runs[first]["service_account"] == "voco-pipeline"
    (version,) = cluster.versions
    assert cluster.runs[first]["pipeline_version_reference"]["pipeline_version_id"] == version
    submitted(voco, package, "--no-cache")
    assert len(cluster.versions) == 2
    assert b"enableCache" in cluster.uploads[0]
    assert b"enableCache" not in cluster.uploads[1]


@pytest.mark.parametrize(("state", "code"), [("SUCCEEDED", 0), ("FAILED", 1), ("CANCELED", 1)])
def test_waiting_ends_as_the_run_does(cluster, voco, package, monkeypatch, state, code):
    monkeypatch.setattr("pipelines.cluster.runs.time.sleep", lambda _: None)
    cluster.states = ["PENDING", "RUNNING", "RUNNING", state]
    ended, out, err = voco("submit", "--package", package, "--param", "text=x", "--wait")
    assert ended == code
    assert out.endswith(f"{state.lower()}\n")
    assert [line.split()[1] for line in err.splitlines()] == ["pending", "running", state.lower()]


def test_waiting_outlives_a_short_absence_and_not_a_long_one(cluster, voco, package, monkeypatch):
    looks = []

    def breaks(_) -> None:
        looks.append(1)
        cluster.broken = 2 if len(looks) == 1 else cluster.broken

    monkeypatch.setattr("pipelines.cluster.runs.time.sleep", breaks)
    cluster.states = ["RUNNING", "RUNNING", "SUCCEEDED"]
    assert voco("submit", "--package", package, "--param", "text=x", "--wait")[0] == 0
    cluster.states = ["RUNNING"] * 3
    monkeypatch.setattr("pipelines.cluster.runs.time.sleep", lambda _: setattr(cluster, "broken", 99))
    code, _, err = voco("submit", "--package", package, "--param", "text=x", "--wait")
    assert code == 1
    assert "answered 503" in err
    assert "the run goes on: `voco runs run-" in err


def test_a_cluster_for_one_user_is_told_no_namespace(voco, package, monkeypatch):
    with kubeflow(namespace=None) as server:
        monkeypatch.setenv("KFP_HOST", server.url)
        monkeypatch.delenv("KFP_TOKEN", raising=False)
        assert submitted(voco, package) in server.runs


def test_what_is_wrong_is_one_line_before_anything_is_started(cluster, voco, package, monkeypatch, tmp_path):
    def refused(*arguments) -> str:
        before = len(cluster.pipelines) + len(cluster.runs) + len(cluster.recurring)
        code, _, err = voco(*arguments)
        assert code == 1
        assert err.startswith("voco: error: ")
        assert err.count("\n") == 1
        assert len(cluster.pipelines) + len(cluster.runs) + len(cluster.recurring) == before
        return err

    asked = ("submit", "--package", package, "--param", "text=x")
    assert "--param number: 'x' is not of the type NUMBER_INTEGER" in refused(*asked, "--param", "number=x")
    assert "no such parameter; there are number, text" in refused(*asked, "--param", "txt=x")
    assert "the parameter text has no default" in refused("submit", "--package", package)
    (tmp_path / "no.yaml").write_text("a: 1")
    assert "not a compiled pipeline" in refused("submit", "--package", tmp_path / "no.yaml")
    assert "--image: no image is named" in refused("submit", "--image", "")
    assert "never fires" in refused("schedule", "create", "--package", package, "--cron", "0 0 3 30 2 ?")
    assert 'write "0 0 3 * * 1"' in refused("schedule", "create", "--package", package, "--cron", "0 3 * * 1")
    assert "give --cron or --interval" in refused("schedule", "create", "--package", package)
    assert "at least 60" in refused("schedule", "create", "--package", package, "--interval", 5)
    assert "not in the namespace voco" in refused("runs", "run-none")

    monkeypatch.setenv("KFP_NAMESPACE", "elsewhere")
    assert "the namespace elsewhere is not ours to use; set KFP_NAMESPACE" in refused(*asked)
    monkeypatch.delenv("KFP_NAMESPACE")
    monkeypatch.setenv("KFP_TOKEN", "old-" + TOKEN[:3])
    assert "the token is refused, or has expired; get a new one" in refused(*asked)
    monkeypatch.delenv("KFP_TOKEN")
    assert "a token is asked for" in refused(*asked)
    monkeypatch.setenv("KFP_HOST", f"http://127.0.0.1:{free_port()}")
    assert "nobody answers" in refused(*asked)
    monkeypatch.delenv("KFP_HOST")
    assert "no cluster: KFP_HOST is not set" in refused(*asked)


def test_the_token_comes_from_a_pod_s_own_file_and_shows_nowhere(tmp_path):
    (tmp_path / "token").write_text(TOKEN + "\n")
    found = find_address({}, tmp_path / "token")
    assert found.token == TOKEN
    assert found.host.startswith("http://ml-pipeline.kubeflow")
    assert TOKEN not in repr(found)
    with pytest.raises(VocoError, match="KFP_HOST is not set"):
        find_address({}, tmp_path / "absent")
    assert find_address({"KFP_HOST": "kubeflow.example"}, tmp_path / "absent").host == "https://kubeflow.example"


def made(voco, package, action, *more) -> str:
    code, out, err = voco("schedule", action, "--package", package, "--param", "text=x", "--name", "weekly", *more)
    assert code == 0, err
    return out.split()[0]


def test_a_schedule_runs_one_pinned_version_at_a_time_and_catches_up_on_nothing(cluster, voco, package):
    body = cluster.recurring[made(voco, package, "create", "--cron", "0 0 3 ? * 1")]
    assert body["trigger"] == {"cron_schedule": {"cron": "0 0 3 ? * 1"}}
    assert (body["max_concurrency"], body["no_catchup"], body["mode"]) == ("1", True, "ENABLE")
    assert body["pipeline_version_reference"]["pipeline_version_id"] in cluster.versions
    code, _, err = voco(
        "schedule", "create", "--package", package, "--param", "text=x", "--name", "weekly", "--interval", 60
    )
    assert code == 1
    assert "there is one already; `voco schedule update` changes it" in err


def test_an_update_makes_the_new_one_first(cluster, voco, package):
    old = made(voco, package, "create", "--cron", "0 0 3 ? * 1")
    new = made(voco, package, "update", "--interval", 3600)
    assert list(cluster.recurring) == [new]
    assert cluster.recurring[new]["trigger"] == {"periodic_schedule": {"interval_second": "3600"}}
    writes = [one for one in cluster.asked if "recurringruns" in one and not one.startswith("GET")]
    assert [one.split("/")[-1] for one in writes[1:]] == ["recurringruns", f"{old}:disable", old]


def test_an_update_and_a_delete_lose_no_run_in_flight(cluster, voco, package):
    """Deleting a schedule deletes its unfinished runs: Kubernetes collects what belongs to what is gone."""
    old = made(voco, package, "create", "--cron", "0 0 3 ? * 1")
    run = submitted(voco, package)
    cluster.runs[run] |= {"state": "RUNNING", "recurring_run_id": old}
    new = made(voco, package, "update", "--cron", "0 0 4 ? * 1")
    assert {name: one["status"] for name, one in cluster.recurring.items()} == {old: "DISABLED", new: "ENABLED"}
    code, out, _ = voco("schedule", "delete", "weekly")
    assert code == 1
    assert "would end its run in flight" in out
    assert list(cluster.recurring) == [old]
    assert cluster.runs[run]["state"] == "RUNNING"
    cluster.runs[run]["state"] = "SUCCEEDED"
    assert voco("schedule", "delete", "weekly")[:2] == (0, "weekly: deleted\n")
    assert not cluster.recurring


def test_pausing_survives_an_update(cluster, voco, package):
    made(voco, package, "create", "--interval", 600)
    assert voco("schedule", "pause", "weekly")[:2] == (0, "weekly: paused\n")
    new = made(voco, package, "update", "--interval", 900)
    assert cluster.recurring[new]["mode"] == "DISABLE"
    assert "weekly  every 900 s  paused" in voco("schedule", "list")[1]
    voco("schedule", "resume", "weekly")
    assert "weekly  every 900 s  on" in voco("schedule", "list")[1]
    code, _, err = voco("schedule", "pause", "daily")
    assert code == 1
    assert "daily: no such schedule; there are weekly" in err


def test_runs_are_a_table_and_a_run_shows_its_tasks(cluster, voco, package):
    runs = [submitted(voco, package, "--name", f"run {n}") for n in range(3)]
    listed = voco("runs", "--most", 2)[1].splitlines()
    assert [line.split()[0] for line in listed] == ["RUN", runs[2], runs[1]]
    add_tasks(cluster, runs[0])
    shown = voco("runs", runs[0])[1].splitlines()
    assert shown[1].split() == ["validate", "succeeded", "2026-01-05", "03:00", "0:01:05"]
    assert len(shown) == 2


def test_logs_of_a_task_are_those_of_its_own_container(cluster, voco, package):
    run = submitted(voco, package)
    add_tasks(cluster, run)
    cluster.logs = {"toy-x-system-container-impl-2": "first\nsecond\nlast without an end"}
    assert voco("logs", run, "validate")[1] == "first\nsecond\nlast without an end\n"
    assert voco("logs", run, "validate", "--follow")[0] == 0
    code, _, err = voco("logs", run, "train")
    assert code == 1
    assert "its tasks: validate" in err


def add_tasks(cluster, run: str) -> None:
    """As KFP reports a task: its driver, and beneath it the container that does the work."""
    times = {"start_time": "2026-01-05T03:00:00Z", "end_time": "2026-01-05T03:01:05Z", "state": "SUCCEEDED"}
    tasks = [
        {"task_id": "t0", "display_name": "root"},
        {"task_id": "t1", "display_name": "validate-driver", "pod_name": "toy-x-system-container-driver-1"},
        {"task_id": "t2", "display_name": "validate", "child_tasks": [{"task_id": "t3"}]},
        {"task_id": "t3", "display_name": "executor", "pod_name": "toy-x-system-container-impl-2"},
    ]
    cluster.runs[run]["run_details"] = {"task_details": [task | times for task in tasks]}
