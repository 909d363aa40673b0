"""`make bench`: speed and memory, as ratios in one run. Prints a table and writes it as JSON.

`--preset small` on a CPU; on a GPU `--preset llava-7b-336 --device cuda --dtype bfloat16`, where the reference's
way can also run under FlexAttention (`--flex`).
"""

import argparse
import json
import platform
import subprocess
import sys
from pathlib import Path

import torch

from tests.benchmarks.measure import PeakMemory, interleaved, medians, ratio
from tests.benchmarks.subjects import Asking, Trainer
from voco_model.flops import executed, unavoidable_step


def training(options: argparse.Namespace, questions: int) -> list[dict]:
    """One optimiser step with so many questions on each image."""
    trainer = Trainer(options.preset, options.images, questions, options.device, options.torch_dtype)
    mode = "one_pass_flex" if options.flex else "one_pass"
    times = interleaved({"reference": lambda: trainer.reference(mode), "ours": trainer.ours}, options.repeats)
    flops = executed(lambda: trainer.loss_of_ours().backward())
    needed = unavoidable_step(trainer.config, trainer.batch.shape)
    name = f"training step, {questions} question{'s' * (questions > 1)} per image"
    peaks = {way: peak_of(options, way, questions) for way in ("ours", "reference")}
    speed_goal, memory_goal = (1.25, 0.7) if questions == 1 else (3.0, None)
    faster, memory = ratio(times, "reference", "ours"), alone(peaks["ours"] / peaks["reference"])
    counts = {"needed": needed, "executed": flops}
    return [
        row(f"{name}: times faster than the masked pass", faster, ">=", speed_goal, medians(times)),
        row(f"{name}: peak memory over the masked pass's", memory, "<=", memory_goal, peaks),
        row(f"{name}: operations needed over executed", alone(needed / flops), ">=", 0.9, counts),
    ]


def peak_of(options: argparse.Namespace, way: str, questions: int) -> int:
    """Peak memory of one way of training, weights, gradients and optimiser included, in a process of its own."""
    given = ["--preset", options.preset, "--images", str(options.images), "--device", options.device]
    given += ["--dtype", options.dtype] + ["--flex"] * options.flex
    command = [
        sys.executable,
        "-m",
        "tests.benchmarks.run",
        *given,
        "--peak",
        way,
        "--questions",
        str(questions),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=1200)
    return int(done.stdout.split()[-1])


def print_peak(options: argparse.Namespace) -> None:
    """The child of `peak_of`."""
    with PeakMemory() as peak:
        trainer = Trainer(options.preset, options.images, options.questions, options.device, options.torch_dtype)
        for _ in range(3):
            trainer.ours() if options.peak == "ours" else trainer.reference(
                "one_pass_flex" if options.flex else "one_pass"
            )
    print(peak.bytes)


def asking(options: argparse.Namespace) -> list[dict]:
    """A question on a cached image, to its first token and to an answer of eight."""
    subject = Asking(options.preset, options.device, options.torch_dtype)
    rows = []
    for n_tokens, name in (
        (1, "question on a cached image, to the first token"),
        (8, "the same, to an answer of 8 tokens"),
    ):
        works = {
            "cached": lambda n=n_tokens: subject.cached(n),
            "encoded anew": lambda n=n_tokens: subject.encoded_anew(n),
            "full prefix": lambda n=n_tokens: subject.full_prefix(n),
        }
        times = interleaved(works, 4 * options.repeats)
        rows.append(
            row(
                f"{name}: time over encoding anew",
                ratio(times, "cached", "encoded anew"),
                "<=",
                0.31,
                medians(times),
            )
        )
        rows.append(
            row(
                f"{name}: time over Llava's full-prefix cache",
                ratio(times, "cached", "full prefix"),
                "<",
                1.0,
                medians(times),
            )
        )
    return rows + cache_sizes(subject)


def cache_sizes(subject: Asking) -> list[dict]:
    """Bytes kept for one image; int8 is held to a 16-bit full-prefix cache."""
    full, cache, int8 = subject.prefix_bytes, subject.cache, subject.cache.quantised()
    sixteen_bit = full * 2 // cache.dtype.itemsize
    return [
        smaller("cache of one image: times smaller than the full prefix's", full, cache.nbytes, 576.0),
        smaller("int8 cache: times smaller than the full prefix's in 16 bits", sixteen_bit, int8.nbytes, 1152.0),
    ]


def smaller(name: str, full: int, ours: int, goal: float) -> dict:
    return row(name, alone(full / ours), ">=", goal, {"full": full, "ours": ours})


def alone(value: float) -> dict[str, float]:
    return {"median": value, "low": value, "high": value}


def row(name: str, value: dict[str, float], sense: str, goal: float | None, detail: dict) -> dict:
    reached = None
    if goal is not None:
        reached = {">=": value["median"] >= goal, "<=": value["median"] <= goal, "<": value["median"] < goal}[
            sense
        ]
    return {
        "name": name,
        **value,
        "goal": f"{sense} {goal:g}" if goal is not None else "",
        "reached": reached,
        "detail": detail,
    }


def table(rows: list[dict]) -> str:
    width = max(len(r["name"]) for r in rows)
    lines = [f"{'':{width}}  {'median':>9}  {'quartiles':>17}  {'goal':>8}"]
    for r in rows:
        verdict = {True: "reached", False: "MISSED", None: ""}[r["reached"]]
        spread = f"{r['low']:.3f} .. {r['high']:.3f}" if r["low"] != r["high"] else ""
        lines.append(f"{r['name']:{width}}  {r['median']:9.3f}  {spread:>17}  {r['goal']:>8}  {verdict}")
    return "\n".join(lines)


def machine(options: argparse.Namespace) -> dict:
    device = torch.cuda.get_device_name() if options.device == "cuda" else platform.machine()
    return {
        "device": device,
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
        "dtype": options.dtype,
    }


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--preset", default="small")
    parser.add_argument("--device", default="cpu", choices=("cpu", "cuda"))
    parser.add_argument("--dtype", default="float32", choices=("float32", "bfloat16"))
    parser.add_argument("--images", type=int, default=4, help="pictures in a training batch")
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--flex", action="store_true", help="the masked pass under FlexAttention (GPU)")
    parser.add_argument("--out", type=Path, default=Path("tests/benchmarks/results"))
    parser.add_argument("--peak", choices=("ours", "reference"), help=argparse.SUPPRESS)
    parser.add_argument("--questions", type=int, default=1, help=argparse.SUPPRESS)
    options = parser.parse_args()
    options.torch_dtype = getattr(torch, options.dtype)
    return options


def main() -> None:
    options = parse()
    if options.peak:
        return print_peak(options)
    rows = [*training(options, 1), *training(options, 4), *asking(options)]
    print(table(rows))
    options.out.mkdir(parents=True, exist_ok=True)
    path = options.out / f"{options.preset}-{options.device}.json"
    command = " ".join(["python -m tests.benchmarks.run", *sys.argv[1:]])
    path.write_text(json.dumps({"command": command, "machine": machine(options), "rows": rows}, indent=1) + "\n")
    print(f"written to {path}")
    return None


if __name__ == "__main__":
    main()
