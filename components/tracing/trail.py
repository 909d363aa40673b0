"""Everything that is known of what was made from what: lineages of registered versions, records of local runs."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from components.auditing.lineage import Entry
from components.promoting.registry import EXPORTED, existing_registry
from components.stepping.record import read_record
from components.tracing.subjects import be_patient, lineage_of
from components.tracking.figures import reachable
from components.tracking.runs import SQLITE, client_of
from voco_model.errors import VocoError

RECORDS = ("outputs/**/record", "runs/*/record.json")
"""Where local runs keep them, below their home."""
PAGE = 100


@dataclass(frozen=True)
class Model:
    """A registered version."""

    name: str
    version: str
    aliases: tuple[str, ...]
    exported: str | None
    """The digest of the folder that was registered."""

    def __str__(self) -> str:
        return " ".join([f"{self.name} version {self.version}", *(f"@{alias}" for alias in self.aliases)])


@dataclass(frozen=True)
class Trail:
    """All of it."""

    entries: tuple[Entry, ...]
    models: tuple[Model, ...]
    searched: tuple[str, ...]
    """What was looked through, in words."""
    missed: tuple[str, ...]
    """What should have been, and could not be; an answer without it is not whole."""


def known_trail(home: Path, uri: str) -> Trail:
    """From local runs below `home`, and the registry at `uri`."""
    missed: list[str] = []
    local = list(_local(home, missed))
    models, entries = _registered(uri, missed)
    runs = {entry.record.run for entry in local}
    searched = (
        f"{len(models)} registered {'version' if len(models) == 1 else 'versions'} ({uri})",
        f"{len(runs)} local {'run' if len(runs) == 1 else 'runs'} ({home})",
    )
    # A step that a later run did not do again is in both lineages; what lies here is known best here.
    once = {entry.record.sha256: entry for entry in [*entries, *local]}
    if not once and not models:
        raise VocoError(f"{home}: no run, and none is registered in {uri}; run `voco run`, or set VOCO_HOME")
    in_time = sorted(once.values(), key=lambda entry: entry.record.started)
    return Trail(tuple(in_time), tuple(models), searched, tuple(missed))


def _local(home: Path, missed: list[str]) -> Iterable[Entry]:
    for pattern in RECORDS:
        for path in sorted(home.glob(pattern)):
            try:
                record = read_record(path)
            except VocoError as error:
                missed.append(str(error))
                continue
            beside = {name: path.absolute().parent / name for name in record.outputs}
            yield Entry(record, record.sha256, {n: str(place) for n, place in beside.items() if place.exists()})


def _registered(uri: str, missed: list[str]) -> tuple[list[Model], list[Entry]]:
    """Every version of every model; a version without lineage may have seen anything."""
    if uri.startswith(SQLITE) and not Path(uri.removeprefix(SQLITE)).is_file():
        return [], []
    be_patient()
    models: list[Model] = []
    entries: list[Entry] = []
    for name, aliases in _names(uri):
        registry = existing_registry(uri, name)
        for version in registry.versions():
            own = tuple(sorted(alias for alias, number in aliases.items() if str(number) == version.number))
            models.append(Model(name, version.number, own, version.tags.get(EXPORTED)))
            try:
                entries += lineage_of(registry, version).entries
            except VocoError as error:
                missed.append(str(error))
    return models, entries


def _names(uri: str) -> list[tuple[str, Mapping[str, Any]]]:
    """All registered models with their aliases."""
    found: list[tuple[str, Mapping[str, Any]]] = []
    with reachable():
        client, token = client_of(uri), None
        while True:
            page = client.search_registered_models(max_results=PAGE, page_token=token)
            found += [(one.name, dict(one.aliases)) for one in page]
            if not (token := page.token):
                return found
