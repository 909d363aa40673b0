"""What is reached over the network, where it is configured: MLflow, DVC's remote, S3, KFP, the cluster."""

import os
import sqlite3
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import urlparse

from pipelines.doctoring.finding import Finding, absent, bad, good
from voco_model.errors import VocoError

PATIENCE = 3.0
"""Seconds to wait for a connection and for an answer."""
SQLITE = "sqlite:///"


def mlflow(home: Path, environment: Mapping[str, str] = os.environ) -> Finding:
    """The database of this machine, or a server."""
    uri = environment.get("MLFLOW_TRACKING_URI") or f"{SQLITE}{home / 'mlflow.db'}"
    if uri.startswith(SQLITE):
        return _database(Path(uri.removeprefix(SQLITE)))
    if not uri.startswith(("http://", "https://")):
        return bad(f"MLFLOW_TRACKING_URI is {_shown(uri)}", "give http(s)://... or sqlite:///..., or unset it")
    import requests

    try:
        answer = requests.get(f"{uri.rstrip('/')}/health", timeout=PATIENCE)
    except requests.RequestException as error:
        return bad(
            f"{_shown(uri)}: nobody answers ({type(error).__name__})",
            "start the server or forward its port, or unset MLFLOW_TRACKING_URI",
        )
    if answer.status_code in (401, 403):
        return bad(
            f"{_shown(uri)}: answered {answer.status_code}", "export MLFLOW_TRACKING_TOKEN, or user and password"
        )
    if answer.status_code != 200:
        return bad(f"{_shown(uri)}: answered {answer.status_code}", "is that MLflow? its /health answers 200")
    return good(f"server {_shown(uri)}")


def dvc_remote(home: Path, environment: Mapping[str, str] = os.environ) -> Finding:
    """Where outputs are kept under their digests."""
    remote = environment.get("VOCO_DVC_REMOTE")
    if not remote:
        return good(f"folder {home / 'dvc-remote'} (VOCO_DVC_REMOTE is not set)")
    if remote.startswith("s3://"):
        return _bucket(remote, environment)
    folder = Path(remote)
    there = next(one for one in (folder, *folder.absolute().parents) if one.exists())
    if not os.access(there, os.W_OK):
        return bad(f"{folder}: cannot be written", "give VOCO_DVC_REMOTE another folder")
    return good(f"folder {folder}")


def s3(environment: Mapping[str, str] = os.environ) -> Finding:
    """Whether there are credentials, and somebody at the endpoint."""
    endpoint = environment.get("AWS_ENDPOINT_URL")
    named = [
        name
        for name in ("AWS_ACCESS_KEY_ID", "AWS_PROFILE", "AWS_WEB_IDENTITY_TOKEN_FILE")
        if environment.get(name)
    ]
    if not endpoint and not named:
        return absent("no credentials in the environment", "export AWS_ACCESS_KEY_ID or AWS_PROFILE to read s3://")
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        client = _s3_client(endpoint)
        client.list_buckets()
    except ClientError as error:
        code = error.response["Error"]["Code"]
        if code in (
            "AccessDenied",
            "AllAccessDisabled",
        ):  # known, but not allowed to list: a role of least privilege
            return good(f"{endpoint or 'AWS'}: known there, may not list buckets")
        return bad(f"{endpoint or 'AWS'}: {code}", "the key or secret is wrong or has expired; get new ones")
    except BotoCoreError as error:
        return bad(f"{endpoint or 'AWS'}: {type(error).__name__}", "check AWS_ENDPOINT_URL and the credentials")
    return good(endpoint or "AWS")


def kfp(environment: Mapping[str, str] = os.environ) -> Finding:
    """Kubeflow Pipelines: answers, knows us, has our namespace."""
    from pipelines.cluster.connection import Cluster, find_address

    try:
        address = find_address(environment)
    except VocoError:
        return absent("KFP_HOST is not set", "export KFP_HOST, KFP_NAMESPACE, KFP_TOKEN to submit and schedule")
    try:
        Cluster(address, connect=PATIENCE, answer=PATIENCE).check()
    except VocoError as error:
        what, _, fix = str(error).partition("; ")
        return bad(what, fix or "see the message")
    return good(f"{address.host}, namespace {address.namespace}")


def cluster(environment: Mapping[str, str] = os.environ) -> Finding:
    """Kubernetes: that TrainJobs may be made. Asked of the cluster itself, which makes none for it."""
    config = environment.get("KUBECONFIG") or str(Path.home() / ".kube/config")
    if not environment.get("KUBERNETES_SERVICE_HOST") and not any(Path(p).is_file() for p in config.split(":")):
        return absent("no kubeconfig and not in a pod", "export KUBECONFIG to train on several nodes")
    from kubernetes import client
    from urllib3.exceptions import HTTPError

    try:
        from components.train_jobs.api import Kubernetes

        namespace = Kubernetes().namespace
        wanted = client.V1ResourceAttributes(
            namespace=namespace, verb="create", group="trainer.kubeflow.org", resource="trainjobs"
        )
        review = client.V1SelfSubjectAccessReview(
            spec=client.V1SelfSubjectAccessReviewSpec(resource_attributes=wanted)
        )
        answer = client.AuthorizationV1Api().create_self_subject_access_review(
            review, _request_timeout=(PATIENCE, PATIENCE)
        )
    except VocoError as error:
        what, _, fix = str(error).partition("; ")
        return bad(what, fix or "set KUBECONFIG")
    except client.ApiException as error:
        return bad(
            f"the cluster answered {error.status}", "the account's token may have expired: get a new kubeconfig"
        )
    except HTTPError as error:
        return bad(f"the cluster does not answer ({type(error).__name__})", "is it up, and KUBECONFIG right?")
    if not answer.status.allowed:
        return bad(
            f"may not make TrainJobs in {namespace}", "kubectl apply --kustomize infra/kubernetes/overlays/..."
        )
    return good(f"may make TrainJobs in {namespace}")


def _database(path: Path) -> Finding:
    if not path.is_file():
        return good(f"{path}, made by the first run")
    try:
        with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=PATIENCE)) as database:
            (count,) = database.execute("select count(*) from runs").fetchone()
    except sqlite3.Error as error:
        return bad(f"{path}: {error}", "move it away, and the next run makes a new one")
    return good(f"{path}, {count} runs")


def _bucket(remote: str, environment: Mapping[str, str]) -> Finding:
    from botocore.exceptions import BotoCoreError, ClientError

    bucket = urlparse(remote).netloc
    try:
        _s3_client(environment.get("AWS_ENDPOINT_URL")).head_bucket(Bucket=bucket)
    except ClientError as error:
        code = error.response["Error"]["Code"]
        return bad(f"{remote}: answered {code}", "make the bucket, or get credentials that may use it")
    except BotoCoreError as error:
        return bad(f"{remote}: {type(error).__name__}", "check AWS_ENDPOINT_URL and the credentials")
    return good(remote)


def _s3_client(endpoint: str | None) -> Any:
    import boto3
    from botocore.config import Config

    bounded = Config(connect_timeout=PATIENCE, read_timeout=PATIENCE, retries={"total_max_attempts": 1})
    return boto3.client("s3", endpoint_url=endpoint, config=bounded)


def _shown(uri: str) -> str:
    """Without a password that somebody wrote into it."""
    parts = urlparse(uri)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()
