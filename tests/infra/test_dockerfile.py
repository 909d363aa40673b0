"""The rules of the project's own Dockerfile, and the bill of materials that it writes."""

import importlib.util
import json
import re
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DOCKER = ROOT / "infra/docker"
TEXT = (DOCKER / "Dockerfile").read_text().replace("\\\n", " ")
FINAL = ("cpu", "gpu-cuda")


def stages() -> dict[str, list[str]]:
    """Each stage's instructions, the one with its FROM first."""
    found: dict[str, list[str]] = {}
    for line in TEXT.splitlines():
        if match := re.match(r"FROM (\S+) AS (\S+)", line):
            found[match[2]] = [line]
        elif found and line and not line.startswith("#"):
            found[list(found)[-1]].append(line)
    return found


def test_every_stage_stands_on_the_base_that_is_named_by_digest():
    assert re.search(r"^ARG BASE=python:3\.11\.\d+-slim-\w+@sha256:[0-9a-f]{64}$", TEXT, re.MULTILINE)
    named = stages()
    for name, lines in named.items():
        source = lines[0].split()[1]
        assert source == "${BASE}" or source in named, name


def test_no_line_sends_the_builder_to_a_registry_for_its_frontend():
    assert not re.search(r"^#\s*syntax\s*=", TEXT, re.MULTILINE | re.IGNORECASE)


@pytest.mark.parametrize("target", FINAL)
def test_images_end_as_a_numbered_user_that_is_not_root(target):
    users = [line.split()[1] for line in stages()[target] if line.startswith("USER")]
    assert re.fullmatch(r"[1-9]\d{4,}:[1-9]\d{4,}", users[-1])


@pytest.mark.parametrize("target", FINAL)
def test_packages_depend_on_the_pins_alone(target):
    before = stages()["tools"] + stages()[f"packages-{target}"]
    copied = {name for line in before if line.startswith("COPY") for name in line.split()[1:-1]}
    assert copied == {"infra/docker/wheels", "pyproject.toml", "constraints.txt"}


@pytest.mark.parametrize("target", FINAL)
def test_nothing_to_build_with_is_copied_into_an_image(target):
    lines = stages()["runtime"] + stages()[target]
    copies = [line for line in lines if line.startswith(("COPY", "ADD"))]
    assert copies == [f"COPY --from=packages-{target} /opt/voco /opt/voco"]
    assert not re.search(r"apt-get|gcc|build-essential", " ".join(lines))
    assert "--without-pip /opt/voco" in TEXT


def test_the_two_onnx_runtimes_are_never_together():
    installed = {target: " ".join(stages()[f"packages-{target}"]) for target in FINAL}
    assert "--extra onnx " in installed["cpu"] + " "
    assert "onnx-gpu" not in installed["cpu"]
    assert "--extra onnx-gpu" in installed["gpu-cuda"]


def test_the_context_leaves_out_what_no_image_needs():
    rules = (ROOT / ".dockerignore").read_text().split()
    assert "*" in rules
    kept = {rule[1:] for rule in rules if rule.startswith("!")}
    assert all((ROOT / name).exists() for name in kept)
    packages = re.search(r"include = \[(.*)\]", (ROOT / "pyproject.toml").read_text())[1]
    assert {name.split(".")[0].rstrip("*") for name in re.findall(r'"([^"]+)"', packages)} <= kept


def sbom_module():
    spec = importlib.util.spec_from_file_location("sbom", DOCKER / "sbom.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_bill_names_every_package_the_same_way_every_time(tmp_path):
    written = []
    for name in ("one.json", "two.json"):
        command = [sys.executable, DOCKER / "sbom.py", tmp_path / name]
        subprocess.run(command, check=True, timeout=60)
        written.append((tmp_path / name).read_bytes())
    assert written[0] == written[1]
    bill = json.loads(written[0])
    assert (bill["bomFormat"], bill["specVersion"]) == ("CycloneDX", "1.6")
    assert f"pkg:pypi/torch@{version('torch')}".replace("+", "%2B") in {c["purl"] for c in bill["components"]}
    assert len({c["bom-ref"] for c in bill["components"]}) == len(bill["components"])


def test_the_bill_reads_what_dpkg_has_installed(tmp_path):
    status = tmp_path / "status"
    status.write_text(
        "Package: zlib1g\nStatus: install ok installed\nVersion: 1:1.2.13\nDescription: a\n Version: no\n\n"
        "Package: gone\nStatus: deinstall ok config-files\nVersion: 2\n"
    )
    assert [c["purl"] for c in sbom_module().debian_packages(status)] == ["pkg:deb/debian/zlib1g@1%3A1.2.13"]
    assert sbom_module().debian_packages(tmp_path / "none") == []
