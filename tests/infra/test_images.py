"""The project's own image in real containers: without rights, on a file system that cannot be written."""

import json
import time

import pytest

from tests.servers.image import IMAGE, build_image, project_copy

pytestmark = pytest.mark.integration
CLOSED = ("--read-only", "--tmpfs", "/tmp", "--network", "none", "--cap-drop", "ALL", "--pids-limit", "512")
SECONDS_OF_A_CODE_CHANGE = 120
"""Against the many minutes of the packages' layer; mostly compiling, and more on a busy machine."""


@pytest.fixture(scope="module")
def inside(docker_engine, project_image):
    """One command in a new container; what it printed."""

    def call(*command: str, options: tuple[str, ...] = ()) -> str:
        return docker_engine.call(
            "run",
            "--rm",
            "--security-opt",
            "no-new-privileges",
            *CLOSED,
            *options,
            project_image,
            *command,
            seconds=300,
        )

    return call


def test_the_command_is_on_the_path(inside):
    assert "usage: voco" in inside("voco", "--help")


def test_the_method_runs_from_the_image_alone(inside):
    said = inside("voco", "demo", "--out", "/tmp/demo")
    assert "cache" in said


def test_steps_find_kfp_mlflow_and_the_project(inside):
    code = "import os, kfp, mlflow, voco_model, components.validate, psycopg; print(os.getuid(), kfp.__version__)"
    assert inside("python3", "-c", code).split() == ["10001", "2.17.0"]


def test_any_other_user_may_run_it(inside):
    """Clusters that give each namespace its own range of users do so."""
    assert (
        inside("python3", "-c", "import os, torch; print(os.getuid())", options=("--user", "4321:0")) == "4321\n"
    )


def test_nothing_can_be_written_but_below_tmp(docker_engine, project_image, inside):
    assert inside("sh", "-c", "touch /tmp/here && echo yes") == "yes\n"
    for place in ("/opt/voco/x", "/usr/x", "/root/x"):
        assert docker_engine.attempt("run", "--rm", *CLOSED, project_image, "touch", place).returncode != 0


def test_no_installer_and_no_compiler_is_in_the_environment(inside):
    held = inside("sh", "-c", "ls /opt /opt/voco/bin; command -v gcc cc make uv || true").split()
    assert "voco" in held
    tools = {"uv", "pip", "pip3", "gcc", "cc", "make"} & {name.rpartition("/")[2] for name in held}
    assert not tools


def test_the_image_says_what_it_holds(inside):
    bill = json.loads(inside("cat", "/opt/voco/sbom.cdx.json"))
    purls = {component["purl"].split("@")[0] for component in bill["components"]}
    assert {"pkg:pypi/voco-pipeline", "pkg:pypi/torch", "pkg:pypi/kfp", "pkg:deb/debian/libc6"} <= purls


def test_a_change_of_code_leaves_the_packages_alone(docker_engine, project_image, base_image):
    layers = "{{json .RootFS.Layers}}"
    with project_copy() as context:
        with (context / "voco_model/__init__.py").open("a") as source:
            source.write("\nCHANGED = True\n")
        began = time.monotonic()
        build_image(docker_engine, context, base_image, tag="voco-pipeline:changed")
        took = time.monotonic() - began
    before = json.loads(docker_engine.call("inspect", "--format", layers, IMAGE))
    after = json.loads(docker_engine.call("inspect", "--format", layers, "voco-pipeline:changed"))
    assert before[:-1] == after[:-1], "only the last layer, the project's own, is another"
    assert before[-1] != after[-1]
    assert took < SECONDS_OF_A_CODE_CHANGE
