"""Objects put into a bucket, and transfers from it that go wrong."""

import threading

from components.sources import open_source, s3
from tests.components.ingest_worlds import contents


def upload(client, bucket, folder, prefix="data"):
    for path, data in contents(folder).items():
        client.put_object(Bucket=bucket, Key=f"{prefix}/{path}", Body=data)


def opened(bucket, endpoint, cache, **more):
    return open_source(f"s3://{bucket}/data", cache, endpoint_url=endpoint, workers=4, **more)


def spoil(monkeypatch, damage, times):
    """The first transfers' bytes go through `damage`; gives the ranges that were asked for."""
    asked, left, lock = [], [times], threading.Lock()
    usual = s3.S3Source._object

    def spoiled(self, operation, path, stamp, **more):
        answer = usual(self, operation, path, stamp, **more)
        if operation == "get_object":
            with lock:
                asked.append(more.get("Range"))
                spoiling, left[0] = left[0] > 0, left[0] - 1
            if spoiling:
                answer["Body"] = damage(answer["Body"])
        return answer

    monkeypatch.setattr(s3.S3Source, "_object", spoiled)
    return asked


class Body:
    def __init__(self, data=None):
        self.data = data

    def read(self):
        if self.data is None:
            raise ConnectionResetError("gone")
        return self.data

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass


def flipped(body):
    data = bytearray(body.read())
    data[len(data) // 2] ^= 1
    return Body(bytes(data))


DAMAGE = {"flipped": flipped, "short": lambda body: Body(body.read()[:-1]), "broken off": lambda body: Body()}
