"""Terraform's own judgement of the code, and what its plan would make: under credentials that are none."""

import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from tests.infra.manifests import KUBERNETES, ROOT

pytestmark = pytest.mark.integration
CODE = ROOT / "infra/terraform"
MIRRORS = ("/usr/share/terraform/plugins", "/usr/local/share/terraform/plugins", "/opt/*")
"""Where providers lie unpacked when there is no registry to ask."""


def terraform(folder: Path, *arguments: str) -> str:
    environment = {k: v for k, v in os.environ.items() if k != "TF_CLI_CONFIG_FILE" and not k.startswith("AWS_")}
    environment |= {"AWS_EC2_METADATA_DISABLED": "true", "CHECKPOINT_DISABLE": "1", "TF_IN_AUTOMATION": "1"}
    done = subprocess.run(
        ["terraform", *arguments], cwd=folder, env=environment, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return done.stdout


def mirrors() -> list[str]:
    found = [match for pattern in MIRRORS for match in Path("/").glob(pattern.lstrip("/"))]
    return [str(path) for path in found if (path / "registry.terraform.io/hashicorp/aws").is_dir()]


@pytest.fixture(scope="module")
def ready(tmp_path_factory):
    """A copy of the code, initialised with a state that is no bucket's."""
    if not shutil.which("terraform"):
        pytest.skip("terraform is not installed")
    folder = tmp_path_factory.mktemp("terraform") / "code"
    shutil.copytree(CODE, folder, ignore=shutil.ignore_patterns(".terraform"))
    (folder / "backend_override.tf").write_text('terraform {\n  backend "local" {}\n}\n')
    try:
        terraform(folder, "init", "-input=false", *(f"-plugin-dir={mirror}" for mirror in mirrors()))
    except AssertionError as error:
        if mirrors():
            raise
        pytest.skip(f"no AWS provider here: neither a mirror nor its registry ({str(error).splitlines()[-1]})")
    return folder


@pytest.fixture(scope="module")
def plan(ready):
    arguments = ("-refresh=false", "-input=false", "-lock=false", "-out=made")
    terraform(ready, "plan", *arguments, "-var-file=production.tfvars", "-var=example_credentials=true")
    shown = json.loads(terraform(ready, "show", "-json", "made"))
    return [change for change in shown["resource_changes"] if change["change"]["actions"] == ["create"]]


def planned(plan, kind: str) -> list[dict]:
    return [change["change"]["after"] for change in plan if change["type"] == kind]


def test_the_code_is_formatted_and_valid(ready):
    terraform(ready, "fmt", "-check", "-diff")
    assert json.loads(terraform(ready, "validate", "-json"))["diagnostics"] == []


def test_gpu_pools_start_empty_tainted_and_labelled(plan):
    groups = planned(plan, "aws_eks_node_group")
    pools = {g["labels"].get("voco/gpu", "none") + "/" + (g.get("capacity_type", "ON_DEMAND")): g for g in groups}
    assert set(pools) == {"a100/SPOT", "a100/ON_DEMAND", "h100/SPOT", "h100/ON_DEMAND", "none/ON_DEMAND"}
    for name, group in pools.items():
        if name == "none/ON_DEMAND":
            assert group["labels"] == {"voco/pool": "cpu"}
            assert group["taint"] == []
            continue
        assert group["labels"]["voco/pool"] == "gpu"
        assert group["labels"]["voco/capacity"].replace("-", "_").upper() == group["capacity_type"]
        assert (group["scaling_config"][0]["min_size"], group["scaling_config"][0]["desired_size"]) == (0, 0)
        assert [(t["key"], t["effect"]) for t in group["taint"]] == [("nvidia.com/gpu", "NO_SCHEDULE")]


def test_the_autoscaler_learns_what_an_empty_pool_would_offer(plan):
    tags = [change["tag"][0] for change in planned(plan, "aws_autoscaling_group_tag")]
    assert len(tags) == 4 * 5
    assert {t["value"] for t in tags if t["key"].endswith("label/voco/capacity")} == {"spot", "on-demand"}
    assert {t["value"] for t in tags if t["key"].endswith("label/voco/gpu")} == {"a100", "h100"}


def test_every_bucket_is_versioned_encrypted_and_closed(plan):
    buckets = {bucket["bucket"] for bucket in planned(plan, "aws_s3_bucket")}
    assert buckets == {"voco-production-data-123456789012", "voco-production-artifacts-123456789012"}
    assert [v["versioning_configuration"][0]["status"] for v in planned(plan, "aws_s3_bucket_versioning")] == [
        "Enabled"
    ] * 2
    assert len(planned(plan, "aws_s3_bucket_server_side_encryption_configuration")) == 2
    closed = ("block_public_acls", "block_public_policy", "ignore_public_acls", "restrict_public_buckets")
    blocks = planned(plan, "aws_s3_bucket_public_access_block")
    assert len(blocks) == 2
    assert all(block[name] is True for block in blocks for name in closed)


def test_the_database_is_private_encrypted_and_keeps_its_own_password(plan):
    (database,) = planned(plan, "aws_db_instance")
    assert database["storage_encrypted"] is database["manage_master_user_password"] is True
    assert database["publicly_accessible"] is False
    assert not database.get("password")


def test_roles_belong_to_accounts_that_the_manifests_make(plan):
    accounts = {
        document["metadata"]["name"]
        for path in KUBERNETES.rglob("accounts.yaml")
        for document in yaml.safe_load_all(path.read_text())
        if document["kind"] == "ServiceAccount"
    }
    roles = {change["index"] for change in plan if change["address"].startswith("aws_iam_role.account[")}
    settings = yaml.safe_load((KUBERNETES / "overlays/production/cluster.yaml").read_text())["data"]
    assert {f"role_{name}" for name in roles} == {name for name in settings if name.startswith("role_")}
    assert len(roles) == len(accounts)


@pytest.mark.parametrize("name", ["staging", "production"])
def test_an_overlay_asks_for_what_terraform_tells_it(ready, name):
    """Every setting is written by the output, and put somewhere by the component."""
    settings = yaml.safe_load((KUBERNETES / "overlays" / name / "cluster.yaml").read_text())["data"]
    written, placed = (ready / "outputs.tf").read_text(), (KUBERNETES / "aws/kustomization.yaml").read_text()
    for key in settings:
        assert re.search(rf"^ *{key} +=", written, re.MULTILINE) or key.startswith("role_"), key
        assert f"fieldPath: data.{key}}}" in placed, key
