"""A lineage is written, lies beside the version, and is found wrong whatever byte of it or below it is changed."""

import json
import shutil

import pytest

from components.attesting.keys import signer_here
from components.auditing.lineage import gather, signed_lineage, write_lineage
from components.check import step as check
from components.decide import step as decide
from components.promoting.registry import Registry
from components.stepping.job import Job
from pipelines.cli import main
from tests.components.auditing.runs import whole_run
from voco_model.errors import VocoError


@pytest.fixture
def ran(mlflow_uri, tmp_path, monkeypatch):
    whole_run(tmp_path, monkeypatch)
    return tmp_path


def audited(capsys, subject):
    """Status, and the items that are not right."""
    status = main(["audit", str(subject), "--deep", "--format", "json"])
    found = json.loads(capsys.readouterr().out)
    assert found["status"] == status
    return status, {f"{i['owner']} {i['name']}": i["verdict"] for i in found["items"] if i["verdict"] != "right"}


def test_a_run_that_nobody_touched_is_right_by_version_and_by_file(ran, mlflow_uri, capsys):
    assert audited(capsys, "voco-llama@champion") == (0, {})
    assert audited(capsys, "voco-llama/1") == (0, {})
    assert audited(capsys, ran / "out/audit/audit/audit.json") == (0, {})
    assert main(["audit", str(ran / "out/audit/audit/audit.json"), "--deep"]) == 0
    text = capsys.readouterr().out
    assert "✓ promote" in text
    assert text.rstrip().endswith("✗ 0, ? 0")
    version = Registry(mlflow_uri).by_alias("champion")
    document = json.loads((ran / "out/audit/audit/audit.json").read_text())
    assert version.tags["audit_sha256"] == document["sha256"]
    assert {link["from"] for link in document["links"]} >= {"ingest.data", "export.exported"}
    assert document["sources"][0]["task"] == "ingest"


def changed(path):
    content = path.read_bytes()
    path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))


def edited(ran, edit):
    """The document with something changed, sealed anew as a careful forger would."""
    from components.stepping.digests import text_digest

    path = ran / "out/audit/audit/audit.json"
    document = json.loads(path.read_text())
    document.pop("sha256")
    edit(document)
    path.write_text(json.dumps(document | {"sha256": text_digest(document)}))
    return path


def record_of(document, task):
    return next(one["record"] for one in document["records"] if one["record"]["task"] == task)


def test_changed_bytes_are_found_where_they_lie_and_in_the_remote(ran, capsys):
    path = ran / "out/audit/audit/audit.json"
    weights = ran / "out/export/exported/model/weights.bin"
    changed(weights)
    assert audited(capsys, path) == (1, {"export exported": "wrong"})
    changed(weights)
    (weights.parent / "more").write_text("")
    assert audited(capsys, path) == (1, {"export exported": "wrong"})
    (weights.parent / "more").unlink()
    (kept,) = [p for p in (ran / "remote").rglob("*") if p.is_file() and p.read_bytes() == weights.read_bytes()]
    changed(kept)
    assert audited(capsys, path) == (1, {"export exported": "wrong"})


def test_a_record_that_was_changed_before_the_audit_gathered_it_is_found(ran, tmp_path, capsys):
    """The forger comes between two steps, and the step audit signs what it is given: the step itself did not."""
    records = {task: ran / "out" / task / "record" for task in ("ingest", "validate", "export", "promote")}
    path = records["validate"]
    found = json.loads(path.read_text())
    for edit, said in (
        (lambda r: r["values"].update(passed="no"), {"validate attestation"}),
        (lambda r: r.update(attestation=None), {"validate attestation"}),
    ):
        changed_one = json.loads(json.dumps(found))
        edit(changed_one)
        path.write_text(json.dumps(changed_one))
        document = signed_lineage(gather(records, "run-1"), signer_here())
        status, wrong = audited(capsys, write_lineage(document, tmp_path / "again"))
        assert said <= wrong.keys()
        assert status == 1


def test_an_unsigned_run_is_no_pass(mlflow_uri, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "10.0.0.1")
    whole_run(tmp_path, monkeypatch)
    capsys.readouterr()
    status, found = audited(capsys, "voco-llama/1")
    assert status == 2
    assert set(found.values()) == {"unknown"}
    assert {"export attestation", "lineage signature"} <= found.keys()
    assert "attestation_sha256" not in Registry(mlflow_uri).by_number("1").tags


def test_without_deep_no_byte_is_read_and_the_answer_says_so(ran, capsys):
    changed(ran / "out/export/exported/model/weights.bin")
    assert main(["audit", str(ran / "out/audit/audit/audit.json")]) == 0
    text = capsys.readouterr().out
    assert "bytes not read" in text.splitlines()[0]
    assert "its bytes were not read" in text
    assert main(["audit", str(ran / "out/audit/audit/audit.json"), "--deep"]) == 1
    text = capsys.readouterr().out
    assert "✗ export" in text
    assert "not read" not in text


def test_the_json_lists_every_item_with_where_it_lies(ran, capsys):
    main(["audit", "voco-llama/1", "--deep", "--format", "json"])
    items = json.loads(capsys.readouterr().out)["items"]
    assert all(set(one) == {"owner", "name", "kind", "digest", "location", "verdict", "why"} for one in items)
    kinds = {one["kind"] for one in items}
    assert kinds >= {"attestation", "output", "input", "source", "code", "packages", "config", "record", "tag"}
    assert kinds >= {"evidence", "gate", "verdict", "validation"}
    own = next(one for one in items if (one["owner"], one["name"]) == ("export", "exported"))
    assert own["location"] == str(ran / "out/export/exported")


def test_what_is_gone_is_no_pass(ran, capsys):
    path = shutil.copy(ran / "out/audit/audit/audit.json", ran / "audit.json")
    shutil.rmtree(ran / "out")
    assert audited(capsys, path) == (0, {})  # all of it is in the remote
    shutil.rmtree(ran / "remote")
    status, found = audited(capsys, path)
    assert status == 2
    assert found["export exported"] == "unknown"


def test_an_edited_document_is_found_even_when_sealed_anew(ran, capsys):
    def relink(document):
        record_of(document, "promote")["inputs"]["data"]["sha256"] = "f" * 64

    status, found = audited(capsys, edited(ran, relink))
    assert status == 1
    assert {"promote record", "promote data", "lineage links"} <= set(found)
    path = edited(ran, lambda document: record_of(document, "export")["config"].update(seed=4))
    assert audited(capsys, path)[1].keys() >= {"export config", "export record"}
    path.write_text(path.read_text().replace('"run": "run-1"', '"run": "run-2"', 1))
    assert audited(capsys, path)[1]["lineage audit.json"] == "wrong"


def test_a_tag_of_the_registry_that_was_changed_is_found(ran, mlflow_uri, capsys):
    registry = Registry(mlflow_uri)
    version = registry.by_number("1")
    for tag in ("audit_sha256", "exported_sha256", "code_sha256", "gate"):
        registry.tag(version, {tag: "b" * 64})
        status, found = audited(capsys, "voco-llama")
        assert (status, found[f"registry {tag}"]) == (1, "wrong")
        registry.tag(version, {tag: version.tags[tag]})
    assert audited(capsys, "voco-llama") == (0, {})


def test_registered_bytes_that_were_changed_are_found_and_a_version_without_lineage_is_no_pass(
    ran, mlflow_uri, tmp_path, capsys
):
    registry = Registry(mlflow_uri)
    version = registry.by_number("1")
    changed(next((tmp_path / "mlartifacts").rglob("weights.bin")))
    assert audited(capsys, "voco-llama/1") == (1, {"registry model": "wrong"})
    registry.register(version.source, version.run, {})
    assert audited(capsys, "voco-llama/2") == (2, {"registry model": "unknown", "registry lineage": "unknown"})


def test_a_version_is_held_to_another_gate_and_its_lineage_stays_right(ran, mlflow_uri, tmp_path, capsys):
    strict, lax = tmp_path / "strict.yaml", tmp_path / "lax.yaml"
    strict.write_text("retention: [{n_voco: 8, at_least: 99, by: value}]")
    lax.write_text("cache: {n_voco: 8, at_most_share: 0.5}")
    assert main(["promote", "--gate", str(strict)]) == 1
    assert "not promoted" in capsys.readouterr().out
    assert main(["promote", "voco-llama/1", "--gate", str(lax)]) == 0
    assert "| cache bytes at N = 8 |" in capsys.readouterr().out
    tags = Registry(mlflow_uri).by_alias("champion").tags
    assert (tags["gate"], tags["gate.later"]) == ("promoted", "promoted")
    assert audited(capsys, "voco-llama") == (0, {})


def test_the_steps_decide_and_check(ran, mlflow_uri, tmp_path):
    decided = decide(Job("decide", {}, {}, {"verdict": tmp_path / "decided"}, tmp_path))
    assert decided.values["verdict"] == "promoted"
    settings = {"model": "voco-llama/1"}
    found = check(Job("check", settings, {}, {"tree": tmp_path / "tree"}, tmp_path))
    assert (found.values["status"], found.figures["unknown"]) == ("0", 0.0)
    changed(next((tmp_path / "mlartifacts").rglob("weights.bin")))
    with pytest.raises(VocoError, match="its lineage does not hold"):
        check(Job("check", settings, {}, {"tree": tmp_path / "tree"}, tmp_path))


def test_mistakes_are_one_line(ran, mlflow_uri, tmp_path, capsys, monkeypatch):
    for subject, said in (
        ("voco-llama@best", "no version has the alias best; there are /1, @challenger, @champion"),
        ("voco-llama/7", "no version 7"),
        ("other", "nothing is registered under that name"),
        ("a'b", "no name for a registered model"),
        (tmp_path / "absent.json", "not a run's lineage"),
        (tmp_path / "gate.yaml", "not a run's lineage"),
        (tmp_path / "out/ingest/record", "not a run's lineage"),
    ):
        assert main(["audit", str(subject)]) == 1
        error = capsys.readouterr().err
        assert said in error
        assert error.count("\n") == 1
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/none.db")
    assert main(["audit", "voco-llama"]) == 1
    assert "no registry there" in capsys.readouterr().err
    assert not (tmp_path / "none.db").exists()


def test_a_lineage_is_not_put_beside_a_version_of_other_bytes(ran, mlflow_uri, tmp_path, monkeypatch):
    registry = Registry(mlflow_uri)
    registry.tag(registry.by_number("1"), {"exported_sha256": "e" * 64})
    from components.audit import step
    from components.stepping.job import Job

    records = {task: tmp_path / "out" / task / "record" for task in ("ingest", "export", "promote")}
    with pytest.raises(VocoError, match="is not what this run exported"):
        step(Job("audit", {}, records, {"audit": tmp_path / "again"}, tmp_path))
