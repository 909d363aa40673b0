"""Starting a recipe by torchrun: on one node, by a hostfile, or as Kubeflow Trainer's variables say."""

import logging
import os
import re
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from voco_model.errors import VocoError
from voco_model.training.preemption import PREEMPTED
from voco_model.training.recipe import Device

PORT = 29500
"""Where the nodes meet, unless something else is said."""
VARIABLES = ("PET_NNODES", "PET_NPROC_PER_NODE", "PET_NODE_RANK", "PET_MASTER_ADDR", "PET_MASTER_PORT")
"""What Kubeflow Trainer tells a node's torchrun."""
COUNTED_THERE = ("auto", "gpu", "cpu")
"""Values of PET_NPROC_PER_NODE that leave the number to the node."""
MODULE = "voco_model.training"
HOST = re.compile(r"(?P<host>[\w.:-]+)(?:\s+slots=(?P<slots>\d+))?\s*(?:#.*)?")


@dataclass(frozen=True)
class Place:
    """This node among the nodes of a run."""

    nodes: int
    processes: int
    """Of this node."""
    rank: int = 0
    """The node's number."""
    master: str = "localhost"
    port: int = PORT


def torchrun_arguments(place: Place, recipe: Path) -> list[str]:
    """What follows `torchrun` on this node's command line."""
    if place.nodes == 1:
        meeting = ["--standalone"]  # a free port of this machine
    else:
        meeting = [f"--node-rank={place.rank}", f"--master-addr={place.master}", f"--master-port={place.port}"]
    return [
        f"--nnodes={place.nodes}",
        f"--nproc-per-node={place.processes}",
        *meeting,
        "-m",
        MODULE,
        str(recipe),
    ]


def find_place(
    device: Device,
    hostfile: Path | None = None,
    environment: Mapping[str, str] = os.environ,
    name: str | None = None,
) -> Place:
    """Where this node stands, held against the recipe's device.

    name: what this machine is called in the hostfile; by default its host name.
    """
    if hostfile is not None:
        return _by_hostfile(device, hostfile, name or socket.gethostname())
    if any(variable in environment for variable in VARIABLES):
        return _by_variables(device, environment)
    if device.nodes > 1:
        raise VocoError(
            f"device.nodes is {device.nodes}, but nothing says where the others are: give --hostfile FILE on each,"
            f" run it under Kubeflow Trainer ({VARIABLES[0]}, ...), or --set device.nodes=1"
        )
    return Place(1, device.gpus_per_node)


def read_hostfile(path: Path) -> dict[str, int | None]:
    """Hosts in order, the first of which is the master, with their slots."""
    try:
        lines = path.read_text("utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise VocoError(f"{path}: cannot be read as a hostfile ({error})") from None
    hosts: dict[str, int | None] = {}
    for number, line in enumerate(map(str.strip, lines), 1):
        if not line or line.startswith("#"):
            continue
        match = HOST.fullmatch(line)
        if match is None:
            raise VocoError(f"{path}: line {number} is {line!r}; write a host and slots=8")
        if match["host"] in hosts:
            raise VocoError(f"{path}: line {number} names {match['host']} again; name each host once")
        hosts[match["host"]] = int(match["slots"]) if match["slots"] else None
    if not hosts:
        raise VocoError(f"{path}: names no host; write one a line, such as `node-0 slots=8`")
    return hosts


def _by_hostfile(device: Device, path: Path, name: str) -> Place:
    hosts = read_hostfile(path)
    if len(hosts) != device.nodes:
        raise VocoError(
            f"{path}: names {len(hosts)} hosts, device.nodes is {device.nodes}; make them agree,"
            f" such as by --set device.nodes={len(hosts)}"
        )
    for host, slots in hosts.items():
        if slots is not None and slots != device.gpus_per_node:
            raise VocoError(
                f"{path}: {host} has slots={slots}, device.gpus_per_node is {device.gpus_per_node};"
                " make them agree"
            )
    own = [n for n, host in enumerate(hosts) if name in (host, host.split(".")[0]) or name.split(".")[0] == host]
    if not own:
        raise VocoError(
            f"{path}: does not name this machine, {name}; add it, or say which it is by --host NAME"
            f" ({', '.join(hosts)})"
        )
    return Place(len(hosts), device.gpus_per_node, own[0], next(iter(hosts)))


def _by_variables(device: Device, environment: Mapping[str, str]) -> Place:
    if missing := [variable for variable in VARIABLES if not environment.get(variable)]:
        raise VocoError(f"{', '.join(missing)} not set, beside others of Kubeflow Trainer's; set all or none")
    processes = environment["PET_NPROC_PER_NODE"]
    place = Place(
        nodes=_number(environment, "PET_NNODES", 1),
        processes=device.gpus_per_node
        if processes in COUNTED_THERE
        else _number(environment, "PET_NPROC_PER_NODE", 1),
        rank=_number(environment, "PET_NODE_RANK", 0),
        master=environment["PET_MASTER_ADDR"],
        port=_number(environment, "PET_MASTER_PORT", 1),
    )
    for variable, found, key, wanted in (
        ("PET_NNODES", place.nodes, "device.nodes", device.nodes),
        ("PET_NPROC_PER_NODE", place.processes, "device.gpus_per_node", device.gpus_per_node),
    ):
        if found != wanted:
            raise VocoError(f"{variable} is {found}, {key} is {wanted}; --set {key}={found}, or ask for {wanted}")
    if place.rank >= place.nodes:
        raise VocoError(f"PET_NODE_RANK is {place.rank} of {place.nodes} nodes; ranks count from 0")
    return place


def _number(environment: Mapping[str, str], variable: str, least: int) -> int:
    text = environment[variable]
    if not text.isdecimal() or int(text) < least:
        raise VocoError(f"{variable} is {text!r}; it must be a whole number from {least}")
    return int(text)


def run_ranks(arguments: list[str]) -> int:
    """Start this node's processes and wait; the exit status of the first that failed, or 0.

    torchrun itself would end with 1 whatever its processes said; a run that was preempted shall be told apart.
    """
    from torch.distributed.elastic.multiprocessing.api import SignalException
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
    from torch.distributed.run import parse_args, run

    logging.getLogger("torch.distributed.elastic").setLevel(logging.CRITICAL)  # the ranks say what was wrong
    os.environ.setdefault("OMP_NUM_THREADS", str(max(1, (os.cpu_count() or 1) // _processes(arguments))))
    try:
        run(parse_args(arguments))
    except ChildFailedError as error:
        return int(error.get_first_failure()[1].exitcode)
    except SignalException:  # passed on to the ranks, which saved what they had
        return PREEMPTED
    return 0


def _processes(arguments: list[str]) -> int:
    return next(int(a.partition("=")[2]) for a in arguments if a.startswith("--nproc-per-node="))
