"""What others' validators say of the manifests, the Dockerfile, the workflow and the Terraform code."""

import json
import re
import subprocess
from pathlib import Path

import pytest
import yaml

from tests.infra.manifests import OVERLAYS, ROOT, built, documents, pods

pytestmark = pytest.mark.integration
KUBERNETES_VERSIONS = ("1.33", "1.34")
CUSTOM = {"ExternalSecret", "SecretStore", "TrainingRuntime"}
"""Kinds of operators, of which Kubernetes publishes no schema; their pods are checked as pods."""


def run(tool: str, *arguments: str | Path, cwd: Path = ROOT) -> subprocess.CompletedProcess[str]:
    program = ROOT / ".venv-lint/bin" / tool
    if not program.is_file():
        pytest.skip(
            f"{tool} is not installed: `make test-integration` makes .venv-lint, where an index is reached"
        )
    command = [str(program), *map(str, arguments)]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=500)


@pytest.mark.parametrize("version", KUBERNETES_VERSIONS)
def test_kubernetes_knows_every_field(tmp_path, version):
    files = []
    for overlay in OVERLAYS:
        files.append(tmp_path / f"{overlay}.yaml")
        files[-1].write_text(built(overlay))
        for name, spec in pods(overlay):
            if name.split("/")[0] in CUSTOM:
                pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "inner"}, "spec": spec}
                files.append(tmp_path / f"{overlay}-{name.split('/')[1]}.yaml")
                files[-1].write_text(yaml.dump(pod))
    done = run("kubernetes-validate", "--strict", "--kubernetes-version", version, *files)
    assert done.returncode == 0, done.stdout + done.stderr
    unknown = set(re.findall(r"Couldn't find schema for kind (\w+)", done.stdout + done.stderr))
    assert unknown == CUSTOM
    assert len(files) > len(OVERLAYS)


def test_the_validator_itself_sees_a_wrong_field(tmp_path):
    wrong = documents("local")[-1] | {"spce": {}}
    (tmp_path / "wrong.yaml").write_text(yaml.dump(wrong))
    assert run("kubernetes-validate", "--strict", tmp_path / "wrong.yaml").returncode != 0


def test_hadolint_has_nothing_to_say():
    done = run("hadolint", "infra/docker/Dockerfile")
    assert (done.returncode, done.stdout) == (0, "")


def test_yamllint_has_nothing_to_say():
    done = run("yamllint", "--strict", "infra", ".github", ".yamllint.yaml")
    assert (done.returncode, done.stdout) == (0, "")


@pytest.mark.parametrize("framework", ["dockerfile", "terraform", "github_actions", "kubernetes"])
def test_checkov_finds_nothing_but_what_is_explained(framework, tmp_path):
    for overlay in OVERLAYS:
        (tmp_path / f"{overlay}.yaml").write_text(built(overlay))
    where = {
        "dockerfile": ("--directory", ROOT / "infra/docker"),
        "terraform": ("--directory", ROOT / "infra/terraform"),
        "github_actions": ("--file", ".github/workflows/ci.yaml"),
        "kubernetes": ("--directory", tmp_path),
    }[framework]
    config = ("--config-file", ROOT / "infra/.checkov.yaml", "--output", "json")
    done = run("checkov", *where, *config, "--framework", framework)
    report = json.loads(done.stdout)
    assert report.get("check_type") == framework, "it found nothing that it could read"
    assert report["summary"]["passed"] > 0
    assert report["summary"]["parsing_errors"] == 0
    assert [f"{c['check_id']} {c['resource']}" for c in report["results"]["failed_checks"]] == []
    assert done.returncode == 0


def test_what_checkov_skips_has_its_reason():
    rules = [line for line in (ROOT / "infra/.checkov.yaml").read_text().splitlines() if line.startswith("  - ")]
    assert rules
    assert all(re.fullmatch(r"  - CKV\w+ # .{20,}", line) for line in rules)
    for path in (ROOT / "infra").rglob("*.yaml"):
        for skipped in re.findall(r"checkov\.io/skip\d+: (.*)", path.read_text()):
            assert re.fullmatch(r"CKV\w+=.{20,}", skipped), path
