"""Training runs that can be killed: processes forked from one that has imported everything, so each starts soon.

    python -m tests.voco_model.training.forked

reads orders as lines of JSON and answers with process ids, then with exit statuses.
"""

import json
import os
import random
import resource
import select
import signal
import socket
import subprocess
import sys
from contextlib import contextmanager, suppress
from pathlib import Path

import numpy as np
import torch
import yaml

from tests.voco_model.data.small_sets import Item, png, write

ROOT = Path(__file__).parents[3]
PATIENCE = 120
"""Seconds in which a run must end."""


def data_set(folder: Path, n: int = 26) -> Path:
    """Pictures with questions, and one text in five records; not a whole number of batches of 4."""
    items = [Item("text" if k % 5 == 4 else "image", None if k % 5 == 4 else png(k)) for k in range(n)]
    for k, item in enumerate(items):
        item.answer = "yes, it is" * (1 + k % 3)
    return write(folder, items)


def recipe(out: Path, data: Path, **changed) -> dict:
    """A run of a few seconds that goes over its data more than once; keys like `data__workers` reach inside."""
    given = {
        "stage": "instruct",
        "out": str(out),
        "steps": 24,
        "start": {"preset": "tiny"},
        "data": {"folders": [str(data)], "batch_size": 4, "workers": 0},
        "optimiser": {"lr": 1e-3, "weight_decay": 0.01},
        "saving": {"every": 2, "report_every": 1},
    }
    for key, value in changed.items():
        *outer, last = key.split("__")
        inner = given
        for name in outer:
            inner = inner.setdefault(name, {})
        inner[last] = value
    return given


class Runs:
    """The side of the tests: starts runs, and waits for them."""

    def __init__(self) -> None:
        self.running: list[int] = []
        self.server = subprocess.Popen(
            [sys.executable, "-m", "tests.voco_model.training.forked"],
            cwd=ROOT,
            env=os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def start(self, given: dict, ranks: int = 1, **order) -> list[int]:
        """Process ids, one for each rank. dropout: whether the model draws random numbers as it runs.

        file_limit: the most bytes of a file. until: the step after which nothing more is done until a signal.
        builds_slowly: the same before there is a model.
        """
        self._end()
        given.setdefault("device", {})["gpus_per_node"] = ranks
        path = Path(given["out"]).with_suffix(".recipe.yaml")
        path.write_text(yaml.safe_dump(given))
        self.said = Path(given["out"]).with_suffix(".stderr")
        self.said.write_text("")
        order |= {"recipe": str(path), "ranks": ranks, "stderr": str(self.said)}
        print(json.dumps(order), file=self.server.stdin, flush=True)
        self.running = self._answer()
        return self.running

    def wait(self) -> list[int]:
        """Exit statuses; a signal's are negative."""
        statuses = self._answer()
        self.running = []
        return statuses

    def run(self, given: dict, ranks: int = 1, **order) -> dict:
        """What `result.json` says of a run that ends well."""
        self.start(given, ranks, **order)
        assert self.wait() == [0] * ranks, self.said.read_text()
        return result(given)

    def _answer(self) -> list[int]:
        ready, _, _ = select.select([self.server.stdout], [], [], PATIENCE)
        assert ready, f"no answer in {PATIENCE} s: {self.said.read_text()}"
        return json.loads(self.server.stdout.readline())

    def _end(self) -> None:
        """Kill what a test that failed has left running."""
        if self.running:
            for run in self.running:
                with suppress(ProcessLookupError):
                    os.kill(run, signal.SIGKILL)
            self.wait()

    def close(self) -> None:
        self._end()
        self.server.stdin.close()
        self.server.wait(PATIENCE)


def result(given: dict) -> dict:
    return json.loads((Path(given["out"]) / "result.json").read_text())


def losses(given: dict) -> list[float]:
    """Of each step, as the log tells them."""
    lines = (Path(given["out"]) / "log.jsonl").read_text().splitlines()
    return [json.loads(line)["loss"] for line in lines]


@contextmanager
def runs():
    """A server for as long as the block lasts."""
    made = Runs()
    try:
        yield made
    finally:
        made.close()


def _serve() -> None:
    from accelerate.utils import other

    # Else it imports DeepSpeed in each run, only to see that the model is none of its own.
    other.is_deepspeed_available = lambda: False
    from voco_model.training import run  # noqa: F401

    for line in sys.stdin:
        order = json.loads(line)
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        children = [_forked(order, rank, port) for rank in range(order["ranks"])]
        print(json.dumps(children), flush=True)
        statuses = [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]
        print(json.dumps(statuses), flush=True)


def _forked(order: dict, rank: int, port: int) -> int:
    child = os.fork()
    if child:
        return child
    status = 1
    try:
        os.setpgid(0, 0)
        with open(order["stderr"], "a") as said:
            os.dup2(said.fileno(), 2)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        status = _child(order, rank, port)
    finally:
        sys.stderr.flush()
        os._exit(status)


def _child(order: dict, rank: int, port: int) -> int:
    from voco_model.training.__main__ import main

    torch.set_num_threads(1)
    if order["ranks"] > 1:
        world = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": order["ranks"], "MASTER_PORT": port}
        os.environ |= {key: str(value) for key, value in world.items()}
        os.environ |= {"MASTER_ADDR": "127.0.0.1", "GLOO_SOCKET_IFNAME": "lo"}
    if limit := order.get("file_limit"):
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
    if order.get("dropout"):
        _draw_random_numbers()
    if order.get("builds_slowly"):
        _wait_before_building()
    if until := order.get("until"):
        _stop_after(until)
    sys.argv = ["training", order["recipe"]]
    try:
        return main()
    except BaseException:
        import traceback

        traceback.print_exc()
        return 1


def _draw_random_numbers() -> None:
    """Dropout, and noise from Python's and numpy's generators, in what the projector gives."""
    from voco_model.training import run

    build = run.build

    def built(given):
        made = build(given)
        made.model.projector.register_forward_hook(_noisy)
        return made

    run.build = built


def _wait_before_building() -> None:
    from voco_model.training import run

    run.build = lambda _: _wait()


def _wait() -> None:
    """Until any signal: a test knows then where it strikes."""
    signal.signal(signal.SIGUSR1, lambda *_: None)
    heard, told = os.pipe()
    os.set_blocking(told, False)
    before = signal.set_wakeup_fd(told)
    print("waits", file=sys.stderr, flush=True)
    select.select([heard], [], [])  # not pause(): the signal may be there before that begins, and then never again
    signal.set_wakeup_fd(before)


def _noisy(module, _, out):
    if not module.training:
        return out
    shift = random.gauss(0, 0.1) + float(np.random.normal(0, 0.1))
    return torch.nn.functional.dropout(out, 0.2) + shift


def _stop_after(step: int) -> None:
    from voco_model.training.trainer import VocoTrainer

    step_over = VocoTrainer.step_over

    def stepped(self, *args):
        step_over(self, *args)
        if self.state.global_step == step:
            _wait()

    VocoTrainer.step_over = stepped


if __name__ == "__main__":
    _serve()
