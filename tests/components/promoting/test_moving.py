"""The champion moves as the ledger says: approvals, rollbacks, aliases moved by hand, kills, and two at once."""

import json
import threading

import pytest
from mlflow.exceptions import MlflowException

from components.promote import Candidate, promote
from components.promoting import moving
from components.promoting.deciding import Wish, approve_again, decide
from components.promoting.evidence import GRAPHS, Evidence
from components.promoting.gate import Gate
from components.promoting.ledger import Ledger, problems
from components.promoting.moving import ENTRY_TAG, alias_problems, reject, roll_back, settle
from components.promoting.registry import Registry, Version
from pipelines.cli import main
from tests.components.promoting.models import left_by_steps
from voco_model.errors import VocoError
from voco_model.portable.parity import Parity, write_parity

LAX = Gate.model_validate({"cache": {"n_voco": 8, "at_most_share": 0.5}})
WISH = Wish(LAX)
STRICT = Gate.model_validate({"retention": [{"n_voco": 8, "at_least": 99, "by": "value"}]})


@pytest.fixture
def registry(mlflow_uri):
    return Registry(mlflow_uri)


@pytest.fixture
def promoted(registry, tmp_path):
    """Registers a model of its own and decides."""

    def do(name, wish=WISH):
        paths = left_by_steps(tmp_path / name)
        candidate = Candidate(
            paths["exported"], Evidence(paths["tables"], paths["efficiency"]), paths["report"], {}
        )
        return promote(candidate, wish, registry, f"run-{name}")

    return do


def test_a_version_waits_for_approval_and_is_champion_after_it(promoted, registry):
    assert promoted("one").outcome == "promoted"
    waits = promoted("two", Wish(LAX, require_approval=True))
    assert waits.outcome == "awaits approval"
    assert registry.aliases()["champion"] == "1"
    done = approve_again(waits.version, Wish(LAX, reason="looked at it"), registry)
    assert (done.outcome, done.champion) == ("promoted", "1")
    assert registry.aliases() == {"champion": "2", "previous": "1", "challenger": "2"}
    assert [entry.action for entry in registry.ledger().entries()] == ["promoted", "awaits approval", "approved"]
    assert registry.ledger().entries()[-1].reason == "looked at it"
    with pytest.raises(VocoError, match="version 2 does not wait for approval; waiting: none"):
        approve_again(waits.version, Wish(LAX), registry)


def test_graphs_are_looked_at_again_and_a_store_that_is_away_is_no_pass(promoted, registry, tmp_path, monkeypatch):
    wish = Wish(Gate.model_validate({"onnx": {"at_most": 1e-3, "required": False}, "validation": False}))
    plain = promoted("plain").version
    paths = left_by_steps(tmp_path / "with")
    graphs = paths["exported"] / GRAPHS
    graphs.mkdir()
    write_parity(Parity(1e-6, 2e-6, 9.0, 8, 8), graphs)
    evidence = Evidence(paths["tables"], paths["efficiency"], graphs)
    version = promote(
        Candidate(paths["exported"], evidence, paths["report"], {}), wish, registry, "run-with"
    ).version
    (criterion,) = decide(version, wish, registry).verdict.criteria
    assert criterion.found == "within 2e-06 of 9.0, 8 of 8 answers"
    (criterion,) = decide(plain, wish, registry).verdict.criteria
    assert (criterion.found, criterion.why) == ("none", "was exported without graphs")
    gone = Version(version.number, version.run, f"{version.source}-gone", version.tags)
    with pytest.raises(VocoError, match=f"the files of version {version.number} are gone"):
        registry.graphs(gone, tmp_path / "gone")

    def unreachable(*_, **__):
        raise MlflowException("the store does not answer")

    monkeypatch.setattr("mlflow.artifacts.list_artifacts", unreachable)
    with pytest.raises(VocoError, match="the store does not answer"):
        decide(plain, wish, registry)


def test_a_version_that_was_rejected_waits_no_more(promoted, registry):
    promoted("one")
    waits = promoted("two", Wish(LAX, require_approval=True))
    assert reject(registry, waits.version, "too new").after == "1"
    with pytest.raises(VocoError, match="does not wait"):
        approve_again(waits.version, Wish(LAX), registry)
    assert registry.aliases()["champion"] == "1"


def test_approval_looks_at_the_gate_again(promoted, registry):
    waits = promoted("one", Wish(LAX, require_approval=True))
    with pytest.raises(VocoError, match="does not meet the gate any more"):
        approve_again(waits.version, Wish(STRICT), registry)
    done = approve_again(waits.version, Wish(STRICT, force=True, reason="needed today"), registry)
    assert done.outcome == "promoted"
    last = registry.ledger().entries()[-1]
    assert (last.action, last.reason) == ("forced", "needed today")


def test_force_needs_a_reason_and_stays_visible(promoted, registry):
    with pytest.raises(VocoError, match="--force needs --reason"):
        Wish(STRICT, force=True)
    done = promoted("one", Wish(STRICT, force=True, reason="a demonstration"))
    assert (done.outcome, done.verdict.met) == ("promoted", False)
    (entry,) = registry.ledger().entries()
    assert (entry.action, entry.reason, entry.gate_sha256) == ("forced", "a demonstration", STRICT.sha256)


def test_the_verdict_is_kept_under_the_digest_that_the_ledger_names(promoted, registry, tmp_path):
    done = promoted("one")
    (entry,) = registry.ledger().entries()
    kept = next(tmp_path.rglob(f"verdicts/{entry.verdict_sha256[:16]}/verdict.json"))
    assert json.loads(kept.read_text()) == done.verdict.as_dict()
    assert registry.by_number("1").tags[ENTRY_TAG] == entry.sha256


def test_rollback_goes_to_the_one_before_or_to_a_named_one(promoted, registry):
    with pytest.raises(VocoError, match="nothing is registered"):
        roll_back(registry, None, "")
    for name in ("one", "two", "three"):
        promoted(name)
    assert roll_back(registry, None, "answers got shorter").after == "2"
    assert registry.aliases()["previous"] == "3"
    assert roll_back(registry, registry.by_number("1"), "").after == "1"
    with pytest.raises(VocoError, match="version 1 is the champion already"):
        roll_back(registry, registry.by_number("1"), "")
    assert problems(registry.ledger(), registry.settled) == []


def test_nothing_is_built_on_an_alias_that_was_moved_by_hand(promoted, registry):
    promoted("one")
    promoted("two")
    registry.name_it("champion", registry.by_number("1"))
    assert alias_problems(registry) == ["the alias champion names version 1, the ledger version 2: moved by hand"]
    with pytest.raises(VocoError, match="moved by hand; `voco rollback --to VERSION` sets what is right"):
        promoted("three")
    assert roll_back(registry, registry.by_number("2"), "set right").after == "2"
    assert alias_problems(registry) == []


WRITES = ("append", "name_it", "tag", "settle", "upload", "register", "keep_copy")


@pytest.mark.parametrize("at", range(16))
def test_a_kill_before_any_write_leaves_a_champion_and_the_next_call_finishes(promoted, registry, monkeypatch, at):
    """Each write of a promotion fails in turn, as if the process had gone away before it."""
    promoted("one")
    calls = iter(range(1000))

    class Killed(BaseException):
        """Nothing catches it."""

    def mortal(write):
        def call(*given, **named):
            if next(calls) == at:
                raise Killed
            return write(*given, **named)

        return call

    with monkeypatch.context() as patch:
        for name in WRITES:
            owner = Ledger if hasattr(Ledger, name) else Registry
            patch.setattr(owner, name, mortal(getattr(owner, name)))
        try:
            promoted("two")
            was_killed = False
        except Killed:
            was_killed = True
    assert was_killed or next(calls) <= at, "it has fewer writes than that"
    assert registry.aliases()["champion"] in ("1", "2")
    after = promoted("three")
    assert after.outcome == "promoted"
    assert registry.aliases()["champion"] == after.version.number
    assert problems(registry.ledger(), registry.settled) == []
    assert alias_problems(registry) == []
    assert registry.ledger().entries()[0].version == "1"


def test_of_two_promotions_at_once_one_wins_and_the_other_says_so(promoted, registry, monkeypatch):
    promoted("one")
    waiting = [promoted(name, Wish(LAX, require_approval=True)).version for name in ("two", "three")]
    judged = threading.Barrier(2)
    real = moving.move

    def together(*given, **named):
        judged.wait(60)
        return real(*given, **named)

    monkeypatch.setattr("components.promoting.deciding.move", together)
    outcomes = []
    threads = [
        threading.Thread(target=lambda v=version: outcomes.append(decide(v, Wish(LAX), Registry(registry.uri))))
        for version in waiting
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    lost, won = sorted(outcomes, key=lambda done: done.outcome)
    assert (won.outcome, lost.outcome) == ("promoted", "not promoted")
    assert f"version {won.version.number} became the champion meanwhile" in lost.reason
    assert registry.aliases()["champion"] == won.version.number
    assert problems(registry.ledger(), registry.settled) == []


def test_a_late_writer_corrects_itself(promoted, registry, monkeypatch):
    """Another promotion comes between this one's entry and its aliases."""
    promoted("one")
    versions = [promoted(name, Wish(LAX, require_approval=True)).version for name in ("two", "three")]
    real, once = moving._follow, iter([True])

    def slow(*given):
        if next(once, False):
            decide(versions[1], Wish(LAX), Registry(registry.uri))
        real(*given)

    monkeypatch.setattr(moving, "_follow", slow)
    decide(versions[0], Wish(LAX), registry)
    assert registry.aliases()["champion"] == "3"
    assert alias_problems(registry) == []


def test_the_commands(promoted, registry, capsys, tmp_path, monkeypatch):
    monkeypatch.setenv("VOCO_WHO", "ada")
    gate = tmp_path / "lax.yaml"
    gate.write_text("cache: {n_voco: 8, at_most_share: 0.5}")
    promoted("one")
    promoted("two", Wish(LAX, require_approval=True))
    assert main(["approve", "--gate", str(gate), "--reason", "fine"]) == 0
    assert "version 2: approved, the champion now" in capsys.readouterr().out
    assert main(["rollback", "--reason", "slower"]) == 0
    assert "version 1 is the champion again (before: 2)" in capsys.readouterr().out
    assert main(["promote", "voco-llama/2", "--gate", str(gate), "--require-approval"]) == 3
    assert main(["reject", "--reason", "no"]) == 0
    assert "the champion stays version 1" in capsys.readouterr().out
    assert main(["reject", "--reason", "no"]) == 1
    assert "no version waits for approval" in capsys.readouterr().err
    assert main(["history"]) == 0
    table = capsys.readouterr().out
    assert [line.split()[0] for line in table.splitlines()[1:]] == ["1", "2", "3", "4", "5", "6"]
    assert "ada" in table
    assert "2 → 1" in table
    assert main(["history", "--export", str(tmp_path / "ledger.jsonl")]) == 0
    lines = [json.loads(line) for line in (tmp_path / "ledger.jsonl").read_text().splitlines()]
    assert [line["previous"] for line in lines[1:]] == [line["sha256"] for line in lines[:-1]]
    capsys.readouterr()
    assert main(["history", "--verify"]) == 0
    assert "6 entries, none changed, none gone" in capsys.readouterr().out
    registry.name_it("champion", registry.by_number("2"))
    assert main(["history", "--verify"]) == 1
    assert "moved by hand" in capsys.readouterr().out
    assert main(["history", "other"]) == 1
    assert "nothing is registered under that name" in capsys.readouterr().err


def test_settling_twice_changes_nothing(promoted, registry):
    promoted("one")
    before = registry.settled
    assert settle(registry) == settle(registry)
    assert registry.settled == before
