"""A TrainJob whose nodes are real: two processes that train together on this machine, are preempted, and go on.

The Kubernetes and Trainer between them and the step are a stand-in.
"""

import os
import signal
import sys

import pytest

from components.train_job import run_train_job
from components.train_jobs.nodes import NodeResources
from components.training import TrainConfig
from tests.components.ingest_worlds import picture_set
from tests.infra.manifests import ROOT
from tests.servers.kubernetes import kubernetes
from tests.servers.ports import free_port
from voco_model.training.recipe import Recipe

pytestmark = pytest.mark.integration


@pytest.fixture
def data(tmp_path):
    """A small data set, where the nodes do not see it."""
    return picture_set(tmp_path)


def test_nodes_train_together_and_go_on_after_preemption(data, tmp_path, monkeypatch):
    work = tmp_path / "work"
    recipe = Recipe.model_validate(
        {
            "stage": "instruct",
            "out": work / "steps/run",
            "steps": 12,
            "start": {"preset": "tiny"},
            "data": {"folders": [data], "batch_size": 4, "workers": 0},
            "optimiser": {"lr": 1e-3},
            "device": {"nodes": 2},
            "saving": {"every": 1, "report_every": 1},
        }
    )
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "kubeconfig"))
    monkeypatch.setattr("kubernetes.config.kube_config.KUBE_CONFIG_DEFAULT_LOCATION", str(tmp_path / "kubeconfig"))
    monkeypatch.setattr("components.train_jobs.watching.LOOK_EVERY", 0.2)
    monkeypatch.setattr("components.training.LOOK_EVERY", 0.1)
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    nodes = NodeResources(nodes=2, gpus=0, cpu="1", memory="2Gi", work=str(work))
    steps: list[int] = []
    with kubernetes(tmp_path) as cluster:
        cluster.runs_processes = ROOT
        cluster.environment = dict(os.environ) | {
            "PROGRAM": f"{sys.executable} -m pipelines.cli",
            "PORT": str(free_port()),
            "PYTHONPATH": str(ROOT),
            "OMP_NUM_THREADS": "1",
        }
        cluster.environment.pop("MLFLOW_TRACKING_URI", None)

        def preempt_once(step: int, _) -> None:
            steps.append(step)
            if step >= 2 and len(cluster.created) == 1:
                for pod in cluster.pods.values():
                    pod.process.send_signal(signal.SIGTERM)

        outcome = run_train_job(TrainConfig(recipe), nodes, preempt_once)
        said = [line for pod in cluster.pods.values() for line in pod.lines]
    assert outcome.code == 0, said
    assert outcome.result["steps"] == 12
    assert len(cluster.created) == 2
    assert sorted(set(steps)) == list(range(1, 13))
    assert (work / "steps/run/model/config.json").is_file()
