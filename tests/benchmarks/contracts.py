"""Time and memory of a contract over a large manifest, pictures not decoded.

python -m tests.benchmarks.contracts
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from voco_model.data.manifest import SCHEMA

WORDS = ["a", "red", "small", "large", "round", "cup", "table", "dog", "street", "beside", "under", "people"]
BATCH = 50_000
CODE = """
import json, sys
from components.validate import ValidateConfig, validate
print("passed" if validate(ValidateConfig.from_mapping(json.loads(sys.argv[1]))).passed else "failed")
"""


def write_manifest(path: Path, records: int, seed: int = 0) -> None:
    """Caption records with random words, digests and hashes; one in fifty looks like the one before it."""
    random = np.random.default_rng(seed)
    with pq.ParquetWriter(path, SCHEMA) as writer:
        for start in range(0, records, BATCH):
            writer.write_table(_rows(random, start, min(BATCH, records - start)))


def _rows(random: np.random.Generator, start: int, count: int) -> pa.Table:
    hashes = random.integers(0, 2**64, count, dtype=np.uint64)
    alike = np.flatnonzero(random.random(count - 1) < 0.02) + 1
    hashes[alike] = hashes[alike - 1] ^ np.uint64(5)
    captions = [" ".join(random.choice(WORDS, n)) for n in random.integers(6, 16, count)]
    turns = [
        [{"from": "human", "value": "<image>\nDescribe the picture."}, {"from": "gpt", "value": caption}]
        for caption in captions
    ]
    columns = {
        "id": [f"{start + i:09d}" for i in range(count)],
        "digest": [random.bytes(32).hex() for _ in range(count)],
        "bytes": np.full(count, 20_000),
        "width": [None] * count,
        "height": [None] * count,
        "duration": [None] * count,
        "frames": [None] * count,
        "turns": np.full(count, 2),
        "text_length": [sum(len(turn["value"]) for turn in said) for said in turns],
        "source": ["llava_pretrain"] * count,
        "split": ["train"] * count,
        "file": ["captions.json"] * count,
        "line": np.arange(start, start + count) + 1,
        "media_kind": ["image"] * count,
        "media": [f"{i // 1000:05d}/{i:09d}.jpg" for i in range(start, start + count)],
        "perceptual_hash": [f"{value:016x}" for value in hashes],
        "conversation": [json.dumps(said) for said in turns],
        "shard": [None] * count,
    }
    return pa.table({name: pa.array(columns[name], SCHEMA.field(name).type) for name in SCHEMA.names}, SCHEMA)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--records", type=int, default=558_000)
    parser.add_argument("--benchmark-images", type=int, default=20_000)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_manifest(folder / "data.parquet", options.records)
        write_manifest(folder / "previous.parquet", options.records, seed=1)
        write_manifest(folder / "tested.parquet", options.benchmark_images, seed=2)
        config = {
            "data": str(folder / "data.parquet"),
            "contract": "llava_pretrain",
            "out": str(folder / "out"),
            "previous": str(folder / "previous.parquet"),
            "benchmarks": [str(folder / "tested.parquet")],
        }
        began = time.perf_counter()
        subprocess.run([sys.executable, "-c", CODE, json.dumps(config)], check=True)
        seconds = time.perf_counter() - began
    memory = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 2**20
    figures = {"records": options.records, "seconds": round(seconds, 1), "gigabytes": round(memory, 2)}
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
