"""What a forger might change of a run, each with the things that an audit must call wrong."""

import json
from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from components.attesting.envelope import opened, signed
from components.attesting.library import CryptoSigner
from components.attesting.trust import trusted_keys
from components.auditing.lineage import links
from components.promoting.registry import Registry
from components.stepping.digests import text_digest
from components.stepping.record import config_digest, record_from

TASKS = ("ingest", "validate", "summarise", "profile", "export", "promote")


@dataclass(frozen=True)
class World:
    """An untouched run, and a second one to take things from."""

    root: Path
    uri: str

    @property
    def document(self) -> Path:
        return self.root / "one/out/audit/audit/audit.json"

    @property
    def other(self) -> dict[str, Any]:
        return json.loads((self.root / "two/out/audit/audit/audit.json").read_text())


def flip(path: Path) -> None:
    """One bit of the last byte but one: of a JSON file, not its line break alone."""
    content = bytearray(path.read_bytes())
    content[max(0, len(content) - 2)] ^= 1
    path.write_bytes(content)


def record_of(document: dict[str, Any], task: str) -> dict[str, Any]:
    return entry_of(document, task)["record"]


def entry_of(document: dict[str, Any], task: str) -> dict[str, Any]:
    return next(one for one in document["records"] if one["record"]["task"] == task)


def reseal(document: dict[str, Any], *, records: bool = True) -> dict[str, Any]:
    """All digests as they would be, had the document been written so; the signatures stay what they were."""
    signature = document.pop("attestation", None)
    document.pop("sha256", None)
    if records:
        for entry in document["records"]:
            entry["sha256"] = record_from(entry["record"]).sha256
        document["links"] = links([record_from(one["record"]) for one in document["records"]])
    return document | {"sha256": text_digest(document), "attestation": signature}


@contextmanager
def kept(path: Path):
    """What a file or folder holds is put back; new files of the folder are taken away."""
    before = {p: p.read_bytes() for p in ([path] if path.is_file() else path.rglob("*")) if p.is_file()}
    try:
        yield
    finally:
        for p in [path] if path.is_file() else list(path.rglob("*")):
            if p.is_file() and p not in before:
                p.unlink()
        for p, content in before.items():
            p.write_bytes(content)


Edit = Callable[[dict[str, Any]], Any]


def settings_changed(record: dict[str, Any]) -> None:
    record["config"]["seed"] = 4
    record["config_sha256"] = config_digest(record["config"])


RECORDS: dict[str, Edit] = {
    "run": lambda r: r.update(run="run-9"),
    "step": lambda r: r.update(step="profiles"),
    "started": lambda r: r.update(started="2020-01-01T00:00:00.000+00:00"),
    "started to no time": lambda r: r.update(started="yesterday"),
    "seconds": lambda r: r.update(seconds=r["seconds"] + 1),
    "settings": settings_changed,
    "seed": lambda r: r.update(seed=4),
    "commit": lambda r: r["code"].update(commit="d" * 40),
    "code": lambda r: r["code"].update(sha256="d" * 64),
    "clean or dirty": lambda r: r["code"].update(dirty=True),
    "image": lambda r: r.update(image=f"voco@sha256:{'d' * 64}"),
    "python": lambda r: r.update(python="3.10.0"),
    "packages": lambda r: r.update(packages_sha256="d" * 64),
    "input digest": lambda r: r["inputs"]["data"].update(sha256="d" * 64),
    "input left out": lambda r: r["inputs"].pop("tables"),
    "input of another name": lambda r: r["inputs"].update(more=r["inputs"]["data"]),
    "output digest": lambda r: r["outputs"]["exported"].update(sha256="d" * 64),
    "output md5": lambda r: r["outputs"]["exported"].update(md5="d" * 32),
    "output size": lambda r: r["outputs"]["exported"].update(bytes=1),
    "output files": lambda r: r["outputs"]["exported"].update(files=99),
    "output kind": lambda r: r["outputs"]["exported"].update(kind="file"),
    "figure": lambda r: r["figures"].update(answer=43.0),
    "value": lambda r: r["values"].update(said="yes"),
    "kept": lambda r: r["kept"].update(exported="elsewhere#0"),
}
"""Of the export's record; every digest is made to fit, so that the signature alone can tell."""


def swap(document: dict[str, Any], other: dict[str, Any], task: str) -> None:
    entry_of(document, task)["attestation"] = other


def of_envelope(change: Edit) -> Edit:
    return lambda document: change(entry_of(document, "export")["attestation"])


def bit(text: str, at: int) -> str:
    return text[:at] + ("A" if text[at] != "A" else "B") + text[at + 1 :]


def resigned(document: dict[str, Any]) -> None:
    """By a key of the forger's own, over a record of the forger's own."""
    entry = entry_of(document, "export")
    statement = opened(entry["attestation"], trusted_keys()).statement
    entry["attestation"] = signed(statement, CryptoSigner.generate_ed25519())


def impersonated(document: dict[str, Any]) -> None:
    """The same, under the name of the key that is trusted."""
    entry = entry_of(document, "export")
    keyid = entry["attestation"]["signatures"][0]["keyid"]
    resigned(document)
    entry["attestation"]["signatures"][0]["keyid"] = keyid


ENVELOPES: dict[str, Edit] = {
    "payload": of_envelope(lambda e: e.update(payload=bit(e["payload"], 100))),
    "payload type": of_envelope(lambda e: e.update(payloadType="application/json")),
    "signature": of_envelope(lambda e: e["signatures"][0].update(sig=bit(e["signatures"][0]["sig"], 9))),
    "key id": of_envelope(lambda e: e["signatures"][0].update(keyid="d" * 64)),
    "no signature": of_envelope(lambda e: e.update(signatures=[])),
    "no envelope": lambda d: entry_of(d, "export").update(attestation={"yes": 1}),
    "another step's": lambda d: swap(d, entry_of(d, "profile")["attestation"], "export"),
    "another key": resigned,
    "another key, the same name": impersonated,
}

DOCUMENTS: dict[str, tuple[Edit, str]] = {
    "run": (lambda d: d.update(run="run-9"), "lineage run"),
    "model": (lambda d: d.update(model="other"), "lineage signature"),
    "version": (lambda d: d.update(version="2"), "lineage signature"),
    "a record left out": (lambda d: d["records"].remove(entry_of(d, "validate")), "promote report"),
    "sources": (lambda d: d.update(sources=[]), "lineage sources"),
    "packages": (
        lambda d: d["packages"].update({k: v + "x==1\n" for k, v in d["packages"].items()}),
        "export packages",
    ),
    "gate": (lambda d: d["gate"]["retention"][0].update(at_least=1.0), "lineage signature"),
    "places": (lambda d: entry_of(d, "export")["places"].clear(), "lineage signature"),
    "places elsewhere": (
        lambda d: entry_of(d, "export").update(
            places={"exported": entry_of(d, "profile")["places"]["efficiency"]}
        ),
        "export exported",
    ),
}

TAGS = (
    *("audit", "audit_sha256", "attestation_sha256", "exported_sha256", "evidence", "code_sha256", "code_commit"),
    *("config_sha256", "data_version", "gate", "gate.reason", "voco.run"),
)


@contextmanager
def tagged(world: World, name: str, value: str):
    registry = Registry(world.uri)
    version = registry.by_number("1")
    registry.tag(version, {name: value})
    try:
        yield
    finally:
        registry.tag(version, {name: version.tags[name]})


def registered(world: World, name: str) -> Path:
    """A file that the registry keeps for version 1: the first of that name in the order of the runs."""
    version = Registry(world.uri).by_number("1")
    root = Path(version.source.removeprefix("file://")).parents[1]
    return next(path for path in sorted(root.rglob(name)) if path.is_file())


def in_remote(world: World, path: Path) -> Path:
    """The object that holds the same bytes."""
    content = path.read_bytes()
    return next(p for p in (world.root / "one/remote").rglob("*") if p.is_file() and p.read_bytes() == content)
