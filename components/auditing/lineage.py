"""The lineage of a run as one document: every step's record, signed, and who made what each of them read.

{
  "format", "run", "model", "version",
  "records":  each step's record with its digest, its attestation, and where its outputs lay,
  "links":    each input, and the output that it is; `from` is null where no step made it,
  "sources":  steps that read the world outside, by their configuration,
  "packages": what was installed, by digest,
  "gate":     what the model was held to,
  "sha256":   of all the rest,
  "attestation": the signature under that digest
}
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NotRequired

from typing_extensions import TypedDict

from components.attesting.envelope import signed
from components.attesting.keys import Signer
from components.attesting.statement import statement_of_lineage
from components.promoting.gate import SHIPPED, load_gate
from components.stepping.digests import canonical, text_digest
from components.stepping.record import Carried, Record, check_form, read_carried, record_from
from voco_model.errors import VocoError
from voco_model.files import whole_file

FORMAT = 1
FILE = "audit.json"
EXPORTED = "exported"


@dataclass(frozen=True)
class Entry:
    """A step in the lineage."""

    record: Record
    sha256: str
    """The record's own digest when the lineage was written."""
    places: Mapping[str, str]
    """Output to where it lay then."""
    attestation: Mapping[str, Any] | None = None
    """The record's signed envelope; None where nobody could sign."""


@dataclass(frozen=True)
class Lineage:
    """The whole document."""

    entries: tuple[Entry, ...]
    run: str
    model: str | None
    """The registered model's name; None where nothing was registered."""
    version: str | None
    packages: Mapping[str, str]
    """Digest to `name==version` lines."""
    sealed: str
    """The digest that the document states of itself."""
    links: tuple[Mapping[str, Any], ...]
    sources: tuple[Mapping[str, Any], ...] = ()
    gate: Mapping[str, Any] | None = None
    """What the model was held to; None where it was not known any more."""
    attestation: Mapping[str, Any] | None = None

    def entry(self, name: str) -> Entry | None:
        """A step of the components, such as export."""
        return next((entry for entry in self.entries if entry.record.step == name), None)

    def step(self, name: str) -> Record | None:
        """The record of a step."""
        found = self.entry(name)
        return found.record if found else None

    @property
    def exported(self) -> str | None:
        """The digest of the folder that was registered."""
        made = self.step("export")
        return made.outputs[EXPORTED].sha256 if made and EXPORTED in made.outputs else None


class _Entry(TypedDict):
    record: dict[str, Any]
    sha256: str
    places: dict[str, str]
    attestation: NotRequired[dict[str, Any] | None]


class _Document(TypedDict):
    """What is read, field by field, before anything is believed of it."""

    format: int
    run: str
    model: str | None
    version: str | None
    records: list[_Entry]
    links: list[dict[str, str | None]]
    sources: list[dict[str, str]]
    packages: dict[str, str]
    gate: NotRequired[dict[str, Any] | None]
    sha256: str
    attestation: NotRequired[dict[str, Any] | None]


def gather(records: Mapping[str, Path], run: str) -> dict[str, Any]:
    """The document from the records' files, not signed yet."""
    files = [read_carried(path) for path in records.values()]
    found = [one.record for one in files]
    promoted = next((record for record in found if record.step == "promote"), None)
    values = promoted.values if promoted else {}
    document = {
        "format": FORMAT,
        "run": run,
        "model": values.get("model"),
        "version": values.get("version"),
        "records": [_entry(one, path) for one, path in zip(files, records.values(), strict=True)],
        "links": links(found),
        "sources": sources(found),
        "packages": {one.record.packages_sha256: one.packages for one in files if one.packages is not None},
        "gate": _gate(promoted),
    }
    return document | {"sha256": text_digest(json.loads(canonical(document)))}


def signed_lineage(document: Mapping[str, Any], signer: Signer | None) -> dict[str, Any]:
    """The document with a signature under its digest, where somebody can sign."""
    if signer is None:
        return {**document, "attestation": None}
    records = {one["record"]["task"]: one["sha256"] for one in document["records"]}
    statement = statement_of_lineage(document["sha256"], document["run"], records)
    return {**document, "attestation": signed(statement, signer)}


def links(records: list[Record]) -> list[dict[str, Any]]:
    """Every input, with the output that has the same bytes."""
    made = {content.sha256: f"{r.task}.{name}" for r in records for name, content in r.outputs.items()}
    return [
        {"task": r.task, "input": name, "sha256": content.sha256, "from": made.get(content.sha256)}
        for r in records
        for name, content in r.inputs.items()
    ]


def sources(records: list[Record]) -> list[dict[str, str]]:
    """Steps that no other's output went into: what they read is named by their settings."""
    return [{"task": r.task, "config_sha256": r.config_sha256} for r in records if not r.inputs]


def write_lineage(document: Mapping[str, Any], folder: Path) -> Path:
    """`audit.json` in a folder."""
    with whole_file(folder / FILE) as file:
        file.write_text(json.dumps(document, indent=1, sort_keys=True, ensure_ascii=False) + "\n", "utf-8")
    return folder / FILE


def read_lineage(path: Path) -> tuple[Lineage, str]:
    """A document, and the digest that it really has."""
    try:
        found = json.loads(path.read_text("utf-8"))
        if found.get("format") != FORMAT:
            raise VocoError(f"of format {found.get('format')}; this version reads {FORMAT}")
        check_form(_Document, found)
        sealed, attestation = found.pop("sha256"), found.pop("attestation", None)
        canonical(attestation)  # it has a digest
        entries = [
            Entry(record_from(e["record"]), e["sha256"], dict(e["places"]), e.get("attestation"))
            for e in found["records"]
        ]
        head = found["run"], found["model"], found["version"], dict(found["packages"])
        rest = tuple(found["links"]), tuple(found["sources"]), found.get("gate"), attestation
        return Lineage(tuple(entries), *head, sealed, *rest), text_digest(found)
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        why = " ".join(str(error).split())[:200]
        raise VocoError(f"{path}: not a run's lineage ({why}); give an audit.json") from None


def _places(record: Record, path: Path) -> dict[str, str]:
    """Runners put a step's outputs beside its record; what lies elsewhere is found in the remote."""
    beside = {name: path.absolute().parent / name for name in record.outputs}
    return {name: str(place) for name, place in beside.items() if place.exists()}


def _entry(one: Carried, path: Path) -> dict[str, Any]:
    record, places = one.record, _places(one.record, path)
    return {
        "record": asdict(record),
        "sha256": record.sha256,
        "attestation": one.attestation,
        "places": places,
    }


def _gate(promoted: Record | None) -> dict[str, Any] | None:
    """The gate as its file states it now, just after it was held to; a later audit goes by its digest."""
    if promoted is None:
        return None
    try:
        return load_gate(Path(promoted.config.get("gate") or SHIPPED)).model_dump(mode="json")
    except VocoError:
        return None
