"""Whatever is changed of a run, an audit finds it and names it; of runs that nobody touched, it says nothing."""

import json
import shutil

import pytest

from components.auditing.checking import check
from components.auditing.lineage import read_lineage
from components.auditing.page import page
from components.promoting.registry import Registry
from components.stepping.digests import text_digest
from pipelines.cli import main
from tests.components.auditing import tampering
from tests.components.auditing.runs import whole_run
from tests.components.auditing.tampering import (
    DOCUMENTS,
    ENVELOPES,
    RECORDS,
    TAGS,
    TASKS,
    World,
    entry_of,
    flip,
    in_remote,
    kept,
    record_of,
    registered,
    reseal,
    tagged,
)
from voco_model.errors import VocoError

OUTPUTS = {
    "ingest": "data/data.json",
    "validate": "report/result.json",
    "summarise": "tables/tables.json",
    "profile": "efficiency/efficiency.json",
    "export": "exported/model/weights.bin",
    "promote": "verdict/verdict.json",
}
EVIDENCE = {
    "tables.json": "promotion tables",
    "items.parquet": "promotion tables",
    "efficiency.json": "promotion efficiency",
    "result.json": "promotion report",
}
NAMES = {task: f"{task} {file.split('/')[0]}" for task, file in OUTPUTS.items()}


@pytest.fixture(scope="module")
def world(mlflow_template, tmp_path_factory):
    """Two runs; what a test changes, it puts back."""
    root = tmp_path_factory.mktemp("world")
    uri = f"sqlite:///{root / 'mlflow.db'}"
    shutil.copyfile(mlflow_template, root / "mlflow.db")
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("VOCO_TRUSTED_KEYS", raising=False)
        patch.delenv("VOCO_SIGNING_KEY_FILE", raising=False)
        patch.setenv("VOCO_HOME", str(root / "home"))
        patch.setenv("MLFLOW_TRACKING_URI", uri)
        for name in ("one", "two"):
            whole_run(root / name, patch, run=f"run-{name}")
        yield World(root, uri)


@pytest.fixture
def wrong(capsys):
    """What an audit calls wrong."""

    def audit(subject, *more):
        capsys.readouterr()
        status = main(["audit", str(subject), "--format", "json", *(more or ("--deep",))])
        found = json.loads(capsys.readouterr().out)
        names = {f"{one['owner']} {one['name']}" for one in found["items"] if one["verdict"] == "wrong"}
        assert (status == 1) == bool(names)
        return names

    return audit


def edited(world, edit, **how):
    path = world.root / "edited.json"
    document = json.loads(world.document.read_text())
    edit(document)
    path.write_text(json.dumps(reseal(document, **how)))
    return path


def test_there_are_at_least_forty():
    bytes_of = len(OUTPUTS) * 3 + len(EVIDENCE) + 3
    assert len(RECORDS) + len(ENVELOPES) + len(DOCUMENTS) + len(TAGS) + bytes_of >= 40


def test_untouched_is_right_in_every_form(world, wrong):
    assert wrong("voco-llama/1") == wrong(world.document) == wrong("voco-llama/1", "--format", "json") == set()


@pytest.mark.parametrize("name", RECORDS)
def test_a_field_of_a_record(world, wrong, name):
    path = edited(world, lambda document: RECORDS[name](record_of(document, "export")))
    assert {"export attestation", "lineage signature"} <= wrong(path)
    assert "export attestation" in wrong(path, "--format", "json")


@pytest.mark.parametrize("name", ENVELOPES)
def test_an_attestation(world, wrong, name):
    assert "export attestation" in wrong(edited(world, ENVELOPES[name]))


def paths(value, above=()):
    """To every field of a document; of a list, to its first."""
    if isinstance(value, dict | list):
        for key in value if isinstance(value, dict) else range(min(1, len(value))):
            yield (*above, key)
            yield from paths(value[key], (*above, key))


def test_every_single_field_is_sealed_and_whatever_stands_there_is_no_traceback(world):
    """By a forger who seals anew but cannot sign: anything in the place of anything."""
    whole, path = json.loads(world.document.read_text()), world.root / "edited.json"
    tried, refused = 0, []
    for where in paths(whole):
        for number, other in enumerate((None, 5, "x", [], {"a": 1}, float("inf"))):
            document = json.loads(json.dumps(whole))
            place = document
            for key in where[:-1]:
                place = place[key]
            if place[where[-1]] == other or where in (("attestation",), ("sha256",)):
                continue
            place[where[-1]] = other
            sealing = {key: value for key, value in document.items() if key not in ("sha256", "attestation")}
            if number != 5:
                document["sha256"] = text_digest(sealing)
            path.write_text(json.dumps(document))
            tried += 1
            try:
                lineage, sha256 = read_lineage(path)
            except VocoError as error:
                refused.append(str(error))
                continue
            items = list(check(lineage, sha256, "here", deep=False))
            assert any(one.verdict == "wrong" for one in items), (where, other)
            page("", items, lineage)
    assert tried > 400
    assert 100 < len(refused) < tried
    assert not any("\n" in line for line in refused)


def test_another_runs_attestation_and_record_are_replayed(world, wrong):
    def attestation(document):
        tampering.swap(document, entry_of(world.other, "ingest")["attestation"], "ingest")

    def whole(document):
        entry_of(document, "ingest").update(entry_of(world.other, "ingest"))

    assert "ingest attestation" in wrong(edited(world, attestation))
    assert "lineage signature" in wrong(edited(world, whole))


@pytest.mark.parametrize("name", DOCUMENTS)
def test_a_field_of_the_document(world, wrong, name):
    edit, said = DOCUMENTS[name]
    assert {said, "lineage signature"} <= wrong(edited(world, edit))


def test_a_document_that_was_not_sealed_anew(world, wrong):
    path = world.root / "edited.json"
    path.write_text(world.document.read_text().replace('"run": "run-one"', '"run": "run-two"', 1))
    assert "lineage audit.json" in wrong(path)


@pytest.mark.parametrize("name", TAGS)
def test_a_tag(world, wrong, name):
    with tagged(world, name, "9" * 64):
        assert f"registry {name}" in wrong("voco-llama/1")


@pytest.mark.parametrize("task", TASKS)
def test_a_byte_of_an_output(world, wrong, task):
    path = world.root / "one/out" / task / OUTPUTS[task]
    with kept(path):
        flip(path)
        assert NAMES[task] in wrong(world.document)


@pytest.mark.parametrize("task", TASKS)
def test_a_file_more_among_an_output_is_seen_even_where_no_byte_is_read(world, wrong, task):
    folder = (world.root / "one/out" / task / OUTPUTS[task]).parent
    with kept(folder):
        (folder / "more").write_text("")
        assert NAMES[task] in wrong(world.document)
        assert NAMES[task] in wrong(world.document, "--format", "json")


@pytest.mark.parametrize("task", TASKS)
def test_a_byte_of_the_remotes_copy(world, wrong, task):
    path = in_remote(world, world.root / "one/out" / task / OUTPUTS[task])
    with kept(path):
        flip(path)
        assert NAMES[task] in wrong(world.document)


def test_a_byte_of_a_folders_list_in_the_remote(world, wrong):
    _, _, md5 = record_of(json.loads(world.document.read_text()), "export")["kept"]["exported"].rpartition("#")
    path = world.root / "one/remote/files/md5" / md5[:2] / md5[2:]
    with kept(path):
        path.write_bytes(path.read_bytes().replace(b" ", b"  ", 1))
        assert "export exported" in wrong(world.document)


@pytest.mark.parametrize("name", EVIDENCE)
def test_a_byte_of_the_registrys_evidence(world, wrong, name):
    where = Registry(world.uri).by_number("1").tags["evidence"].rpartition("/")[2]
    path = next(p for p in world.root.rglob(name) if where in p.parts)
    with kept(path):
        flip(path)
        assert EVIDENCE[name] in wrong("voco-llama/1")


def test_a_byte_of_the_registrys_model_and_lineage(world, wrong):
    for name, said in (("weights.bin", "registry model"), ("audit.json", "lineage audit.json")):
        path = registered(world, name)
        with kept(path):
            content = path.read_bytes()
            path.write_bytes(
                content[:-1] + b"x" if name == "weights.bin" else content.replace(b"run-one", b"run-onf")
            )
            assert said in wrong("voco-llama/1")


def test_a_gate_that_was_made_easier_is_not_the_one_of_the_verdict(world, wrong):
    path = registered(world, "audit.json")
    with kept(path):
        document = json.loads(path.read_text())
        document["gate"]["retention"][0]["at_least"] = 1.0
        path.write_text(json.dumps(reseal(document)))
        assert "promotion gate" in wrong("voco-llama/1")


def test_a_verdict_that_the_results_do_not_give(world, wrong, monkeypatch):
    """Even one that its step wrote itself: it is reckoned again."""
    path = world.root / "one/out/promote/verdict/verdict.json"
    with kept(path):
        said = json.loads(path.read_text())
        said["criteria"][0]["found"] = "99.9"
        path.write_text(json.dumps(said))
        assert "promotion verdict" in wrong("voco-llama/1")
        path.write_text(json.dumps(said | {"met": False}))
        assert "promotion verdict" in wrong("voco-llama/1")  # promoted without meeting the gate
        path.write_text(json.dumps(said | {"outcome": "not promoted"}))
        assert "promotion outcome" in wrong("voco-llama/1")


def test_a_validation_of_other_data(world, wrong):
    def other(document):
        found = record_of(world.other, "profile")["outputs"]["efficiency"]
        record_of(document, "validate")["inputs"]["data"] = found

    assert "validate validation" in wrong(edited(world, other))


def test_an_image_by_its_name_alone_and_a_commit_without_the_step(world, wrong):
    def edit(document):
        record_of(document, "export").update(image="voco:latest", step="nothing")

    assert {"export image", "export code"} <= wrong(edited(world, edit))


def test_nobody_is_trusted_who_is_not_listed(world, wrong, monkeypatch):
    from components.attesting.keys import _public
    from components.attesting.library import CryptoSigner

    other = world.root / "other.pem"
    other.write_bytes(_public(CryptoSigner.generate_ed25519()))
    monkeypatch.setenv("VOCO_TRUSTED_KEYS", str(other))
    assert {*(f"{task} attestation" for task in TASKS), "lineage signature"} <= wrong(world.document)


@pytest.mark.integration  # a minute
def test_twenty_runs_that_nobody_touched_are_right(mlflow_uri, tmp_path, monkeypatch, wrong, capsys):
    """Of all kinds: promoted and refused, with and without a champion to be held against."""
    champion = {"champion": {"n_voco": 8, "margin": 5.0, "by": "low"}}
    for number in range(20):
        right, retention = range(24 + number % 12), (55.0 + number, 50.0, 90.0)
        left = {"right": right, "retention": retention, "passed": number % 7 != 6}
        whole_run(
            tmp_path / str(number), monkeypatch, f"run-{number}", gate=champion if number % 2 else {}, **left
        )
        capsys.readouterr()
        for deep in ([], ["--deep"]):
            assert main(["audit", f"voco-llama/{number + 1}", *deep]) == 0, capsys.readouterr().out
            capsys.readouterr()
    assert main(["audit", "voco-llama/1", "--deep"]) == 0
