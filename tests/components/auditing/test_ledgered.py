"""An audit holds a version against the ledger: its entries, the aliases, the verdicts that they name."""

import json
import shutil
import sqlite3

import pytest

from components.promoting.moving import ENTRY_TAG
from components.promoting.registry import LEDGER_TAG, SETTLED_TAG, Registry
from pipelines.cli import main
from tests.components.auditing.runs import whole_run


@pytest.fixture
def audited(mlflow_uri, tmp_path, monkeypatch, capsys):
    """What an audit of the run's version calls by no other name than right."""
    monkeypatch.delenv("VOCO_TRUSTED_KEYS", raising=False)
    monkeypatch.delenv("VOCO_SIGNING_KEY_FILE", raising=False)
    whole_run(tmp_path, monkeypatch)

    def audit():
        capsys.readouterr()
        main(["audit", "voco-llama/1", "--format", "json"])
        items = json.loads(capsys.readouterr().out)["items"]
        return {f"{one['owner']} {one['name']}": one["verdict"] for one in items if one["verdict"] != "right"}

    assert audit() == {}
    return audit


@pytest.fixture
def registry(audited, mlflow_uri):
    return Registry(mlflow_uri)


def in_database(registry, command, *values):
    with sqlite3.connect(registry.uri.removeprefix("sqlite:///")) as database:
        database.execute(command, values)


@pytest.mark.parametrize(
    "field", ["who", "moment", "reason", "verdict_sha256", "gate_sha256", "previous", "after"]
)
def test_a_field_of_an_entry(audited, registry, field):
    ledger = registry.ledger()
    (text,) = ledger.texts().values()
    changed = json.dumps(json.loads(text) | {field: "0" * 64}, sort_keys=True, separators=(",", ":"))
    in_database(registry, "update params set value = ? where run_uuid = ? and key = '000001'", changed, ledger.run)
    assert audited()["ledger chain"] == "wrong"


def test_an_entry_that_is_gone(audited, registry):
    in_database(registry, "delete from params where run_uuid = ?", registry.ledger().run)
    assert audited()["ledger chain"] == "wrong"


def test_an_entry_in_no_place_of_its_own(audited, registry, tmp_path):
    next(tmp_path.rglob("ledger/000001.json")).write_text("{}\n")
    assert audited()["ledger chain"] == "wrong"


def test_an_alias_moved_by_hand(audited, registry, tmp_path):
    other = registry.register(tmp_path.as_uri(), registry.by_number("1").run, {})
    registry.name_it("champion", other)
    assert audited()["ledger aliases"] == "wrong"
    registry.name_it("champion", registry.by_number("1"))
    registry.name_it("previous", other)
    assert audited()["ledger aliases"] == "wrong"


def test_the_version_names_another_entry(audited, registry):
    registry.tag(registry.by_number("1"), {ENTRY_TAG: "0" * 64})
    assert audited() == {f"ledger {ENTRY_TAG}": "wrong"}


def test_the_verdict_that_an_entry_names(audited, registry, tmp_path):
    kept = next(tmp_path.rglob("verdicts/*/verdict.json"))
    kept.write_text(kept.read_text().replace("true", "false", 1))
    assert audited() == {"ledger verdict of entry 1": "wrong"}
    shutil.rmtree(kept.parent)
    assert audited() == {"ledger verdict of entry 1": "unknown"}


def test_another_ledger_is_put_in_its_place(audited, registry):
    run = registry._new_ledger()
    in_database(registry, "update registered_model_tags set value = ? where key = ?", run, LEDGER_TAG)
    assert audited()["ledger chain"] == "wrong"


def test_without_a_ledger_nothing_passes(audited, registry):
    in_database(registry, "delete from registered_model_tags where key in (?, ?)", LEDGER_TAG, SETTLED_TAG)
    assert audited() == {"ledger chain": "unknown"}
