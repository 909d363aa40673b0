"""A stand-in for the Kubernetes API server and Kubeflow Trainer on the loopback; neither was really there.

A TrainJob is held to the fields of trainer.kubeflow.org/v1alpha1 as published with Trainer 2.2: an unknown one, or
one of another type, is refused as a strict server does. Pods are scripted, or processes of this machine that are
told where they stand by the variables that the Trainer sets.
"""

import json
import re
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlparse

import yaml

JOBS = "/apis/trainer.kubeflow.org/v1alpha1/namespaces/voco/trainjobs"
PODS = "/api/v1/namespaces/voco/pods"
QUANTITY = re.compile(r"\d+(m|Mi|Gi|Ti)?")

Amounts = {"*": QUANTITY}
SCHEMA: dict[str, Any] = {
    "apiVersion": re.compile(r"trainer\.kubeflow\.org/v1alpha1"),
    "kind": re.compile("TrainJob"),
    "metadata": {
        "name": re.compile(r"[a-z]([-a-z0-9]{0,61}[a-z0-9])?"),
        "labels": {"*": re.compile(r"[\w.-]{1,63}")},
        "annotations": {"*": str},
    },
    "spec": {
        "runtimeRef": {"apiGroup": str, "kind": str, "name": str},
        "trainer": {
            "image": str,
            "command": [str],
            "args": [str],
            "env": [{"name": str, "value": str}],
            "numNodes": int,
            "numProcPerNode": int,
            "resourcesPerNode": {"requests": Amounts, "limits": Amounts},
        },
        "runtimePatches": [
            {
                "manager": str,
                "trainingRuntimeSpec": {
                    "template": {
                        "spec": {
                            "replicatedJobs": [
                                {
                                    "name": re.compile("[a-z0-9-]+"),
                                    "template": {"spec": {"template": {"spec": {"nodeSelector": {"*": str}}}}},
                                }
                            ]
                        }
                    }
                },
            }
        ],
        "suspend": bool,
        "activeDeadlineSeconds": int,
    },
}


def mistakes(value: Any, schema: Any, at: str = "") -> list[str]:
    """Fields that the schema does not have, or has otherwise."""
    if isinstance(schema, dict):
        if not isinstance(value, dict):
            return [f"{at}: no object"]
        any_key = schema.get("*")
        unknown = [f"{at}.{key}: unknown field" for key in value if any_key is None and key not in schema]
        known = [(key, one) for key, one in value.items() if any_key is not None or key in schema]
        return unknown + [m for key, one in known for m in mistakes(one, any_key or schema[key], f"{at}.{key}")]
    if isinstance(schema, list):
        if not isinstance(value, list):
            return [f"{at}: no list"]
        return [m for number, one in enumerate(value) for m in mistakes(one, schema[0], f"{at}[{number}]")]
    if isinstance(schema, re.Pattern):
        return [] if isinstance(value, str) and schema.fullmatch(value) else [f"{at}: {value!r}"]
    return [] if type(value) is schema else [f"{at}: {value!r}"]


@dataclass
class FakePod:
    """A pod that is what a test says, or a process."""

    node: int
    phase: str = "Running"
    exit_code: int | None = None
    disrupted: bool = False
    lines: list[str] = field(default_factory=list)
    process: "subprocess.Popen[str] | None" = None

    def look(self) -> None:
        """A process's state as its pod's."""
        if self.process is not None and (code := self.process.poll()) is not None:
            self.exit_code, self.phase = code, "Failed" if code else "Succeeded"


class FakeKubernetes:
    """What the server holds, and what it was asked."""

    def __init__(self) -> None:
        self.jobs: dict[str, dict] = {}
        self.pods: dict[str, FakePod] = {}
        self.created: list[dict] = []
        self.deleted: list[str] = []
        self.broken = 0
        """Requests still to be answered with 503."""
        self.log_breaks = 0
        """Logs still to be broken off after their first line."""
        self.scripts: list[list[dict[str, FakePod]]] = []
        """For each job to come, its pods at each look; after the last, the job has ended."""
        self.runs_processes: Path | None = None
        """Where pods are processes: the folder they run in."""
        self.environment: dict[str, str] = {}
        self.when_complete: Callable[[], None] = lambda: None
        """What the nodes leave behind."""
        self.url = ""

    def create(self, job: dict) -> None:
        """As the Trainer would: pods, sooner or later."""
        self.jobs[job["metadata"]["name"]] = job
        self.created.append(job)
        if self.runs_processes is not None:
            self._start(job)

    def _start(self, job: dict) -> None:
        trainer, port = job["spec"]["trainer"], self.environment["PORT"]
        for node in range(trainer["numNodes"]):
            places = {"PET_NNODES": trainer["numNodes"], "PET_NPROC_PER_NODE": trainer["numProcPerNode"]}
            places |= {"PET_NODE_RANK": node, "PET_MASTER_ADDR": "127.0.0.1", "PET_MASTER_PORT": port}
            process = subprocess.Popen(
                self.environment["PROGRAM"].split() + trainer["command"][1:],
                env=self.environment | {name: str(value) for name, value in places.items()},
                cwd=self.runs_processes,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
            )
            pod = FakePod(node, process=process)
            self.pods[f"{job['metadata']['name']}-node-0-{node}-{len(self.created)}"] = pod
            threading.Thread(target=lambda p=pod: p.lines.extend(p.process.stdout), daemon=True).start()

    def look(self, name: str) -> dict:
        """A job's state, as its pods have it."""
        job = self.jobs[name]
        if self.scripts and self.scripts[0]:
            self.pods = self.scripts[0].pop(0)
        for pod in self.pods.values():
            pod.look()
        is_over = self.pods and all(pod.phase in ("Succeeded", "Failed") for pod in self.pods.values())
        if is_over and not (self.scripts and self.scripts[0]):
            if self.scripts:
                self.scripts.pop(0)
            kind = "Failed" if any(pod.phase == "Failed" for pod in self.pods.values()) else "Complete"
            if kind == "Complete":
                self.when_complete()
            job["status"] = {
                "conditions": [{"type": kind, "status": "True", "reason": "Jobs", "message": "ended"}]
            }
        return job

    def delete(self, name: str) -> None:
        del self.jobs[name]
        self.deleted.append(name)
        for pod in self.pods.values():
            if pod.process is not None and pod.process.poll() is None:
                pod.process.send_signal(signal.SIGTERM)
                pod.process.wait(timeout=60)
        if self.runs_processes is not None:
            self.pods = {}


class Handler(BaseHTTPRequestHandler):
    state: FakeKubernetes
    protocol_version = "HTTP/1.0"

    def log_message(self, *_: Any) -> None:
        pass

    def _answer(self, status: int, body: Any) -> None:
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def _refuse(self, status: int, message: str) -> None:
        self._answer(status, {"kind": "Status", "status": "Failure", "message": message, "code": status})

    def _is_away(self) -> bool:
        if self.state.broken:
            self.state.broken -= 1
            self._refuse(503, "the server is being replaced")
            return True
        return False

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if self._is_away():
            return
        name = body["metadata"]["name"]
        if wrong := mistakes(body, SCHEMA):
            self._refuse(400, "; ".join(wrong))
        elif self.path.partition("?")[0] != JOBS:
            self._refuse(404, "the server could not find the requested resource")
        elif name in self.state.jobs:
            self._refuse(409, f'trainjobs "{name}" already exists')
        else:
            self.state.create(body)
            self._answer(201, body)

    def do_GET(self) -> None:
        if self._is_away():
            return
        url = urlparse(self.path)
        name = url.path.rpartition("/")[2]
        if url.path.startswith(f"{JOBS}/"):
            if name in self.state.jobs:
                self._answer(200, self.state.look(name))
            else:
                self._refuse(404, f'trainjobs "{name}" not found')
        elif url.path == PODS:
            assert parse_qs(url.query)["labelSelector"][0].startswith("jobset.sigs.k8s.io/jobset-name=")
            self._answer(200, {"kind": "PodList", "apiVersion": "v1", "items": self._pods()})
        elif url.path.endswith("/log"):
            self._log(url.path.split("/")[-2])
        else:
            self._refuse(404, "no such path")

    def do_DELETE(self) -> None:
        name = self.path.partition("?")[0].rpartition("/")[2]
        if name not in self.state.jobs:
            self._refuse(404, f'trainjobs "{name}" not found')
            return
        self.state.delete(name)
        self._answer(200, {"kind": "Status", "status": "Success"})

    def _pods(self) -> list[dict]:
        items = []
        for name, pod in self.state.pods.items():
            ended = {"terminated": {"exitCode": pod.exit_code}} if pod.exit_code is not None else {"running": {}}
            container = {
                "name": "node",
                "state": ended,
                "image": "",
                "imageID": "",
                "ready": True,
                "restartCount": 0,
            }
            disruption = [{"type": "DisruptionTarget", "status": "True"}] if pod.disrupted else []
            labels = {"batch.kubernetes.io/job-completion-index": str(pod.node)}
            status = {"phase": pod.phase, "containerStatuses": [container], "conditions": disruption}
            items.append({"metadata": {"name": name, "labels": labels}, "status": status})
        return items

    def _log(self, name: str) -> None:
        pod = self.state.pods.get(name)
        if pod is None:
            self._refuse(404, f'pods "{name}" not found')
            return
        self.send_response(200)
        self.send_header("Content-Type", "text/plain")
        breaks_off = self.state.log_breaks > 0
        if breaks_off:
            self.state.log_breaks -= 1
            self.send_header("Content-Length", "1000000")
        self.end_headers()
        sent = 0
        while True:
            is_over = pod.process is None or pod.process.poll() is not None
            for line in pod.lines[sent:]:
                self.wfile.write(f"2026-01-05T03:00:00.{sent:09}Z {line.rstrip()}\n".encode())
                sent += 1
                if breaks_off:
                    return
            if is_over and sent == len(pod.lines):
                return
            time.sleep(0.05)


@contextmanager
def kubernetes(folder: Path) -> Iterator[FakeKubernetes]:
    """A server while the block lasts, and `folder/kubeconfig` that leads to it."""
    state = FakeKubernetes()
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Bound", (Handler,), {"state": state}))
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    state.url = f"http://127.0.0.1:{server.server_address[1]}"
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "test",
        "clusters": [{"name": "test", "cluster": {"server": state.url}}],
        "users": [{"name": "test", "user": {}}],
        "contexts": [{"name": "test", "context": {"cluster": "test", "user": "test"}}],
    }
    (folder / "kubeconfig").write_text(yaml.safe_dump(config))
    try:
        yield state
    finally:
        for pod in state.pods.values():
            if pod.process is not None and pod.process.poll() is None:
                pod.process.kill()
        server.shutdown()
        server.server_close()
        thread.join(timeout=5)
