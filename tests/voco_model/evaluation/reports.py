"""A report of made-up results that is as full as one can be: many benchmarks, many layers, hostile texts."""

from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from PIL import Image

from voco_model.evaluation.gallery import Card, data_uri
from voco_model.evaluation.items import Shares
from voco_model.evaluation.looks import Layer, Looked, Looks, shade
from voco_model.evaluation.outcome import ITEMS, LOWER, UPPER, Outcome, Row
from voco_model.evaluation.probing import Probed
from voco_model.evaluation.readable import Readable
from voco_model.evaluation.statistics import Interval, interval
from voco_model.evaluation.summary import summarise

HOSTILE = "<script>document.title = 'taken'</script><img src=http://example.com/a.png> </style> \"'><b>"
"""A question as an annotator might write it, or somebody who means harm."""
LONG = "Pneumonoultramicroscopicsilicovolcanoconiosis" * 3
TITLES = {
    "gqa": "GQA", "mmbench": "MMBench", "mme": "MME", "pope": "POPE", "seed_bench": "SEED-Bench",
    "scienceqa": "ScienceQA", "vqav2": "VQAv2", "textvqa": "TextVQA", "msvd_qa": "MSVD-QA",
}  # fmt: skip
MADE = datetime(2031, 5, 6, 7, 8, tzinfo=UTC)
LAYERS, SIDE = 32, 24


def picture(seed: int, size: tuple[int, int] = (200, 150)) -> Image.Image:
    noise = np.random.default_rng(seed).integers(0, 255, (size[1], size[0], 3), dtype=np.uint8)
    return Image.fromarray(noise)


def shares(seed: int, right: float) -> Shares:
    marks = (np.random.default_rng(seed).random((60, 1)) < right).astype(float)
    return Shares(marks, np.ones((60, 1)), [f"p{k // 2}" for k in range(60)], 100.0)


def outcome(name: str, numbers: tuple[int, ...]) -> Outcome:
    parts = [("voco", n, 0.5 + 0.03 * k) for k, n in enumerate(numbers)] + [(UPPER, None, 0.9), (LOWER, None, 0.2)]
    rows = []
    for k, (row, n, right) in enumerate(parts):
        own = shares(len(name) + k, right)
        rows.append(Row(row, n, interval(own), {"accuracy": float(own.numerators.mean())}, own))
    about = {"model": "a1" * 32, "upper": "b2" * 32, "read": 60, "limit": 60, "asking": {"batch": 32, "frames": 8}}
    return Outcome(name, TITLES[name], "accuracy", rows, about, [f"judged by {HOSTILE}"])


def items(one: Outcome, kinds: list[str]) -> list[dict]:
    return [
        {"reading": row.name, "kind": kinds[k % len(kinds)], "category": "", "group": cluster, "counts": True}
        | {"score": float(mark[0])}
        for row in one.rows
        for k, (cluster, mark) in enumerate(zip(row.shares.clusters, row.shares.numerators, strict=True))
    ]


def looks(title: str, number: int, n_voco: int) -> Looks:
    chance = torch.Generator().manual_seed(number)
    shades = [shade(torch.rand(SIDE * SIDE, generator=chance) ** 4) for _ in range(LAYERS)]
    layers = [Layer(round(100 / (k + 1), 1), one) for k, one in enumerate(shades)]
    seen = Looked(
        f"{title}? {HOSTILE}", data_uri([picture(number)]), layers, 1, shades[:8] if n_voco > 1 else shades[:1]
    )
    frames = [picture(number + k, (96, 72)) for k in range(3)]
    why = "What is this, and why is it there?"
    cards = [
        Card(why if k else HOSTILE, "attribute recognition", LONG, "", HOSTILE, 0.3 * k % 1, bool(k % 2), shown)
        for k, shown in enumerate([data_uri(frames), *(data_uri([picture(k)]) for k in range(1, 6))])
    ]
    probed = Probed(Interval(64.2, 58.1, 71.0), 48.0, 50.0, 596, 76)
    read = [Readable("", 1, probed), Readable("", 8, probed), Readable(HOSTILE, 8, probed)]
    shape = {"parameters": "7,063,427,072", "pictures": "336 × 336 pixels, 576 patches, pad"}
    identity = {"model": "a1" * 32, "shape": shape, "versions": {"torch": "2.13.0"}, "device": "cpu"}
    return Looks(f"voco_{n_voco}", cards, [seen], read, identity | {"questions": {title: "c3" * 32}})


def report(folder: Path, names: list[str], numbers: tuple[int, ...] = (1, 2, 4, 8, 128)) -> Path:
    """`report.html` of these benchmarks."""
    outcomes, folders = [], []
    for number, name in enumerate(names):
        one, place = outcome(name, numbers), folder / name
        place.mkdir(parents=True)
        one.write(place)
        looks(one.title, number, numbers[-1]).write(place)
        lines = items(one, ["Instance Interaction", f"{LONG} {HOSTILE}", "count"])
        pq.write_table(pa.Table.from_pylist(lines), place / ITEMS)
        outcomes.append(one)
        folders.append(place)
    summarise(outcomes, folders, folder / "tables", made=MADE)
    return folder / "tables/report.html"
