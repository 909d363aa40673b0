"""The loader's rate over that of bare loops that only decode and resize, all with the same number of workers.

    python -m tests.benchmarks.loading --records 600 --workers 2

Prints two rows as JSON. In the first, for which the goal of 0.9 is meant, the bare loop is Pillow's own; in the
second it resizes as the loader does, which is quicker, so that the row says what the loader's other work costs.
All start their workers within the time measured. A bare loop does not shuffle, tokenize or hand anything back.
"""

import argparse
import io
import json
import multiprocessing
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageOps

from tests.benchmarks.measure import interleaved, medians, ratio
from tests.voco_model.data.small_sets import Item, write
from voco_model.config import preset
from voco_model.data.grouping import BatchPolicy
from voco_model.data.loading import TrainingLoader
from voco_model.processing.pictures import open_picture, squares
from voco_model.processing.processor import VocoProcessor
from voco_model.processing.tokenizer import byte_tokenizer

SIZE = (640, 480)
QUALITY = 90


def photograph(seed: int) -> bytes:
    """A JPEG about as hard to decode as a photograph: soft shapes with some grain."""
    chance = np.random.default_rng(seed)
    shapes = Image.fromarray(chance.integers(0, 255, (12, 16, 3), dtype=np.uint8)).resize(
        SIZE, Image.Resampling.BICUBIC
    )
    grain = chance.normal(0, 6, (SIZE[1], SIZE[0], 3))
    out = io.BytesIO()
    Image.fromarray(np.clip(np.asarray(shapes) + grain, 0, 255).astype(np.uint8)).save(
        out, "JPEG", quality=QUALITY
    )
    return out.getvalue()


def decode(job: tuple[str, int]) -> None:
    """What the bare loop does to one picture."""
    path, side = job
    with Image.open(path) as picture:
        ImageOps.pad(picture.convert("RGB"), (side, side), Image.Resampling.BICUBIC)


def decode_as_here(job: tuple[str, int]) -> None:
    """The same with the loader's resizing."""
    path, side = job
    squares(open_picture(path), "pad", side, (0, 0, 0))


def bare_loop(work: Callable[[tuple[str, int]], None], files: list[Path], side: int, workers: int) -> None:
    one_thread = partial(torch.set_num_threads, 1)  # as the loader's workers have it
    with multiprocessing.get_context("fork").Pool(workers, one_thread) as pool:
        for _ in pool.imap_unordered(work, [(str(file), side) for file in files], chunksize=16):
            pass


def measure(options: argparse.Namespace, folder: Path) -> list[dict]:
    """Two rows: the ratio of the rates with its spread, and the records per second of each."""
    pictures = [photograph(n) for n in range(options.records)]
    files = [folder / f"{n}.jpg" for n in range(options.records)]
    for file, data in zip(files, pictures, strict=True):
        file.write_bytes(data)
    write(folder / "set", [Item(media=data, answer="A short caption of it.") for data in pictures], per_shard=200)
    processor = VocoProcessor.for_model(preset(options.preset), byte_tokenizer())
    policy = BatchPolicy(options.batch_size)
    loader = TrainingLoader(folder / "set", processor, policy, workers=options.workers)
    works = {
        "Pillow's loop": lambda: bare_loop(decode, files, processor.size, options.workers),
        "a loop with our resizing": lambda: bare_loop(decode_as_here, files, processor.size, options.workers),
        "loader": lambda: sum(len(batch.ids) for batch in loader),
    }
    times = interleaved(works, options.repeats)
    rates = {name: options.records / seconds for name, seconds in medians(times).items()}
    return [
        {
            "name": f"loader at {options.workers} workers: its rate over that of {loop}",
            **ratio(times, loop, "loader"),
            "goal": goal,
            "records_per_second": {name: rates[name] for name in (loop, "loader")},
        }
        for loop, goal in (("Pillow's loop", 0.9), ("a loop with our resizing", None))
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--records", type=int, default=600)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--batch-size", type=int, default=16)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--preset", default="llava-7b-336", help="whose picture size is used; no model is made")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        print(json.dumps(measure(options, Path(folder)), indent=2))


if __name__ == "__main__":
    main()
