"""Where Kubeflow Pipelines is, and its services; everything it may answer is one line that says the way out."""

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from voco_model.errors import VocoError

IN_CLUSTER_HOST = "http://ml-pipeline.kubeflow.svc.cluster.local:8888"
TOKEN_FILE = Path("/var/run/secrets/kubeflow/pipelines/token")
"""Where KFP's own projection puts a service account's token."""
NAMESPACE = "voco"
CONNECT, ANSWER = 5.0, 60.0
"""Seconds to wait for a connection and for an answer."""


@dataclass(frozen=True)
class Address:
    """Host, namespace and token."""

    host: str
    namespace: str = NAMESPACE
    token: str | None = field(default=None, repr=False)


def find_address(environment: Mapping[str, str] = os.environ, token_file: Path | None = None) -> Address:
    """By KFP_HOST, KFP_NAMESPACE, KFP_TOKEN; inside a cluster by the service account's own token."""
    path = token_file or Path(environment.get("KF_PIPELINES_SA_TOKEN_PATH") or TOKEN_FILE)
    token = environment.get("KFP_TOKEN") or (path.read_text("utf-8").strip() if path.is_file() else None)
    host = environment.get("KFP_HOST") or (IN_CLUSTER_HOST if path.is_file() else None)
    if host is None:
        raise VocoError(
            "no cluster: KFP_HOST is not set; give Kubeflow's address, such as http://localhost:8888 with"
            " `kubectl port-forward --namespace kubeflow svc/ml-pipeline 8888`, or use `voco run` on this machine"
        )
    if not host.startswith(("http://", "https://")):
        host = f"https://{host}"
    return Address(host.rstrip("/"), environment.get("KFP_NAMESPACE") or NAMESPACE, token or None)


class Cluster:
    """KFP's services at an address. `check` first: it starts nothing, and finds what is wrong."""

    def __init__(self, address: Address, connect: float = CONNECT, answer: float = ANSWER) -> None:
        import kfp_server_api
        import urllib3

        self.address = address
        self.api = kfp_server_api
        configuration = kfp_server_api.Configuration(host=address.host)
        if address.token:
            configuration.api_key["authorization"] = address.token
            configuration.api_key_prefix["authorization"] = "Bearer"
        self.client = kfp_server_api.ApiClient(configuration)
        pool = self.client.rest_client.pool_manager
        pool.connection_pool_kw["retries"] = False
        pool.request = _bounded(pool.request, urllib3.Timeout(connect=connect, read=answer))

    def check(self) -> None:
        """That somebody answers, knows us, and has the namespace."""
        with self.asking("reach Kubeflow Pipelines"):
            self.experiments.experiment_service_list_experiments(page_size=1, **self.in_namespace)

    @cached_property
    def is_multi_user(self) -> bool:
        """A KFP for one user knows no namespaces, and refuses requests that name one."""
        with self.asking("reach Kubeflow Pipelines"):
            answer = self.api.HealthzServiceApi(self.client).healthz_service_get_healthz()
            return bool(answer.multi_user)

    @property
    def in_namespace(self) -> dict[str, str]:
        """The argument that names our namespace, where there are several."""
        return {"namespace": self.address.namespace} if self.is_multi_user else {}

    @cached_property
    def experiments(self) -> Any:
        return self.api.ExperimentServiceApi(self.client)

    @cached_property
    def runs(self) -> Any:
        return self.api.RunServiceApi(self.client)

    @cached_property
    def recurring(self) -> Any:
        return self.api.RecurringRunServiceApi(self.client)

    @cached_property
    def pipelines(self) -> Any:
        return self.api.PipelineServiceApi(self.client)

    @cached_property
    def uploads(self) -> Any:
        return self.api.PipelineUploadServiceApi(self.client)

    @contextmanager
    def asking(self, purpose: str) -> Iterator[None]:
        """What may go wrong, in one line."""
        from urllib3.exceptions import HTTPError

        try:
            yield
        except self.api.ApiException as error:
            raise VocoError(self._explain(error.status, purpose, _said(error))) from None
        except (HTTPError, OSError) as error:
            reason = str(error).rpartition(": ")[2] or type(error).__name__
            raise VocoError(
                f"KFP_HOST {self.address.host}: nobody answers ({reason}); is the cluster up, the port forwarded?"
                " `voco doctor` looks further"
            ) from None

    def _explain(self, status: int | None, purpose: str, said: str) -> str:
        host, namespace = self.address.host, self.address.namespace
        if status == 401:
            what = "the token is refused, or has expired" if self.address.token else "a token is asked for"
            return f"{host}: {what}; get a new one and export it as KFP_TOKEN"
        if status == 403:
            return (
                f"{host}: the namespace {namespace} is not ours to use; set KFP_NAMESPACE to yours, or have"
                f" it shared with you ({said})"
            )
        if status == 404:
            return f"{host}: could not {purpose}: not in the namespace {namespace}; check KFP_NAMESPACE ({said})"
        return f"{host}: could not {purpose}: answered {status} ({said})"


def open_cluster() -> Cluster:
    """The cluster that the environment names, checked."""
    cluster = Cluster(find_address())
    cluster.check()
    return cluster


def _bounded(request: Callable[..., Any], bound: Any) -> Callable[..., Any]:
    """The generated client asks to wait for ever, unless every call says otherwise."""

    def bounded(*arguments: Any, timeout: Any = None, **more: Any) -> Any:
        return request(*arguments, timeout=timeout or bound, **more)

    return bounded


def _said(error: Any) -> str:
    """The server's own message, short."""
    import json

    try:
        body = json.loads(error.body)
        text = str(body.get("error_message") or body.get("message") or body.get("error"))
    except (TypeError, ValueError, AttributeError):
        text = str(error.reason)
    return " ".join(text.split())[:200]
