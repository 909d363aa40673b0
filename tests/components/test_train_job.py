"""Training on several nodes by a TrainJob, against a stand-in for Kubernetes and Trainer: neither was there."""

import json
import os
import signal
import threading

import pytest

from components.train_job import run_train_job
from components.train_jobs.api import Pod
from components.train_jobs.manifest import job_name, train_job
from components.train_jobs.nodes import NodeResources
from components.train_jobs.staging import staged
from components.train_jobs.watching import how_ended
from components.training import TrainConfig
from tests.infra.manifests import KUBERNETES, ROOT
from tests.servers.kubernetes import SCHEMA, FakePod, kubernetes, mistakes
from voco_model.errors import VocoError
from voco_model.training.preemption import Preempted
from voco_model.training.recipe import Recipe
from voco_model.training.recipe_files import load_recipe

RESULT = {"model": "model", "loss": 0.5, "digest": "abc"}


def nodes(work, **more) -> NodeResources:
    return NodeResources(**{"nodes": 2, "gpus": 0, "cpu": "1", "memory": "1Gi", "work": str(work)} | more)


def recipe(work, **more) -> Recipe:
    base = {
        "stage": "instruct",
        "out": work / "steps" / "run",
        "steps": 4,
        "start": {"preset": "tiny"},
        "data": {"folders": [work / "data"], "batch_size": 4, "workers": 0},
        "optimiser": {"lr": 1e-3},
        "device": {"nodes": 2},
    }
    return Recipe.model_validate(base | more)


@pytest.fixture
def work(tmp_path):
    """A volume that step and nodes share."""
    (tmp_path / "work" / "data").mkdir(parents=True)
    (tmp_path / "work" / "data" / "manifest").write_text("records")
    return tmp_path / "work"


@pytest.fixture
def cluster(tmp_path, monkeypatch, work):
    with kubernetes(tmp_path) as state:
        state.when_complete = lambda: finished(work)
        monkeypatch.setattr("components.train_jobs.watching.LOOK_EVERY", 0.02)
        monkeypatch.setenv("KUBECONFIG", str(tmp_path / "kubeconfig"))
        monkeypatch.setattr(
            "kubernetes.config.kube_config.KUBE_CONFIG_DEFAULT_LOCATION", str(tmp_path / "kubeconfig")
        )
        monkeypatch.setenv("VOCO_RUN", "run-1")
        monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
        yield state


def finished(work) -> None:
    """What the nodes leave behind."""
    (work / "steps/run/model").mkdir(parents=True, exist_ok=True)
    (work / "steps/run/result.json").write_text(json.dumps(RESULT))
    own = recipe(work).model_dump(mode="json")
    (work / "steps/run/recipe.yaml").write_text(json.dumps(own))


def pods(*states: tuple[str, int | None], **more) -> dict[str, FakePod]:
    """A look: each node's phase and exit status."""
    return {
        f"pod-{n}": FakePod(n, phase, code, lines=[f"line {i} of {n}" for i in range(3)], **more)
        for n, (phase, code) in enumerate(states)
    }


RUNNING = pods(("Running", None), ("Running", None))
DONE = pods(("Succeeded", 0), ("Succeeded", 0))


def test_the_manifest_is_what_the_recipe_and_the_cluster_say(tmp_path, monkeypatch):
    monkeypatch.setenv("VOCO_IMAGE", "voco@sha256:1")
    path = ROOT / "pipelines/configs/7b-multinode/instruct.yaml"
    big = load_recipe(path, [f"out={tmp_path}/run"])
    asked = nodes(tmp_path, nodes=4, gpus=8, cpu="48", memory="512Gi", selector={"voco/gpu": "h100"})
    manifest = train_job(big, tmp_path / "recipe.yaml", "run-1", asked)
    assert mistakes(manifest, SCHEMA) == []
    trainer = manifest["spec"]["trainer"]
    assert (trainer["numNodes"], trainer["numProcPerNode"]) == (4, 8)
    assert trainer["command"] == ["voco", "instruct", "--config", f"{tmp_path}/recipe.yaml"]
    assert trainer["image"] == "voco@sha256:1"
    assert trainer["resourcesPerNode"]["limits"] == {"cpu": "48", "memory": "512Gi", "nvidia.com/gpu": "8"}
    runtime = (KUBERNETES / "base/training-runtime.yaml").read_text()
    assert f"name: {manifest['spec']['runtimeRef']['name']}\n" in runtime
    (patch,) = manifest["spec"]["runtimePatches"]
    (job,) = patch["trainingRuntimeSpec"]["template"]["spec"]["replicatedJobs"]
    assert f"- name: {job['name']}\n" in runtime
    assert job["template"]["spec"]["template"]["spec"]["nodeSelector"] == {"voco/gpu": "h100"}


def test_a_name_belongs_to_run_and_work_and_is_a_label(tmp_path):
    one, other = recipe(tmp_path), recipe(tmp_path, out=tmp_path / "steps" / "other")
    video = recipe(tmp_path, stage="continue_video", data={**one.data.model_dump(), "n_frames": 2})
    assert job_name(one, "run-1") == job_name(one, "run-1")
    assert len({job_name(r, run) for r in (one, other) for run in ("run-1", "run-2")}) == 4
    assert len(job_name(video, "run-1") + "-node-0-0") < 63


def test_resources_that_do_not_fit_the_recipe_are_refused(tmp_path):
    with pytest.raises(VocoError, match=r"device\.nodes is 2, the step's resources say 3"):
        train_job(recipe(tmp_path), tmp_path / "r", "run", nodes(tmp_path, nodes=3))
    on_gpus = recipe(tmp_path, device={"nodes": 2, "gpu": "H100-80GB", "gpus_per_node": 2})
    with pytest.raises(VocoError, match=r"device\.gpus_per_node is 2, the step's resources say 8"):
        train_job(on_gpus, tmp_path / "r", "run", nodes(tmp_path, gpus=8))


def test_what_nodes_cannot_see_is_copied_once_by_content(work, tmp_path):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "config.json").write_text("{}")
    given = recipe(work, start={"checkpoint": elsewhere})
    moved = staged(given, work)
    assert moved.start.checkpoint.parent == work / "inputs"
    assert (moved.start.checkpoint / "config.json").read_text() == "{}"
    assert moved.data.folders == (work / "data",)
    assert staged(given, work) == moved
    assert len(list((work / "inputs").iterdir())) == 1
    with pytest.raises(VocoError, match=r"which the nodes do not share; it must lie below .*VOCO_WORK"):
        staged(recipe(work, out=tmp_path / "run"), work)


def test_a_job_is_watched_to_its_end(cluster, work, capsys):
    cluster.scripts = [[{}, pods(("Pending", None), ("Pending", None)), RUNNING, DONE]]
    figures = []
    outcome = run_train_job(
        TrainConfig(recipe(work)), nodes(work), lambda step, numbers: figures.append((step, numbers))
    )
    assert outcome.code == 0
    assert outcome.result == RESULT
    said = capsys.readouterr().err
    assert "2 nodes, 2 running, 0 ended" in said
    for node in (0, 1):
        assert said.count(f"node {node}: line 2 of {node}") == 1
    (manifest,) = cluster.created
    assert cluster.deleted == [manifest["metadata"]["name"]]
    assert load_recipe(work / "steps/run.recipe.yaml").device.nodes == 2
    assert run_train_job(TrainConfig(recipe(work)), nodes(work)).result == RESULT
    assert len(cluster.created) == 1


def test_logs_that_break_off_are_read_on_and_a_short_absence_is_outlived(cluster, work, capsys, monkeypatch):
    monkeypatch.setattr("components.train_jobs.watching.RECONNECT_AFTER", 0.01)
    cluster.scripts = [[RUNNING, RUNNING, DONE]]
    cluster.log_breaks = 2
    assert run_train_job(TrainConfig(recipe(work)), nodes(work)).code == 0
    said = capsys.readouterr().err
    for node in (0, 1):
        assert [said.count(f"node {node}: line {n} of {node}") for n in range(3)] == [1, 1, 1]


def test_a_cluster_that_stays_away_is_named_and_the_job_left(cluster, work, monkeypatch):
    monkeypatch.setattr("components.train_jobs.watching.LOST_LOOKS", 3)
    monkeypatch.setattr("components.train_jobs.watching.LOOK_EVERY", 0.0)
    created = cluster.create
    cluster.create = lambda job: (created(job), setattr(cluster, "broken", 3))
    with pytest.raises(VocoError, match=r"answered 503.*may still run: the same step again goes on with it"):
        run_train_job(TrainConfig(recipe(work)), nodes(work))
    assert cluster.deleted == []
    cluster.create = created
    cluster.scripts = [[RUNNING, DONE]]
    assert run_train_job(TrainConfig(recipe(work)), nodes(work)).code == 0
    assert len(cluster.created) == 1


def test_nodes_taken_away_are_asked_for_again(cluster, work, capsys):
    lost = pods(("Failed", 75), ("Failed", 1))
    evicted = pods(("Failed", None), ("Failed", 1))
    evicted["pod-0"].disrupted = True
    cluster.scripts = [[RUNNING, lost], [RUNNING, evicted], [RUNNING, DONE]]
    outcome = run_train_job(TrainConfig(recipe(work)), nodes(work))
    assert outcome.code == 0
    assert len(cluster.created) == 3
    assert len({job["metadata"]["name"] for job in cluster.created}) == 1
    assert "node 0 was taken away" in capsys.readouterr().err


def test_a_failure_ends_with_the_node_s_own_status(cluster, work, capsys):
    cluster.scripts = [[RUNNING, pods(("Failed", 3), ("Failed", 1))]]
    outcome = run_train_job(TrainConfig(recipe(work)), nodes(work))
    assert (outcome.code, outcome.result) == (3, None)
    assert "kubectl describe trainjob instruct-" in capsys.readouterr().err
    assert cluster.deleted == []
    cluster.scripts = [[RUNNING, DONE]]
    assert run_train_job(TrainConfig(recipe(work)), nodes(work)).code == 0
    assert len(cluster.deleted) == 2


def test_a_step_that_is_stopped_takes_its_job_with_it(cluster, work):
    cluster.scripts = [[RUNNING] * 10_000]
    threading.Timer(0.3, os.kill, [os.getpid(), signal.SIGTERM]).start()
    with pytest.raises(Preempted) as stopped:
        run_train_job(TrainConfig(recipe(work)), nodes(work))
    assert stopped.value.code == 75
    assert len(cluster.deleted) == 1
    assert not cluster.jobs


def test_another_recipe_under_the_name_is_refused(cluster, work):
    cluster.scripts = [[RUNNING] * 10_000]
    theirs = train_job(recipe(work, steps=9), work / "r", "run-1", nodes(work))
    cluster.create(theirs)
    with pytest.raises(VocoError, match="trains another recipe"):
        run_train_job(TrainConfig(recipe(work)), nodes(work))


def test_a_manifest_with_an_unknown_field_would_be_refused(tmp_path):
    manifest = train_job(recipe(tmp_path), tmp_path / "r", "run-1", nodes(tmp_path))
    manifest["spec"]["trainer"]["nodeCount"] = 3
    manifest["spec"]["trainer"]["numNodes"] = "2"
    assert mistakes(manifest, SCHEMA) == [".spec.trainer.nodeCount: unknown field", ".spec.trainer.numNodes: '2'"]


def test_how_a_job_ended_without_pods_is_the_trainer_s_own_word():
    told = {"type": "Failed", "status": "True", "reason": "DeadlineExceeded", "message": "too long"}
    job = {"status": {"conditions": [{"type": "Suspended", "status": "False"}, told]}}
    assert how_ended(job, []).reason == "DeadlineExceeded: too long"
    assert how_ended({"status": {}}, []) is None
    assert how_ended({}, [Pod("a", 0, "Failed", 1, False)]) is None
    assert how_ended(None, []).code == 75


def test_no_cluster_is_one_line(work, monkeypatch, tmp_path):
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    monkeypatch.setattr("kubernetes.config.kube_config.KUBE_CONFIG_DEFAULT_LOCATION", str(tmp_path / "absent"))
    with pytest.raises(VocoError, match="no cluster: neither a pod's account nor a kubeconfig"):
        run_train_job(TrainConfig(recipe(work)), nodes(work))
