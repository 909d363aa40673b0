"""What `--check` prints: a table of what would run and whether it fits."""

import shutil
from collections.abc import Iterator

from voco_model.training.foresight import UTILISATION, Foresight
from voco_model.training.launching import Place, torchrun_arguments
from voco_model.training.memory import GB, RESERVED

WIDTH = 14


def as_table(seen: Foresight) -> str:
    """Everything in lines that are read from the top."""
    lines = [
        *_about(seen),
        *_parts(seen),
        *_batches(seen),
        *_memory(seen),
        *_disk(seen),
        *_time(seen),
        *_launch(seen),
    ]
    return "\n".join(lines)


def _line(name: str, text: str) -> str:
    return f"{name:<{WIDTH}}{text}"


def _about(seen: Foresight) -> Iterator[str]:
    recipe = seen.recipe
    yield _line("stage", f"{recipe.stage}, variant {recipe.variant}")
    yield _line("shape", seen.shape_from)
    yield _line("out", str(recipe.out))


def _parts(seen: Foresight) -> Iterator[str]:
    name = "parts"
    for part, size in seen.parts.items():
        learns = f"{_count(size.trained)} trained" if size.trained else "frozen"
        yield _line(name, f"{part:<12}{_count(size.parameters):>9}   {learns}")
        name = ""
    whole, trained = (sum(getattr(size, a) for size in seen.parts.values()) for a in ("parameters", "trained"))
    yield _line("", f"{'all':<12}{_count(whole):>9}   {_count(trained)} trained")


def _batches(seen: Foresight) -> Iterator[str]:
    recipe, batch, data = seen.recipe, seen.batch, seen.data
    device = recipe.device
    yield _line("data", data.source)
    groups = f"{data.groups:,} groups in a pass" if data.groups else "groups unknown; --set expected.groups=N"
    rows = f"{groups}, about {data.text_length} tokens of text in a row"
    yield _line("", rows + (f", {batch.pictures} frames" if recipe.stage == "continue_video" else ""))
    yield _line(
        "batch",
        f"{recipe.data.batch_size} groups = {device.nodes} nodes x {device.gpus_per_node} processes"
        f" x {batch.groups} at once x {recipe.accumulation} accumulated",
    )
    steps = f"{seen.steps:,} steps" if seen.steps else "unknown without the data, or --set steps=N"
    told = f"{recipe.epochs:g} passes = " if recipe.epochs is not None and seen.steps else ""
    yield _line("steps", f"{told}{steps}, about {seen.tokens_per_step:,} tokens in each")
    rate = recipe.optimiser
    yield _line("rate", f"{rate.lr:g}, {rate.schedule} after a warm-up of {rate.warmup:.0%}")


def _memory(seen: Foresight) -> Iterator[str]:
    device = seen.recipe.device
    how = f"{device.precision}, ZeRO {device.zero}, offload {device.offload}"
    how += ", layers computed again" if device.gradient_checkpointing else ""
    longest = f"rows of {seen.batch.text} tokens of text"
    yield _line("memory", f"of each process, at most ({how}; {longest})")
    for name, size in seen.need.gpu.items():
        yield _line("", f"{name:<24}{_bytes(size)}")
    yield _line("", f"{'together':<24}{_bytes(seen.need.total)}")
    if seen.need.host:
        yield _line("", f"{'offloaded to each node':<24}{_bytes(seen.need.host)}")
    if seen.verdict is None:
        yield _line("verdict", "no GPU is named (device.gpu), so nothing to hold it against")
    else:
        yield _line("verdict", f"{seen.verdict.says} ({RESERVED:.0%} kept back)")


def _disk(seen: Foresight) -> Iterator[str]:
    out = seen.recipe.out.absolute()
    there = next(folder for folder in (out, *out.parents) if folder.exists())
    free = shutil.disk_usage(there).free
    short = "" if free >= seen.disk else "; too little: free some, lower saving.keep, or give another out"
    yield _line(
        "disk", f"{_bytes(seen.disk).strip()} in {seen.recipe.out}; here {_bytes(free).strip()} are free{short}"
    )


def _time(seen: Foresight) -> Iterator[str]:
    yield _line("operations", f"{seen.operations_per_step / 1e12:,.3g} TFLOP in a step, nothing computed twice")
    if seen.hours is not None and seen.gpu is not None:
        count = seen.recipe.device.processes
        yield _line(
            "time", f"about {seen.hours:,.1f} h on {count} {seen.gpu.name} at {UTILISATION:.0%} of their bf16 peak"
        )


def _launch(seen: Foresight) -> Iterator[str]:
    device = seen.recipe.device
    if device.processes == 1:
        return
    place = Place(device.nodes, device.gpus_per_node, master="FIRST-HOST")
    words = " ".join(torchrun_arguments(place, seen.recipe.out / "recipe.yaml"))
    yield _line("launch", f"torchrun {words}")


def _bytes(number: float) -> str:
    return f"{number / GB:8.2f} GB" if number >= GB / 10 else f"{number / 1e6:8.2f} MB"


def _count(number: int) -> str:
    for size, unit in ((1e9, "B"), (1e6, "M"), (1e3, "k")):
        if number >= size:
            return f"{number / size:.2f} {unit}"
    return str(number)
