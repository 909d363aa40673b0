"""Promote: an exported model becomes a version in the registry, and the champion where the gate is met."""

import json
import os
from dataclasses import dataclass
from pathlib import Path

from components.exporting.manifest import check_manifest
from components.ingesting.sets import SUMMARY
from components.promoting.deciding import EVIDENCE, Promotion, Wish, decide_in_run
from components.promoting.evidence import GRAPHS, RESULT, Evidence
from components.promoting.gate import SHIPPED, load_gate
from components.promoting.registry import CHALLENGER, EXPORTED, MODEL, Registry, Version, check_name
from components.promoting.verdict import Audited
from components.stepping.code import code
from components.stepping.digests import content_of
from components.stepping.job import Done, Job
from components.tracking import tracking_uri
from components.tracking.runs import open_run
from voco_model.errors import VocoError
from voco_model.files import whole_file

KEYS = {"model_name", "gate", "config_sha256", "require_approval"}


@dataclass(frozen=True)
class Candidate:
    """What is to be promoted."""

    exported: Path
    evidence: Evidence
    report: Path
    """What validation said of the data that it was trained on."""
    tags: dict[str, str]
    """Said of the version: digests of what it was made from."""


def promote(candidate: Candidate, wish: Wish, registry: Registry, run_id: str | None) -> Promotion:
    """Register, judge, and move the aliases. The same model is registered once, however often this is called."""
    version = _registered(candidate, registry, run_id)
    registry.name_it(CHALLENGER, version)
    return decide_in_run(
        version, wish, registry, _exported_files(candidate.exported) if wish.gate.audit else Audited()
    )


def _exported_files(exported: Path) -> Audited:
    """Whether the exported files are those of their manifest; the lineage is audited when it is written."""
    try:
        return Audited(right=len(check_manifest(exported).files))
    except VocoError as error:
        return Audited(wrong=1, first=str(error))


def _registered(candidate: Candidate, registry: Registry, run_id: str | None) -> Version:
    sha256 = content_of(candidate.exported).sha256
    for version in registry.versions():
        if version.tags.get(EXPORTED) == sha256:
            return version
    run = open_run(registry.uri, run_id or f"by-hand-{sha256[:16]}", run_id or "by-hand", {}, {})
    source = registry.upload(candidate.exported, run, f"models/{sha256[:16]}")
    place = f"{EVIDENCE}/{sha256[:16]}"
    registry.upload(candidate.evidence.tables, run, f"{place}/tables")
    registry.upload(candidate.report / RESULT, run, f"{place}/report")
    where = registry.upload(candidate.evidence.efficiency, run, f"{place}/efficiency").removesuffix("/efficiency")
    tags = candidate.tags | {EXPORTED: sha256, "voco.run": run_id or "by-hand", EVIDENCE: where}
    return registry.register(source, run, tags)


def step(job: Job) -> Done:
    """As a pipeline runs it. A gate that is not met is an answer, not a failure."""
    job.check_settings(KEYS)
    wish = wish_of(job)
    uri = tracking_uri()
    if uri is None:
        raise VocoError("MLFLOW_TRACKING_URI is not set, so there is no registry; name a database or server there")
    evidence = Evidence(job.input("tables"), job.input("efficiency"), job.input("exported") / GRAPHS)
    candidate = Candidate(job.input("exported"), evidence, job.input("report"), _tags(job))
    registry = Registry(uri, check_name(str(job.setting("model_name", MODEL))))
    done = promote(candidate, wish, registry, os.environ.get("VOCO_RUN"))
    page = write_verdict(done, registry.name, job.outputs["verdict"])
    values = {
        "verdict": done.outcome,
        "version": done.version.number,
        "reason": done.reason,
        "model": registry.name,
    }
    return Done({"gate_met": float(done.verdict.met)}, values, (page,))


def wish_of(job: Job) -> Wish:
    """What the settings ask for."""
    gate = load_gate(Path(job.setting("gate") or SHIPPED))
    return Wish(gate, require_approval=bool(job.setting("require_approval", False)))


def _tags(job: Job) -> dict[str, str]:
    """What `news` compares the next time, and what an audit starts from."""
    data = json.loads((job.input("data") / SUMMARY).read_text("utf-8"))
    found = code()
    tags = {"data_version": str(data["version"]), "code_sha256": found.sha256, "code_commit": found.commit or ""}
    if config := job.setting("config_sha256"):
        tags["config_sha256"] = str(config)
    return {name: value for name, value in tags.items() if value}


def write_verdict(done: Promotion, name: str, folder: Path) -> Path:
    """`verdict.json`, and the same as a page, which is given back."""
    folder.mkdir(parents=True)
    more = {"model": name, "version": done.version.number, "champion_before": done.champion}
    more |= {"outcome": done.outcome, "reason": done.reason}
    with whole_file(folder / "verdict.json") as file:
        file.write_text(json.dumps(more | done.verdict.as_dict(), indent=1, ensure_ascii=False) + "\n", "utf-8")
    page = folder / "verdict.md"
    page.write_text(done.verdict.markdown(f"{name} version {done.version.number}: {done.outcome}"), "utf-8")
    return page
