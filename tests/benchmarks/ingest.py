"""Ingest measured: against boto3 alone, against Pillow alone, and a manifest of 558,000 records.

`python -m tests.benchmarks.ingest`; rates are ratios of interleaved runs, memory is that of a process of its own.
"""

import argparse
import io
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import boto3
import numpy as np
from botocore.config import Config
from PIL import Image

from components.ingest import IngestConfig, ingest
from tests.benchmarks.measure import PeakMemory, interleaved, medians, ratio
from voco_model.data.media import inspect_media

WORKERS = 8
ALL = 558_000


def photograph(seed: int, width: int = 640, height: int = 480) -> bytes:
    """A JPEG that costs about as much to decode as a photograph."""
    made = np.random.default_rng(seed)
    rough = Image.fromarray(made.integers(0, 255, (30, 40, 3), dtype=np.uint8)).resize((width, height))
    noise = made.normal(0, 12, (height, width, 1))
    buffer = io.BytesIO()
    Image.fromarray((np.asarray(rough) + noise).clip(0, 255).astype(np.uint8)).save(buffer, "JPEG", quality=85)
    return buffer.getvalue()


def records(n: int) -> list[dict]:
    turns = [{"from": "human", "value": "<image>\nWhat is it?"}]
    return [
        {
            "id": f"{i:09d}",
            "image": f"{i // 1000:05d}/{i:09d}.jpg",
            "conversations": [*turns, {"from": "gpt", "value": f"the thing that is number {i} of many things"}],
        }
        for i in range(n)
    ]


def decoding(n: int, repeats: int) -> list[dict]:
    pictures = [photograph(seed) for seed in range(n)]

    def alone() -> None:
        for data in pictures:
            Image.open(io.BytesIO(data)).load()

    times = interleaved(
        {"ours": lambda: [inspect_media(data, "image") for data in pictures], "pillow": alone}, repeats
    )
    rates = {name: n / seconds for name, seconds in medians(times).items()}
    return [
        row("pictures per second and core, over Pillow alone", ratio(times, "pillow", "ours"), ">=", 0.8, rates)
    ]


@contextmanager
def store() -> Iterator[str]:
    """An S3 store in a process of its own."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        for _ in range(300):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.1)
        yield f"http://127.0.0.1:{port}"
    finally:
        server.terminate()
        server.wait(20)


def from_s3(n: int, repeats: int, folder: Path) -> list[dict]:
    os.environ |= {"AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "x", "AWS_DEFAULT_REGION": "us-east-1"}
    items = records(n)
    with store() as endpoint:

        def made() -> Any:
            return boto3.client("s3", endpoint_url=endpoint, config=Config(max_pool_connections=WORKERS))

        client = made()
        client.create_bucket(Bucket="bench")
        client.put_object(Bucket="bench", Key="chat.json", Body=json.dumps(items).encode())
        for i, item in enumerate(items):
            client.put_object(Bucket="bench", Key=f"images/{item['image']}", Body=photograph(i))
        keys = ["chat.json", *(f"images/{item['image']}" for item in items)]

        def plain() -> None:
            with tempfile.TemporaryDirectory(dir=folder) as into, ThreadPoolExecutor(WORKERS) as pool:
                client = made()  # as an ingest makes its own
                names = [(key, str(Path(into, key.replace("/", "-")))) for key in keys]
                list(pool.map(lambda name: client.download_file("bench", *name), names))

        def ours(decode: bool) -> None:
            out = folder / "out"
            ingest(
                IngestConfig(
                    name="bench",
                    kind="llava_pretrain",
                    source="s3://bench",
                    annotations="chat.json",
                    media="images",
                    out=out,
                    endpoint_url=endpoint,
                    workers=WORKERS,
                    decode=decode,
                )
            )
            shutil.rmtree(out)

        works = {"boto3": plain, "ours": lambda: ours(True), "ours, not decoded": lambda: ours(False)}
        times = interleaved(works, repeats)
    figures = medians(times)
    name = "ingest from S3 on loopback, rate over boto3's"
    return [
        row(name, ratio(times, "boto3", "ours"), ">=", 0.8, figures),
        row(f"{name}, pictures not decoded", ratio(times, "boto3", "ours, not decoded"), ">=", 0.8, figures),
    ]


def manifest(n: int, folder: Path) -> list[dict]:
    """In a process of its own; pictures are a hundred files under many names, so that the disk does not fill."""
    items = records(n)
    originals = [folder / f"{seed}.jpg" for seed in range(100)]
    for seed, original in enumerate(originals):
        original.write_bytes(photograph(seed, 64, 48))
    for i, item in enumerate(items):
        path = folder / "images" / item["image"]
        if i % 1000 == 0:
            path.parent.mkdir(parents=True)
        os.link(originals[i % 100], path)
    (folder / "chat.json").write_text(json.dumps(items))
    command = [sys.executable, "-m", "tests.benchmarks.ingest", "--child", str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=1200)
    seconds, memory = map(float, done.stdout.split()[-2:])
    figures = {"records": n, "seconds": seconds, "bytes": memory}
    scaled = {"median": seconds * ALL / n, "low": seconds * ALL / n, "high": seconds * ALL / n}
    peak = {"median": memory / 2**30, "low": memory / 2**30, "high": memory / 2**30}
    return [
        row(f"manifest of {ALL} records, not decoded: seconds (from {n})", scaled, "<=", 90, figures),
        row(f"manifest of {n} records: GiB over an idle process", peak, "<=", 2, figures),
    ]


def child(folder: Path) -> None:
    """The manifest's process: seconds and bytes."""
    config = IngestConfig(
        name="bench",
        kind="llava_pretrain",
        source=str(folder),
        annotations="chat.json",
        media="images",
        out=folder / "out",
        workers=2,
        decode=False,
        shards=False,
    )
    with PeakMemory() as peak:
        start = time.perf_counter()
        ingest(config)
        seconds = time.perf_counter() - start
    print(seconds, peak.bytes)


def row(name: str, value: dict[str, float], comparison: str, goal: float, figures: dict[str, float]) -> dict:
    met = value["median"] >= goal if comparison == ">=" else value["median"] <= goal
    return {"name": name, **value, "goal": f"{comparison} {goal}", "met": met, "figures": figures}


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--pictures", type=int, default=200)
    parser.add_argument("--records", type=int, default=ALL)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--out", type=Path, metavar="FOLDER", help="write the table as JSON there")
    parser.add_argument("--child", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        child(options.child)
        return
    rows = decoding(options.pictures, options.repeats)
    for measured in (
        lambda folder: from_s3(options.pictures, options.repeats, folder),
        lambda folder: manifest(options.records, folder),
    ):
        with tempfile.TemporaryDirectory() as folder:
            rows += measured(Path(folder))
    for one in rows:
        spread = f"({one['low']:.2f} to {one['high']:.2f})"
        print(
            f"{one['name']}: {one['median']:.2f} {spread}, goal {one['goal']}, {'met' if one['met'] else 'MISSED'}"
        )
        print("    " + ", ".join(f"{name} {figure:.4g}" for name, figure in one["figures"].items()))
    if options.out:
        options.out.mkdir(parents=True, exist_ok=True)
        (options.out / "ingest.json").write_text(json.dumps(rows, indent=1) + "\n")


if __name__ == "__main__":
    main()
