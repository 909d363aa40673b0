"""All data sets of a pipeline's run in one folder: which there are, where each comes from, what state that is in.

data/
  captions/ instructions/ ...   ingested data sets
  benchmarks/NAME/              official files as they are
  data.json                     every set's version, and one for the whole
"""

import json
import os
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from components.ingest import IngestConfig, ingest
from components.ingesting.config import IngestReport
from components.sources import open_source
from components.stepping.digests import content_of, text_digest
from voco_model.data.media import MediaFault
from voco_model.errors import VocoError

SMALL_WORLD = "small-world"
"""As a source: the world is drawn here, by the settings in `world`."""
WORLD_KEYS = {"seed", "images", "clips", "level"}
KEYS = {"source", "world", "sets", "benchmarks", "endpoint_url", "workers", "seed", "sources"}
SET_KEYS = {field.name for field in fields(IngestConfig)} - {"name", "out", "previous", "pins"}
BENCHMARKS, SUMMARY = "benchmarks", "data.json"
IMAGES = "images.parquet"
"""Beside the benchmarks: the list of all their pictures."""
DRAWN = 946_684_800
"""The time of change that drawn files are given, so that the same world is the same data set."""


@dataclass(frozen=True)
class Sets:
    """The section `ingest` of the parameters, checked."""

    settings: Mapping[str, Any]

    def __post_init__(self) -> None:
        _known(self.settings, KEYS, "ingest")
        _known(self.settings.get("world", {}), WORLD_KEYS, "ingest.world")
        _known(self.settings.get("benchmarks", {}), {"source", "names"}, "ingest.benchmarks")
        for name, one in self.settings.get("sets", {}).items():
            _known(one, SET_KEYS, f"ingest.sets.{name}")
            for key in ("kind", "annotations"):
                if key not in one:
                    raise VocoError(f"ingest.sets.{name}: {key} is missing; say which")
        if not self.settings.get("sets"):
            raise VocoError("ingest: sets is empty; name at least one data set")
        for name in {self.source_of(one) for one in self.sets.values()}:
            if not name:
                raise VocoError("ingest: source is missing; give small-world, a folder, s3://... or http(s)://...")

    @property
    def sets(self) -> dict[str, dict[str, Any]]:
        """Each data set's own settings."""
        return dict(self.settings["sets"])

    def source_of(self, one: Mapping[str, Any]) -> str:
        """A set's own source, or the common one."""
        return str(one.get("source") or self.settings.get("source") or "")

    @property
    def benchmarks(self) -> tuple[str, tuple[str, ...]]:
        """Where the official files lie, and which are taken."""
        section = self.settings.get("benchmarks", {})
        return str(section.get("source") or self.settings.get("source") or ""), tuple(section.get("names", ()))

    @property
    def world(self) -> dict[str, Any]:
        """What is drawn."""
        return {"seed": 0, "images": 2000, "clips": 200, "level": 2} | dict(self.settings.get("world", {}))

    def state(self, cache: Path) -> str:
        """One digest of what all sources hold now, by listing them."""
        found: dict[str, Any] = {"sets": self.sets, "benchmarks": list(self.benchmarks[1])}
        if self._draws():
            found["world"] = self.world
        for name, one in self.sets.items():
            if self.source_of(one) != SMALL_WORLD:
                below = str(one.get("media", ""))
                found[name] = _listing(self.source_of(one), below, str(one["annotations"]), cache, self.settings)
        source, names = self.benchmarks
        if source != SMALL_WORLD:
            found[BENCHMARKS] = {name: _listing(source, name, "", cache, self.settings) for name in names}
        return text_digest(found)

    def make(self, out: Path, work: Path, previous: Path | None) -> dict[str, IngestReport]:
        """Ingest everything into `out`; an earlier `out` saves reading what did not change."""
        world = self.drawn(work)
        reports = {}
        for name, one in self.sets.items():
            source = self.source_of(one)
            drawn = source == SMALL_WORLD
            earlier = previous / name if previous and (previous / name / "dataset.json").is_file() else None
            common = {k: self.settings[k] for k in ("endpoint_url", "workers") if k in self.settings}
            own = common | one | {"name": name, "out": out / name, "previous": earlier}
            own |= {"source": str(world), "source_name": SMALL_WORLD} if drawn else {"source": source}
            reports[name] = ingest(IngestConfig.from_mapping(own))
            (out / f".{name}.lock").unlink(missing_ok=True)
        self.take_benchmarks(out / BENCHMARKS, work, world)
        _summarise(out, reports)
        return reports

    def _draws(self) -> bool:
        return SMALL_WORLD in {*(self.source_of(one) for one in self.sets.values()), self.benchmarks[0]}

    def drawn(self, work: Path) -> Path | None:
        """The small world, made once in a folder for the same settings; None where nothing comes from it."""
        if not self._draws():
            return None
        from data.world.make import make_world

        folder = work / "world"
        if not (folder / "world.json").is_file():
            shutil.rmtree(folder, ignore_errors=True)
            make_world(folder, **self.world)
            for path in folder.rglob("*"):
                os.utime(path, (DRAWN, DRAWN))
        return folder

    def take_benchmarks(self, out: Path, work: Path, world: Path | None, only: str | None = None) -> None:
        """The official files, as they are."""
        source, names = self.benchmarks
        names = (only,) if only else names
        if not names:
            return
        root = str(world / BENCHMARKS) if source == SMALL_WORLD and world else source
        for name in names:
            if "://" not in root and not Path(root, name).is_dir() and name != IMAGES:
                there = sorted(p.name for p in Path(root).iterdir() if p.is_dir()) if Path(root).is_dir() else []
                raise VocoError(f"{root}: no folder {name}; there are {', '.join(there) or 'none'}")
        if "://" in root:
            _fetch(root, names, out, work / "fetched", self.settings)
            return
        for name in (*names, IMAGES):
            if Path(root, name).is_dir():
                shutil.copytree(Path(root, name), out / name, symlinks=False)
            elif Path(root, name).is_file():
                shutil.copy2(Path(root, name), out / name)


def _known(given: Mapping[str, Any], keys: set[str], where: str) -> None:
    if unknown := sorted(set(given) - keys):
        raise VocoError(f"{where}: unknown setting {unknown[0]}; there are {', '.join(sorted(keys))}")


def _listing(source: str, below: str, file: str, cache: Path, settings: Mapping[str, Any]) -> Any:
    """The state of one file, and of everything below a folder where the source can list."""
    opened = open_source(source, cache, listed=below, endpoint_url=settings.get("endpoint_url"))
    try:
        stamp = opened.stamp(file) if file else None
        if isinstance(stamp, MediaFault):
            raise VocoError(f"{source.rstrip('/')}/{file}: {stamp.reason}")
        entries = [[path, *map(str, state)] for path, state in sorted(opened.states(below))]
        return [file, list(map(str, stamp)) if stamp else None, text_digest(entries)]
    finally:
        opened.close()


def _fetch(root: str, names: tuple[str, ...], out: Path, cache: Path, settings: Mapping[str, Any]) -> None:
    """Official files from a store that can list them."""
    listed = names[0] if len(names) == 1 else ""
    opened = open_source(root, cache, listed=listed, endpoint_url=settings.get("endpoint_url"))
    try:
        for name in names:
            states = list(opened.states(name))
            if not states:
                raise VocoError(f"{root}/{name}: no files there that can be listed; give a folder or s3://")
            for path, stamp in states:
                fetched = opened.fetch(path, stamp)
                if not isinstance(fetched, str | Path):
                    raise VocoError(f"{root}/{path}: {fetched.reason}; mend it and run again")
                target = out / path
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(fetched, target)
    finally:
        opened.close()


def _summarise(out: Path, reports: Mapping[str, IngestReport]) -> None:
    """`data.json`: what `news` compares, free of when and where things were read."""
    benchmarks = out / BENCHMARKS
    versions: dict[str, Any] = {
        "sets": {name: report.version for name, report in reports.items()},
        "benchmarks": dict(_digests(benchmarks)),
    }
    whole = versions | {"version": text_digest(versions)}
    (out / SUMMARY).write_text(json.dumps(whole, indent=1, sort_keys=True) + "\n", "utf-8")


def _digests(folder: Path) -> Iterator[tuple[str, str]]:
    for path in sorted(folder.iterdir()) if folder.is_dir() else ():
        yield path.name, content_of(path).sha256
