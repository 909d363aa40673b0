"""The few things that are asked of Kubernetes: TrainJobs, their pods, the pods' logs."""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from components.train_jobs.manifest import GROUP, PLURAL, REPLICATED_JOB, VERSION
from voco_model.errors import VocoError

NAMESPACE_FILE = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")
NAMESPACE = "voco"
TIMEOUT = (5.0, 60.0)
"""Seconds to wait for a connection and for an answer."""
SILENCE = (5.0, 600.0)
"""The same for a log that is followed."""


class Unreachable(VocoError):
    """Kubernetes did not answer, or answered that it cannot now: asking again may help."""


@dataclass(frozen=True)
class Pod:
    """One node's pod."""

    name: str
    node: int
    """Which of the nodes; 0 is the first rank's."""
    phase: str
    exit_code: int | None
    """Of its container, where that has ended."""
    was_disrupted: bool
    """Whether Kubernetes took its node away, or it from its node."""

    @property
    def has_ended(self) -> bool:
        return self.phase in ("Succeeded", "Failed")


class Kubernetes:
    """A namespace, by the pod's own account or a person's kubeconfig."""

    def __init__(self) -> None:
        from kubernetes import client, config

        try:
            if os.environ.get("KUBERNETES_SERVICE_HOST"):
                config.load_incluster_config()
            else:
                config.load_kube_config()
        except (config.ConfigException, OSError) as error:
            raise VocoError(
                f"no cluster: neither a pod's account nor a kubeconfig ({error}); set KUBECONFIG, or train on one"
                " node with --set device.nodes=1"
            ) from None
        own = NAMESPACE_FILE.read_text("utf-8").strip() if NAMESPACE_FILE.is_file() else None
        self.namespace = own or os.environ.get("KFP_NAMESPACE") or NAMESPACE
        self._objects, self._core = client.CustomObjectsApi(), client.CoreV1Api()

    def create(self, manifest: Mapping[str, Any]) -> bool:
        """False where one of that name is there already."""
        with self._asking("create the TrainJob"):
            try:
                self._objects.create_namespaced_custom_object(
                    GROUP, VERSION, self.namespace, PLURAL, dict(manifest), _request_timeout=TIMEOUT
                )
            except _api_error() as error:
                if error.status != 409:
                    raise
                return False
        return True

    def get(self, name: str) -> dict[str, Any] | None:
        """A TrainJob; None where there is none."""
        with self._asking("look at the TrainJob"):
            try:
                found: dict[str, Any] = self._objects.get_namespaced_custom_object(
                    GROUP, VERSION, self.namespace, PLURAL, name, _request_timeout=TIMEOUT
                )
            except _api_error() as error:
                if error.status != 404:
                    raise
                return None
        return found

    def delete(self, name: str) -> None:
        """Its pods get SIGTERM, and are waited for by Kubernetes before the job is gone."""
        with self._asking("delete the TrainJob"):
            try:
                self._objects.delete_namespaced_custom_object(
                    GROUP,
                    VERSION,
                    self.namespace,
                    PLURAL,
                    name,
                    propagation_policy="Foreground",
                    _request_timeout=TIMEOUT,
                )
            except _api_error() as error:
                if error.status != 404:
                    raise

    def pods(self, name: str) -> list[Pod]:
        """The nodes' pods, in the nodes' order."""
        chosen = f"jobset.sigs.k8s.io/jobset-name={name},jobset.sigs.k8s.io/replicatedjob-name={REPLICATED_JOB}"
        with self._asking("list the nodes' pods"):
            found = self._core.list_namespaced_pod(self.namespace, label_selector=chosen, _request_timeout=TIMEOUT)
        return sorted((_pod(one) for one in found.items), key=lambda pod: (pod.node, pod.name))

    def log(self, pod: str) -> Iterator[str]:
        """The lines of a pod's log with their times, from the first one, until the pod ends."""
        from urllib3.exceptions import HTTPError

        with self._asking(f"read the log of {pod}"):
            response = self._core.read_namespaced_pod_log(
                pod,
                self.namespace,
                container=REPLICATED_JOB,
                follow=True,
                timestamps=True,
                _preload_content=False,
                _request_timeout=SILENCE,
            )
            rest = b""
            try:
                for chunk in response.stream(1 << 14):
                    *lines, rest = (rest + chunk).split(b"\n")
                    yield from (line.decode(errors="replace") for line in lines)
            except HTTPError as error:
                raise Unreachable(f"{pod}: its log broke off ({error})") from None
            finally:
                response.release_conn()
            if rest:
                yield rest.decode(errors="replace")

    @contextmanager
    def _asking(self, purpose: str) -> Iterator[None]:
        from urllib3.exceptions import HTTPError

        try:
            yield
        except _api_error() as error:
            said = " ".join(str(error.body or error.reason).split())[:300]
            if error.status in (0, 429) or (error.status or 0) >= 500:
                raise Unreachable(f"could not {purpose}: Kubernetes answered {error.status} ({said})") from None
            way_out = {
                401: "the account's token has expired: get a new kubeconfig",
                403: f"the account may not, in the namespace {self.namespace}: apply infra/kubernetes",
                404: "does Kubeflow Trainer stand in this cluster?",
            }.get(error.status or 0, "see the message")
            raise VocoError(f"could not {purpose}: {error.status}, {way_out} ({said})") from None
        except HTTPError as error:
            raise Unreachable(f"could not {purpose}: nobody answers ({error})") from None


def _api_error() -> Any:
    from kubernetes.client import ApiException

    return ApiException


def _pod(found: Any) -> Pod:
    labels, status = found.metadata.labels or {}, found.status
    ended = [
        one.state.terminated.exit_code
        for one in status.container_statuses or []
        if one.name == REPLICATED_JOB and one.state and one.state.terminated
    ]
    disrupted = any(one.type == "DisruptionTarget" and one.status == "True" for one in status.conditions or [])
    return Pod(
        name=found.metadata.name,
        node=int(labels.get("batch.kubernetes.io/job-completion-index", 0)),
        phase=str(status.phase),
        exit_code=ended[0] if ended else None,
        was_disrupted=disrupted or status.reason in ("Evicted", "NodeShutdown", "Preempting", "Shutdown"),
    )
