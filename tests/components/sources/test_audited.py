"""An audit fetches raw data from the store again, at the versions that were read."""

from components.attesting.trust import trusted_keys
from components.auditing.copies import check_output
from components.auditing.raw import check_raw
from tests.components.auditing.runs import raw_data
from tests.components.auditing.test_raw import ingested
from tests.components.sources.buckets import upload


def settings_of(tmp_path, bucket, endpoint):
    settings = raw_data(tmp_path / "raw")
    uri = f"s3://{bucket}/data"
    benchmarks = {"source": f"{uri}/benchmarks", "names": ["gqa"]}
    return settings | {"source": uri, "endpoint_url": endpoint, "benchmarks": benchmarks}


def verdicts(lineage):
    made = check_output(lineage.entry("ingest"), "data", deep=True)
    return {item.name: item.verdict for item in check_raw(lineage, trusted_keys(), made)}


def prepared(client, bucket, endpoint, tmp_path, monkeypatch):
    monkeypatch.delenv("VOCO_TRUSTED_KEYS", raising=False)
    monkeypatch.setenv("VOCO_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("VOCO_SPOOL", str(tmp_path / "spool"))
    settings = settings_of(tmp_path, bucket, endpoint)
    upload(client, bucket, tmp_path / "raw")
    return ingested(tmp_path, settings)


def test_versions_that_were_read_are_read_again(client, bucket, endpoint, tmp_path, monkeypatch):
    lineage = prepared(client, bucket, endpoint, tmp_path, monkeypatch)
    assert set(verdicts(lineage).values()) == {"right"}
    client.put_object(Bucket=bucket, Key="data/pictures/1.png", Body=b"newer")
    assert verdicts(lineage)["captions"] == "right", "the version that was read is still there"
    read = client.list_object_versions(Bucket=bucket, Prefix="data/pictures/1.png")["Versions"]
    client.delete_object(Bucket=bucket, Key="data/pictures/1.png", VersionId=read[-1]["VersionId"])
    assert verdicts(lineage)["captions"] != "right"


def test_without_versions_other_bytes_are_found(client, plain, endpoint, tmp_path, monkeypatch):
    lineage = prepared(client, plain, endpoint, tmp_path, monkeypatch)
    assert set(verdicts(lineage).values()) == {"right"}
    client.put_object(Bucket=plain, Key="data/pictures/1.png", Body=b"other")
    client.put_object(Bucket=plain, Key="data/benchmarks/gqa/questions.json", Body=b"{}")
    assert verdicts(lineage) == {"captions": "wrong", "gqa": "wrong"}


def test_a_store_that_refuses_is_no_pass(client, bucket, endpoint, tmp_path, monkeypatch):
    lineage = prepared(client, bucket, endpoint, tmp_path, monkeypatch)
    for page in client.list_object_versions(Bucket=bucket)["Versions"]:
        client.delete_object(Bucket=bucket, Key=page["Key"], VersionId=page["VersionId"])
    client.delete_bucket(Bucket=bucket)
    assert set(verdicts(lineage).values()) == {"unknown"}
