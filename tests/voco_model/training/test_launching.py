"""torchrun's command lines: one node, a hostfile, Kubeflow Trainer's variables; and what does not agree."""

from pathlib import Path

import pytest

from voco_model.errors import VocoError
from voco_model.training import launching
from voco_model.training.launching import Place, find_place, run_ranks, torchrun_arguments
from voco_model.training.preemption import PREEMPTED
from voco_model.training.recipe import Device

RECIPE = Path("recipe.yaml")
FOUR_BY_EIGHT = Device(nodes=4, gpus_per_node=8)
KUBEFLOW = {
    "PET_NNODES": "4",
    "PET_NPROC_PER_NODE": "8",
    "PET_NODE_RANK": "2",
    "PET_MASTER_ADDR": "job-node-0-0.job",
    "PET_MASTER_PORT": "29400",
}


def command(place: Place) -> str:
    return " ".join(torchrun_arguments(place, RECIPE))


def refused(device: Device, **kwargs) -> str:
    with pytest.raises(VocoError) as caught:
        find_place(device, **{"environment": {}} | kwargs)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.fixture
def hostfile(tmp_path):
    path = tmp_path / "hosts"
    path.write_text("# the pool\nnode-0 slots=8\nnode-1.pool.local slots=8  # new\n\nnode-2\n10.0.0.4 slots=8\n")
    return path


def test_one_node():
    place = find_place(Device(gpus_per_node=8), environment={})
    assert command(place) == "--nnodes=1 --nproc-per-node=8 --standalone -m voco_model.training recipe.yaml"


@pytest.mark.parametrize(
    ("name", "rank"), [("node-0", 0), ("node-1", 1), ("node-2.pool.local", 2), ("10.0.0.4", 3)]
)
def test_a_hostfile_says_which_node_this_is(hostfile, name, rank):
    place = find_place(FOUR_BY_EIGHT, hostfile, {}, name)
    assert command(place) == (
        f"--nnodes=4 --nproc-per-node=8 --node-rank={rank} --master-addr=node-0 --master-port=29500"
        " -m voco_model.training recipe.yaml"
    )


def test_kubeflow_trainer_says_which_node_this_is():
    expected = (
        "--nnodes=4 --nproc-per-node=8 --node-rank=2 --master-addr=job-node-0-0.job --master-port=29400"
        " -m voco_model.training recipe.yaml"
    )
    assert command(find_place(FOUR_BY_EIGHT, environment=KUBEFLOW)) == expected
    assert command(find_place(FOUR_BY_EIGHT, environment=KUBEFLOW | {"PET_NPROC_PER_NODE": "auto"})) == expected


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"PET_NNODES": "2"}, "PET_NNODES is 2, device.nodes is 4; --set device.nodes=2"),
        ({"PET_NPROC_PER_NODE": "4"}, "PET_NPROC_PER_NODE is 4, device.gpus_per_node is 8"),
        ({"PET_NODE_RANK": "4"}, "PET_NODE_RANK is 4 of 4 nodes"),
        ({"PET_NODE_RANK": "-1"}, "PET_NODE_RANK is '-1'; it must be a whole number from 0"),
        ({"PET_MASTER_PORT": "http"}, "PET_MASTER_PORT is 'http'"),
        ({"PET_MASTER_ADDR": "", "PET_MASTER_PORT": ""}, "PET_MASTER_ADDR, PET_MASTER_PORT not set"),
    ],
)
def test_variables_that_do_not_agree(changes, message):
    assert message in refused(FOUR_BY_EIGHT, environment=KUBEFLOW | changes)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("node-0 slots=eight\n", "line 1 is 'node-0 slots=eight'; write a host and slots=8"),
        ("node-0\nnode-0\n", "line 2 names node-0 again"),
        ("# none\n", "names no host"),
        ("node-0\nnode-1\n", "names 2 hosts, device.nodes is 4; make them agree, such as by --set device.nodes=2"),
        ("node-0\nnode-1\nnode-2 slots=4\nnode-3\n", "node-2 has slots=4, device.gpus_per_node is 8"),
        (
            "node-0\nnode-1\nnode-2\nnode-3\n",
            "does not name this machine, laptop; add it, or say which it is by --host",
        ),
    ],
)
def test_hostfiles_that_do_not_agree(hostfile, text, message):
    hostfile.write_text(text)
    assert message in refused(FOUR_BY_EIGHT, hostfile=hostfile, name="laptop")


def test_a_missing_hostfile_and_several_nodes_without_a_word_of_where(tmp_path):
    assert "cannot be read as a hostfile" in refused(FOUR_BY_EIGHT, hostfile=tmp_path / "absent")
    assert "nothing says where the others are" in refused(FOUR_BY_EIGHT)


@pytest.mark.integration
@pytest.mark.parametrize("code", [0, 1, PREEMPTED])
def test_the_processes_exit_status_is_passed_on(code, tmp_path, monkeypatch):
    (tmp_path / "ends.py").write_text(
        "import os, sys\n"
        "assert os.environ['WORLD_SIZE'] == '2'\n"
        "sys.exit(int(open(sys.argv[1]).read()))\n"
    )  # fmt: skip
    (tmp_path / "code").write_text(str(code))
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setattr(launching, "MODULE", "ends")
    assert run_ranks(torchrun_arguments(Place(1, 2), tmp_path / "code")) == code
