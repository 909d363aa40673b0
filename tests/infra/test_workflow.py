"""The workflow runs what `.ci/run` runs, and trusts no moving name."""

import re
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / ".github/workflows/ci.yaml").read_text()
JOBS = yaml.safe_load(TEXT)["jobs"]


def commands(job: str) -> str:
    return "\n".join(step.get("run", "") for step in JOBS[job]["steps"])


def test_it_runs_the_commands_that_a_developer_runs():
    everything = commands("test") + commands("integration")
    for line in (ROOT / ".ci/run").read_text().splitlines():
        if line.startswith("make "):
            assert all(re.search(rf"\bmake\b.*\b{target}\b", everything) for target in line.split()[1:]), line
        elif line.startswith(".ci/"):
            assert line in everything


def test_actions_are_pinned_by_commit():
    used = re.findall(r"uses: (.+)", TEXT)
    assert used
    for action in used:
        assert re.fullmatch(r"actions/[\w-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", action)


def test_both_images_are_built():
    stages = re.findall(r"^FROM \S+ AS (\S+)", (ROOT / "infra/docker/Dockerfile").read_text(), re.MULTILINE)
    targets = JOBS["images"]["strategy"]["matrix"]["target"]
    assert set(targets) <= set(stages)
    assert targets == ["cpu", "gpu-cuda"]


@pytest.mark.parametrize("job", JOBS)
def test_jobs_end_and_may_do_little(job):
    assert JOBS[job]["timeout-minutes"] <= 120
    rights = JOBS[job].get("permissions", {})
    assert {name for name, right in rights.items() if right == "write"} <= {"pull-requests"}
    assert not rights or job == "metrics"


def test_nothing_from_a_pull_request_is_pasted_into_a_script():
    """Titles and branch names are other people's text; they reach scripts as variables alone."""
    assert not [job for job in JOBS if "${{" in commands(job)]
