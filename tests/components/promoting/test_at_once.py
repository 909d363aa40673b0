"""Promotions at the same time over PostgreSQL, and promotions killed at any moment."""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from components.promote import Candidate, promote
from components.promoting.deciding import Wish
from components.promoting.evidence import Evidence
from components.promoting.gate import Gate
from components.promoting.ledger import FORCED, problems
from components.promoting.moving import alias_problems, move, roll_back
from components.promoting.registry import Registry, Version
from components.tracking.runs import client_of
from tests.components.promoting.models import left_by_steps

pytestmark = pytest.mark.integration
ROOT = Path(__file__).parents[3]
RACES, KILLS = 100, 30
LIMIT = 600
LAX = Gate.model_validate({"cache": {"n_voco": 8, "at_most_share": 0.5}})

RACER = """
import sys
from components.promoting.ledger import PROMOTED, Overtaken
from components.promoting.moving import move, settle
from components.promoting.registry import Registry

registry, version = Registry(sys.argv[1]), sys.argv[2]
for line in sys.stdin:  # a line is the champion that both decide against
    try:
        move(registry, PROMOTED, registry.by_number(version), reason="race", expected=line.strip() or None)
        print("won", flush=True)
    except Overtaken:
        print("lost", flush=True)
"""

MORTAL = """
import os, sys
from pathlib import Path
from components.promoting.evidence import Evidence
from components.promoting.moving import roll_back
from components.promoting.registry import Registry
from components.promote import Candidate, promote
from components.promoting.deciding import Wish
from components.promoting.gate import Gate

uri, folder, turn = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])
wish = Wish(Gate.model_validate({"cache": {"n_voco": 8, "at_most_share": 0.5}}))
registry = Registry(uri)
registry.versions()
print("ready", flush=True)
if turn % 3 == 2:
    roll_back(registry, None, "killed perhaps")
else:
    evidence = Evidence(folder / "tables", folder / "efficiency")
    promote(Candidate(folder / "exported", evidence, folder / "report", {}), wish, registry, None)
print("done", flush=True)
"""


def start(program: str, *arguments: object) -> subprocess.Popen:
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", program, *map(str, arguments)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    return subprocess.Popen(command, env=environment, **pipes)


def candidate(folder: Path) -> Candidate:
    paths = left_by_steps(folder)
    return Candidate(paths["exported"], Evidence(paths["tables"], paths["efficiency"]), paths["report"], {})


def test_two_that_race_a_hundred_times_leave_one_champion_and_a_whole_chain(postgres, monkeypatch, tmp_path):
    pytest.importorskip("psycopg", reason="the driver of PostgreSQL is not installed: `make venv`")
    for name, value in postgres.environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(tmp_path)
    uri = "postgresql+psycopg://"
    client = client_of(uri)
    run = client.create_run(client.create_experiment("voco", tmp_path.as_uri())).info.run_id
    registry = Registry(uri)
    versions = [registry.register(tmp_path.as_uri(), run, {}) for _ in range(3)]
    racers = [start(RACER, uri, version.number) for version in versions[:2]]
    try:
        outcomes = [_race(registry, racers, versions[2]) for _ in range(RACES)]
    finally:
        for racer in racers:
            racer.kill()
            racer.wait(LIMIT)
    assert all(sorted(pair) == ["lost", "won"] for pair in outcomes), outcomes
    entries = registry.ledger().entries()
    assert len(entries) == 2 * RACES
    assert problems(registry.ledger(), registry.settled) == []


def _race(registry: Registry, racers: list[subprocess.Popen], champion: Version) -> list[str]:
    """Both promote their version at the same moment, against the same champion, a third version."""
    move(registry, FORCED, champion, reason="another race", expected=registry.aliases().get("champion"))
    for racer in racers:
        racer.stdin.write(f"{champion.number}\n")
        racer.stdin.flush()
    told = [racer.stdout.readline().strip() for racer in racers]
    assert alias_problems(registry) == []
    assert registry.aliases()["champion"] == racers[told.index("won")].args[-1]
    return told


def test_promotions_and_rollbacks_killed_at_any_moment_are_finished_by_the_next(mlflow_uri, tmp_path):
    registry, chance = Registry(mlflow_uri), random.Random(7)
    for name in ("one", "two"):
        promote(candidate(tmp_path / name), Wish(LAX), registry, None)
    whole = _seconds(mlflow_uri, tmp_path)
    killed = 0
    for turn in range(KILLS):
        left_by_steps(tmp_path / f"turn-{turn}")
        before = registry.aliases()["champion"]
        process = start(MORTAL, mlflow_uri, tmp_path / f"turn-{turn}", turn)
        assert process.stdout.readline() == "ready\n"
        time.sleep(chance.uniform(0, whole))
        process.send_signal(signal.SIGKILL)
        killed += process.wait(LIMIT) == -signal.SIGKILL
        now = registry.aliases()["champion"]
        assert now == before or now == registry.ledger().entries()[-1].after
        after = promote(candidate(tmp_path / f"after-{turn}"), Wish(LAX), registry, None)
        assert registry.aliases()["champion"] == after.version.number
        assert alias_problems(registry) == []
        assert problems(registry.ledger(), registry.settled) == []
    assert killed > KILLS // 2  # most of them died on the way
    assert roll_back(registry, None, "").after is not None


def _seconds(uri: str, folder: Path) -> float:
    """How long one that nobody kills takes after it is ready."""
    left_by_steps(folder / "whole")
    process = start(MORTAL, uri, folder / "whole", 0)
    assert process.stdout.readline() == "ready\n"
    began = time.monotonic()
    assert process.stdout.readline() == "done\n"
    took = time.monotonic() - began
    process.wait(LIMIT)
    return took
