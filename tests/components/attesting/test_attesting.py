"""Attestations: signed, opened again, by whom, and with the key in no output."""

import base64
import json
import stat
import subprocess
import sys
from types import ModuleType

import pytest

from components.attesting.envelope import TYPE, opened, signed
from components.attesting.keys import MOUNTED, own_key, signer_here
from components.attesting.statement import statement_of
from components.attesting.trust import trusted_keys
from components.stepping.job import Done
from components.stepping.perform import Assignment, perform
from components.stepping.record import read_carried
from pipelines.local.containers import _key, open_to_steps
from voco_model.errors import VocoError


@pytest.fixture(autouse=True)
def alone(tmp_path, monkeypatch):
    names = ("VOCO_SPOOL", "VOCO_RUN", "VOCO_DVC_REMOTE", "MLFLOW_TRACKING_URI", "VOCO_IMAGE", "VOCO_WORK")
    for name in (*names, "VOCO_SIGNING_KEY_FILE", "VOCO_TRUSTED_KEYS", "KUBERNETES_SERVICE_HOST"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("VOCO_HOME", str(tmp_path / "home"))


@pytest.fixture
def toy(tmp_path, monkeypatch):
    """A step's record file."""
    module = ModuleType("components.toy")

    def step(job):
        job.outputs["model"].mkdir()
        (job.outputs["model"] / "weights").write_text("w")
        return Done({"loss": 1.5}, {"passed": "yes"})

    module.step = step
    monkeypatch.setitem(sys.modules, "components.toy", module)
    (tmp_path / "data").write_text("a")

    def do(name="out"):
        out = tmp_path / name
        inputs, outputs = {"data": tmp_path / "data"}, {"model": out / "model"}
        perform(Assignment("toy", "toy", {"seed": 7, "lr": 0.1}, inputs, outputs, out / "record"))
        return out / "record"

    return do


def test_a_step_says_what_it_made_from_what(toy, monkeypatch):
    monkeypatch.setenv("VOCO_RUN", "run-1")
    monkeypatch.setenv("VOCO_IMAGE", f"registry.example/voco@sha256:{'1' * 64}")
    carried = read_carried(toy())
    statement = opened(carried.attestation, trusted_keys()).statement
    record = carried.record
    assert statement["_type"] == "https://in-toto.io/Statement/v1"
    assert statement["predicateType"] == "https://slsa.dev/provenance/v1"
    assert [(one["name"], one["digest"]) for one in statement["subject"]] == [
        ("model", {"sha256": record.outputs["model"].sha256})
    ]
    definition, details = statement["predicate"]["buildDefinition"], statement["predicate"]["runDetails"]
    assert definition["externalParameters"] == {"step": "toy", "task": "toy", "config": {"seed": 7, "lr": 0.1}}
    wanted = {"data": "ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb"}  # sha256 of "a"
    wanted |= {"code": record.code.sha256, "image": "1" * 64, "packages": record.packages_sha256}
    assert {one["name"]: one["digest"]["sha256"] for one in definition["resolvedDependencies"]} == wanted
    assert details["metadata"]["invocationId"] == "run-1/toy"
    assert details["metadata"]["startedOn"] <= details["metadata"]["finishedOn"]
    assert details["byproducts"][0]["digest"]["sha256"] == record.sha256
    assert statement == statement_of(record)


def test_another_tool_verifies_the_signature_by_the_published_rule(toy, tmp_path):
    """DSSE's own encoding, put together here, and openssl: neither our code nor the library's."""
    envelope = read_carried(toy()).attestation
    payload = base64.b64decode(envelope["payload"])
    said = b"DSSEv1 %d %s %d %s" % (len(TYPE), TYPE.encode(), len(payload), payload)
    (tmp_path / "said").write_bytes(said)
    (tmp_path / "sig").write_bytes(base64.b64decode(envelope["signatures"][0]["sig"]))
    (public,) = (tmp_path / "home/keys/trusted").glob("*.pem")
    command = ["openssl", "pkeyutl", "-verify", "-pubin", "-inkey", public, "-rawin"]
    command += ["-in", tmp_path / "said", "-sigfile", tmp_path / "sig"]
    assert subprocess.run(command, capture_output=True, timeout=60).returncode == 0
    (tmp_path / "said").write_bytes(said + b" ")
    assert subprocess.run(command, capture_output=True, timeout=60).returncode != 0


def test_the_own_key_is_made_once_and_for_its_owner_alone(toy, tmp_path):
    first = signer_here().public_key.keyid
    assert signer_here().public_key.keyid == first == next(iter(trusted_keys()))
    assert stat.S_IMODE(own_key().stat().st_mode) == 0o600
    assert sorted(p.name for p in own_key().parent.iterdir()) == [own_key().name, "trusted"]
    open_to_steps(tmp_path / "home")
    assert stat.S_IMODE(own_key().stat().st_mode) == 0o600
    own_key().chmod(0o644)
    with pytest.raises(VocoError, match="others may read this private key"):
        toy()
    assert not (tmp_path / "out").exists()  # known before the work


def test_processes_that_start_at_once_make_one_key(tmp_path):
    code = "from components.attesting.keys import signer_here; print(signer_here().public_key.keyid)"
    started = [subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) for _ in range(4)]
    found = {one.communicate(timeout=120)[0] for one in started}
    assert len(found) == 1
    assert found != {""}
    assert len(list((tmp_path / "home/keys/trusted").iterdir())) == 1


def test_a_key_from_a_secret_signs_and_counts_where_it_is_trusted(toy, tmp_path, monkeypatch):
    key, public = tmp_path / "key.pem", tmp_path / "public.pem"
    subprocess.run(["openssl", "genpkey", "-algorithm", "ed25519", "-out", key], check=True, capture_output=True)
    subprocess.run(["openssl", "pkey", "-in", key, "-pubout", "-out", public], check=True, capture_output=True)
    monkeypatch.setenv("VOCO_SIGNING_KEY_FILE", str(key))
    envelope = read_carried(toy()).attestation
    assert not own_key().exists()
    assert "nobody here trusts" in opened(envelope, trusted_keys()).why
    monkeypatch.setenv("VOCO_TRUSTED_KEYS", str(public))
    assert opened(envelope, trusted_keys()).statement is not None
    public.write_bytes(public.read_bytes() * 2)
    assert len(trusted_keys()) == 1


def test_a_container_finds_the_key_that_is_named_where_a_pod_would(tmp_path, monkeypatch):
    assert _key() == []
    monkeypatch.setenv("VOCO_SIGNING_KEY_FILE", str(tmp_path / "key.pem"))
    (mount,) = _key()
    assert (mount["Source"], mount["Target"]) == (str(tmp_path / "key.pem"), str(MOUNTED / "key.pem"))
    assert mount["ReadOnly"]


def test_a_pod_without_a_key_signs_nothing_and_says_so(toy, tmp_path, monkeypatch, capfd):
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "10.0.0.1")
    assert read_carried(toy()).attestation is None
    assert "not signed: no key here; give one by VOCO_SIGNING_KEY_FILE" in capfd.readouterr().out
    assert not own_key().exists()


def test_a_step_that_makes_nothing_is_recorded_and_not_signed(toy, tmp_path, monkeypatch, capfd):
    toy()
    monkeypatch.setattr(sys.modules["components.toy"], "step", lambda job: Done())
    perform(Assignment("toy", "toy", {}, {}, {}, tmp_path / "nothing"))
    assert read_carried(tmp_path / "nothing").attestation is None
    assert "not signed: it made nothing" in capfd.readouterr().out


RSA = ["openssl", "genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048", "-out"]


@pytest.mark.parametrize("what", ["absent", "text", "rsa", "password", "half"])
def test_a_key_that_is_none_is_one_line_without_any_of_it(toy, tmp_path, monkeypatch, what):
    key = tmp_path / "key.pem"
    secret = b"CANARY" * 8
    if what == "rsa":
        subprocess.run([*RSA, key], check=True, capture_output=True, timeout=120)
    elif what == "password":
        making = ["openssl", "genpkey", "-algorithm", "ed25519", "-aes256", "-pass", "pass:CANARY", "-out", key]
        subprocess.run(making, check=True, capture_output=True)
    elif what != "absent":
        end = b"\n-----END PRIVATE KEY-----\n" if what == "half" else b""
        key.write_bytes((b"-----BEGIN PRIVATE KEY-----\n" if what == "half" else b"") + secret + end)
    monkeypatch.setenv("VOCO_SIGNING_KEY_FILE", str(key))
    with pytest.raises(VocoError) as caught:
        toy()
    assert str(key) in str(caught.value)
    assert "CANARY" not in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("text", ["", "no key", "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n"])
def test_a_trusted_key_that_is_none_is_one_line(tmp_path, monkeypatch, text):
    (tmp_path / "trusted.pem").write_text(text)
    monkeypatch.setenv("VOCO_TRUSTED_KEYS", str(tmp_path / "trusted.pem"))
    with pytest.raises(VocoError, match=r"trusted\.pem: (no public key|a public key cannot be read)") as caught:
        trusted_keys()
    assert "\n" not in str(caught.value)
    monkeypatch.setenv("VOCO_TRUSTED_KEYS", str(tmp_path / "absent"))
    with pytest.raises(VocoError, match="no such file or folder"):
        trusted_keys()


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        ({"_type": "https://in-toto.io/Statement/v0.1"}, "holds no in-toto statement"),
        ({"subject": []}, "holds no in-toto statement"),
        ({"more": 1}, "holds no in-toto statement"),
    ],
)
def test_what_is_signed_must_be_a_statement(toy, statement, said):
    record, signer = read_carried(toy()).record, signer_here()
    envelope = signed(statement_of(record) | statement, signer)
    assert said in opened(envelope, trusted_keys()).why


def test_an_envelope_that_is_none_is_no_pass(toy):
    good = read_carried(toy()).attestation
    two = good | {"signatures": good["signatures"] * 2}
    for bad in ({}, {"payload": 1}, good | {"payload": "!"}, good | {"signatures": "x"}, two, good | {"more": 1}):
        assert opened(bad, trusted_keys()).statement is None


def test_the_private_key_is_in_no_output(toy, tmp_path, capfd, monkeypatch):
    monkeypatch.setenv("VOCO_SPOOL", str(tmp_path / "spool"))
    monkeypatch.setenv("VOCO_OPENLINEAGE", str(tmp_path / "events.jsonl"))
    toy()
    body = "".join(own_key().read_text().splitlines()[1:-1])
    secrets = (body, base64.b64decode(body)[-32:].hex())
    written = [p for p in tmp_path.rglob("*") if p.is_file() and p != own_key()]
    assert {p.name for p in written} >= {"record", "events.jsonl"}
    out, err = capfd.readouterr()
    for text in (out, err, *(p.read_bytes().decode("utf-8", "replace") for p in written)):
        assert not any(secret in text for secret in secrets)
    assert json.loads((tmp_path / "events.jsonl").read_text().splitlines()[0])["eventType"] == "START"
