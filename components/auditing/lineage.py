"""The lineage of a run as one document: every step's record, and who made what each of them read.

{
  "format", "run", "model", "version",
  "records":  each step's record with its digest and where its outputs lay,
  "links":    each input, and the output that it is; `from` is null where no step made it,
  "sources":  steps that read the world outside, by their configuration,
  "packages": what was installed, by digest,
  "sha256":   of all the rest
}
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from components.stepping.digests import canonical, text_digest
from components.stepping.record import Record, packages, read_record, record_from
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

    def step(self, name: str) -> Record | None:
        """The record of a step of the components, such as export."""
        return next((entry.record for entry in self.entries if entry.record.step == name), None)

    @property
    def exported(self) -> str | None:
        """The digest of the folder that was registered."""
        made = self.step("export")
        return made.outputs[EXPORTED].sha256 if made and EXPORTED in made.outputs else None


def gather(records: Mapping[str, Path], run: str) -> dict[str, Any]:
    """The document from the records' files."""
    found = [read_record(path) for path in records.values()]
    places = [_places(record, path) for record, path in zip(found, records.values(), strict=True)]
    promoted = next((record.values for record in found if record.step == "promote"), {})
    document = {
        "format": FORMAT,
        "run": run,
        "model": promoted.get("model"),
        "version": promoted.get("version"),
        "records": [
            {"record": asdict(record), "sha256": record.sha256, "places": where}
            for record, where in zip(found, places, strict=True)
        ],
        "links": links(found),
        "sources": [{"task": r.task, "config_sha256": r.config_sha256} for r in found if not r.inputs],
        "packages": _packages(found),
    }
    return document | {"sha256": text_digest(json.loads(canonical(document)))}


def links(records: list[Record]) -> list[dict[str, Any]]:
    """Every input, with the output that has the same bytes."""
    made = {content.sha256: f"{r.task}.{name}" for r in records for name, content in r.outputs.items()}
    return [
        {"task": r.task, "input": name, "sha256": content.sha256, "from": made.get(content.sha256)}
        for r in records
        for name, content in r.inputs.items()
    ]


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
            raise VocoError(f"{path}: a lineage of format {found.get('format')}; this version reads {FORMAT}")
        sealed = found.pop("sha256")
        entries = [Entry(record_from(e["record"]), e["sha256"], dict(e["places"])) for e in found["records"]]
        head = found["run"], found["model"], found["version"], dict(found["packages"])
        return Lineage(tuple(entries), *head, sealed, tuple(found["links"])), text_digest(found)
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        if isinstance(error, VocoError):
            raise
        raise VocoError(f"{path}: not a run's lineage ({error}); give an audit.json") from None


def _places(record: Record, path: Path) -> dict[str, str]:
    """Runners put a step's outputs beside its record; what lies elsewhere is found in the remote."""
    beside = {name: path.absolute().parent / name for name in record.outputs}
    return {name: str(place) for name, place in beside.items() if place.exists()}


def _packages(records: list[Record]) -> dict[str, str]:
    """The list behind the digest, for those that ran where this one runs."""
    digest = text_digest(packages())
    return {digest: packages()} if digest in {record.packages_sha256 for record in records} else {}
