"""The record of a step: what it was given, what it made, by which code, each with its digest.

Its file carries what proves it, since on a cluster no other file would travel with it: beside the record's own
fields, `attestation` (the signed envelope) and `packages` (the list behind their digest).
"""

import json
import os
import platform
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any

from components.stepping.code import Code, code
from components.stepping.digests import Content, canonical, text_digest
from voco_model.errors import VocoError
from voco_model.files import whole_file

FORMAT = 1


@dataclass(frozen=True)
class Record:
    """One step of one run. Inputs and outputs are named as in the graph."""

    run: str
    """The pipeline run."""
    task: str
    step: str
    started: str
    """UTC, ISO 8601."""
    seconds: float
    config: Mapping[str, Any]
    config_sha256: str
    code: Code
    image: str | None
    """The container image with its digest; None on a machine without."""
    python: str
    packages_sha256: str
    """Over `name==version` lines of everything installed."""
    seed: int | None
    inputs: Mapping[str, Content]
    outputs: Mapping[str, Content]
    figures: Mapping[str, float]
    values: Mapping[str, str]
    kept: Mapping[str, str]
    """Output to where a copy is kept under its digest, such as a DVC remote; empty where nowhere."""
    format: int = FORMAT
    threads: int | None = None
    """That computed; with another number, sums come out otherwise. None in records older than this field."""

    @property
    def sha256(self) -> str:
        """What this record is called; one from before threads were recorded keeps the digest that it had."""
        said = asdict(self)
        if self.threads is None:
            del said["threads"]
        return text_digest(said)


@dataclass(frozen=True)
class Carried:
    """All that a record's file holds."""

    record: Record
    attestation: Mapping[str, Any] | None
    """The signed envelope; None where nobody could sign."""
    packages: str | None
    """`name==version` lines."""

    def write(self, path: Path) -> None:
        """One JSON file, always the same for the same record and key."""
        content = asdict(self.record) | {"attestation": self.attestation, "packages": self.packages}
        with whole_file(path) as temporary:
            temporary.write_text(json.dumps(content, indent=1, sort_keys=True) + "\n", "utf-8")


def read_record(path: Path) -> Record:
    """A record from its file."""
    return read_carried(path).record


def read_carried(path: Path) -> Carried:
    """A record and what proves it."""
    try:
        found = json.loads(path.read_text("utf-8"))
        beside = found.pop("attestation", None), found.pop("packages", None)
        return Carried(record_from(found), *beside)
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise VocoError(f"{path}: not a step's record ({error})") from None


def record_from(values: Mapping[str, Any]) -> Record:
    """A record from what its file holds; whatever else that is, raises what reading it raises."""
    if values.get("format") != FORMAT:
        raise VocoError(f"a record of format {values.get('format')}; this version reads {FORMAT}")
    check_form(Record, values)
    contents = {
        side: {name: Content.from_mapping(one) for name, one in values[side].items()}
        for side in ("inputs", "outputs")
    }
    return Record(**{**values, **contents, "code": Code(**values["code"])})


def check_form(kind: Any, values: Any) -> None:
    """Refuse what has not the fields of a kind, or has other types in them: nobody knows who wrote the file."""
    from pydantic import ValidationError

    try:
        _adapter(kind).validate_json(json.dumps(values), strict=True)
    except ValidationError as error:
        first = error.errors()[0]
        raise VocoError(f"{'.'.join(map(str, first['loc'])) or 'the whole'}: {first['msg'].lower()}") from None


@cache
def _adapter(kind: Any) -> Any:
    from pydantic import TypeAdapter  # steps write records, and read none

    return TypeAdapter(kind)


@cache
def packages() -> str:
    """`name==version` of everything installed, a line each."""
    found = {f"{d.metadata['Name']}=={d.version}" for d in metadata.distributions()}
    return "".join(f"{line}\n" for line in sorted(found, key=str.lower))


def config_digest(settings: Mapping[str, Any]) -> str:
    """What a section is called."""
    return text_digest(json.loads(canonical(settings)))


def environment() -> dict[str, Any]:
    """What a record says of where it was made."""
    return {
        "code": code(),
        "image": os.environ.get("VOCO_IMAGE") or None,
        "python": platform.python_version(),
        "packages_sha256": text_digest(packages()),
        "threads": threads(),
    }


def threads() -> int:
    """As many as torch computes with; where it is not loaded, as many as it would."""
    if (torch := sys.modules.get("torch")) is not None:
        return int(torch.get_num_threads())
    given = os.environ.get("OMP_NUM_THREADS", "")
    return int(given) if given.isdecimal() and int(given) else os.cpu_count() or 1
