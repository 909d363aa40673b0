"""The ledger: a chain that nobody can change unseen, written by one at a time."""

import json
import sqlite3
from dataclasses import asdict

import pytest

from components.promoting.ledger import (
    AWAITS,
    PROMOTED,
    REFUSED,
    REJECTED,
    ROLLED_BACK,
    Overtaken,
    problems,
    standing,
)
from components.promoting.moving import settle
from components.promoting.registry import Registry
from components.stepping.digests import text_digest
from components.tracking.runs import new_run
from voco_model.errors import VocoError


@pytest.fixture
def registry(mlflow_uri, tmp_path):
    """Four versions."""
    made = Registry(mlflow_uri)
    run = new_run(mlflow_uri, "models", {})
    for _ in range(4):
        made.register(tmp_path.as_uri(), run, {})
    return made


def write(registry, *moves):
    """Entries of (action, version), each decided against the champion of its moment."""
    ledger = registry.ledger()
    for action, version in moves:
        now = standing(ledger.entries()).champion
        ledger.append(action, version, who="somebody", reason="because", expected=now)
    settle(registry)
    return ledger


def test_each_entry_names_the_one_before_and_all_come_to_who_is_champion(registry):
    ledger = write(registry, (PROMOTED, "1"), (REFUSED, "2"), (PROMOTED, "3"), (ROLLED_BACK, "1"), (AWAITS, "4"))
    entries = ledger.entries()
    assert [entry.number for entry in entries] == [1, 2, 3, 4, 5]
    assert [entry.previous for entry in entries] == ["", *(entry.sha256 for entry in entries[:-1])]
    assert [(entry.before, entry.after) for entry in entries] == [
        (None, "1"),
        ("1", "1"),
        ("1", "3"),
        ("3", "1"),
        ("1", "1"),
    ]
    now = standing(entries)
    assert (now.champion, now.previous, now.waiting) == ("1", "3", ("4",))
    assert standing(write(registry, (REJECTED, "4")).entries()).waiting == ()
    assert problems(ledger, registry.settled) == []
    assert registry.aliases() == {"champion": "1", "previous": "3"}


def test_what_was_decided_against_another_champion_is_not_written(registry):
    ledger = write(registry, (PROMOTED, "1"))
    with pytest.raises(Overtaken, match="version 1 became the champion meanwhile, not version 2"):
        ledger.append(PROMOTED, "2", who="x", reason="", expected=None)
    assert len(ledger.entries()) == 1


def test_of_two_that_write_the_same_number_one_wins_and_the_other_looks_again(registry, monkeypatch):
    mine, theirs = registry.ledger(), Registry(registry.uri).ledger()
    seen = mine.entries()
    theirs.append(REFUSED, "2", who="they", reason="", expected=None)
    late = iter([seen])
    monkeypatch.setattr(mine, "entries", lambda: next(late, None) or theirs.entries())
    entry = mine.append(PROMOTED, "1", who="I", reason="", expected=None)
    assert (entry.number, entry.before) == (2, None)
    assert [one.who for one in theirs.entries()] == ["they", "I"]


def test_a_parameter_cannot_be_written_again(registry):
    ledger = write(registry, (PROMOTED, "1"))
    from components.tracking.runs import client_of

    with pytest.raises(Exception, match="Changing param values is not allowed"):
        client_of(registry.uri).log_param(ledger.run, "000001", "{}")


def test_models_and_their_ledgers_are_their_own(registry, mlflow_uri, tmp_path):
    write(registry, (PROMOTED, "1"))
    other = Registry(mlflow_uri, "other")
    with pytest.raises(VocoError, match="nothing is registered under that name"):
        other.ledger()
    other.register(tmp_path.as_uri(), new_run(mlflow_uri, "models", {}), {})
    assert other.ledger().entries() == []
    assert other.ledger().run != registry.ledger().run


CHANGE = "update params set value = ? where run_uuid = ? and key = ?"


def _in_database(registry, command, *values):
    with sqlite3.connect(registry.uri.removeprefix("sqlite:///")) as database:
        assert database.execute(command, values).rowcount == 1


def _rewritten(entry, **changes):
    return json.dumps(asdict(entry) | changes, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


@pytest.mark.parametrize(
    ("number", "changes", "said"),
    [
        (2, {"reason": "a better one"}, "entry 3 does not follow entry 2"),
        (2, {"who": "nobody"}, "entry 2 differs from its copy"),
        (2, {"moment": "2020-01-01T00:00:00+00:00"}, "entry 3 does not follow entry 2"),
        (3, {"after": "2"}, "entry 3 does not say what the entries before it come to"),
        (3, {"version": "2", "after": "2"}, "entry 3 is not the one that the registry names"),
        (3, {"previous": "0" * 64}, "entry 3 does not follow entry 2"),
        (1, {"verdict_sha256": "0" * 64}, "entry 2 does not follow entry 1"),
        (1, {"model": "other"}, "entry 000001 of the ledger cannot be read"),
        (1, {"number": 2}, "entry 000001 of the ledger cannot be read"),
        (1, {"action": "blessed"}, "entry 000001 of the ledger cannot be read"),
    ],
)
def test_an_entry_changed_in_the_database_is_found(registry, number, changes, said):
    ledger = write(registry, (PROMOTED, "1"), (REFUSED, "2"), (PROMOTED, "3"))
    text = _rewritten(ledger.entries()[number - 1], **changes)
    _in_database(
        registry, "update params set value = ? where run_uuid = ? and key = ?", text, ledger.run, f"{number:06d}"
    )
    assert any(said in one for one in problems(ledger, registry.settled)), problems(ledger, registry.settled)


@pytest.mark.parametrize("number", [1, 2, 3])
def test_an_entry_taken_away_is_found(registry, number):
    ledger = write(registry, (PROMOTED, "1"), (REFUSED, "2"), (PROMOTED, "3"))
    _in_database(registry, "delete from params where run_uuid = ? and key = ?", ledger.run, f"{number:06d}")
    assert f"entry {number} is gone" in problems(ledger, registry.settled)


def test_a_whole_chain_written_anew_differs_from_its_copies_and_from_what_the_registry_names(registry):
    ledger = write(registry, (PROMOTED, "1"), (PROMOTED, "3"))
    first, second = ledger.entries()
    forged = asdict(first) | {"version": "2", "after": "2"}
    for number, content in ((1, forged), (2, asdict(second) | {"before": "2", "previous": text_digest(forged)})):
        text = json.dumps(content, sort_keys=True, separators=(",", ":"))
        _in_database(registry, CHANGE, text, ledger.run, f"{number:06d}")
    found = problems(ledger, registry.settled)
    assert "entry 2 is not the one that the registry names" in found
    assert sum("differs from its copy" in one for one in found) == 2


def test_a_copy_that_is_gone_or_changed_is_found(registry, tmp_path):
    ledger = write(registry, (PROMOTED, "1"), (REFUSED, "2"))
    one, two = (next(tmp_path.rglob(f"00000{number}.json")) for number in (1, 2))
    one.unlink()
    two.write_text(two.read_text().replace("because", "no reason"))
    found = problems(ledger, registry.settled)
    assert "the copy ledger/000001.json of entry 1 is gone" in found
    assert "entry 2 differs from its copy ledger/000002.json" in found
