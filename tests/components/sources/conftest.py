"""An S3 store on loopback, buckets of one's own, and waits that tests need not sit through."""

import hashlib

import boto3
import pytest
from moto.server import ThreadedMotoServer

from components.sources import transfer
from tests.components.ingest_worlds import make_source


@pytest.fixture(scope="session")
def endpoint():
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture(autouse=True)
def settings(monkeypatch):
    """Credentials for the store, and waits that tests need not sit through."""
    for name, value in {
        "AWS_ACCESS_KEY_ID": "key-of-the-test",
        "AWS_SECRET_ACCESS_KEY": "secret-of-the-test",
        "AWS_DEFAULT_REGION": "us-east-1",
    }.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(transfer, "FIRST_WAIT", 0.001)
    monkeypatch.setattr(transfer, "LONGEST_WAIT", 0.01)


@pytest.fixture
def client(endpoint):
    made = boto3.client("s3", endpoint_url=endpoint)
    yield made
    made.close()


@pytest.fixture
def bucket(client, request):
    name = f"b{hashlib.md5(request.node.name.encode()).hexdigest()[:20]}"
    client.create_bucket(Bucket=name)
    client.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})
    return name


@pytest.fixture
def plain(client, request):
    """A bucket that keeps no versions."""
    name = f"p{hashlib.md5(request.node.name.encode()).hexdigest()[:20]}"
    client.create_bucket(Bucket=name)
    return name


@pytest.fixture
def source(tmp_path):
    (tmp_path / "source").mkdir()
    make_source(tmp_path / "source")
    return tmp_path / "source"
