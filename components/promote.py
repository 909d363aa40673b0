"""Promote: an exported model becomes a version in the registry, and the champion where the gate is met."""

import json
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path

from components.ingesting.sets import SUMMARY
from components.promoting.evidence import RESULT, Evidence
from components.promoting.gate import SHIPPED, Gate, load_gate
from components.promoting.registry import CHALLENGER, CHAMPION, EXPORTED, MODEL, Registry, Version, check_name
from components.promoting.verdict import Verdict, judge
from components.stepping.code import code
from components.stepping.digests import content_of
from components.stepping.job import Done, Job
from components.tracking import tracking_uri
from components.tracking.runs import open_run
from voco_model.errors import VocoError
from voco_model.files import whole_file

KEYS = {"model_name", "gate", "config_sha256"}
EVIDENCE = "evidence"
PROMOTED, REFUSED = "promoted", "not promoted"


@dataclass(frozen=True)
class Candidate:
    """What is to be promoted."""

    exported: Path
    evidence: Evidence
    report: Path
    """What validation said of the data that it was trained on."""
    tags: dict[str, str]
    """Said of the version: digests of what it was made from."""


@dataclass(frozen=True)
class Promotion:
    """What came of it."""

    version: Version
    verdict: Verdict
    champion: str | None
    """The version that was champion before; None for the first."""


def promote(candidate: Candidate, gate: Gate, registry: Registry, run_id: str | None) -> Promotion:
    """Register, judge, and move the aliases. The same model is registered once, however often this is called."""
    version = _registered(candidate, registry, run_id)
    registry.name_it(CHALLENGER, version)
    with tempfile.TemporaryDirectory() as folder:
        done = _decided(version, candidate.evidence, candidate.report, gate, registry, Path(folder))
    _tag(registry, done, "gate")
    return done


def decide(version: Version, gate: Gate, registry: Registry, folder: Path) -> Promotion:
    """Judge a version that is registered already by what was kept with it. folder: for what is fetched."""
    where = version.tags.get(EVIDENCE)
    if where is None:
        raise VocoError(
            f"{registry.name} version {version.number}: no evidence was kept with it; promote a run's own version"
        )
    parts = {part: registry.fetch(f"{where}/{part}", folder / part) for part in ("tables", "efficiency", "report")}
    ours = Evidence(parts["tables"], parts["efficiency"])
    done = _decided(version, ours, parts["report"], gate, registry, folder)
    _tag(registry, done, "gate.later")  # what the run itself decided stays, as its lineage has it
    return done


def _tag(registry: Registry, done: Promotion, name: str) -> None:
    outcome = PROMOTED if done.verdict.met else REFUSED
    registry.tag(done.version, {name: outcome, f"{name}.reason": done.verdict.reason[:5000]})


def _decided(
    version: Version, ours: Evidence, report: Path, gate: Gate, registry: Registry, folder: Path
) -> Promotion:
    champion = registry.by_alias(CHAMPION)
    verdict = judge(gate, ours, _evidence_of(champion, version, registry, folder / "champion"), report)
    if verdict.met:
        registry.promote(version)
    return Promotion(version, verdict, champion.number if champion else None)


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


def _evidence_of(champion: Version | None, ours: Version, registry: Registry, folder: Path) -> Evidence | None:
    """The champion's tables and efficiency, as they were when it was registered."""
    if champion is None or champion.number == ours.number:
        return None
    if (where := champion.tags.get(EVIDENCE)) is None:
        return Evidence(folder / "tables", folder / "efficiency")  # none: compared with, it lets nothing pass
    tables = registry.fetch(f"{where}/tables", folder / "tables")
    return Evidence(tables, registry.fetch(f"{where}/efficiency", folder / "efficiency"))


def step(job: Job) -> Done:
    """As a pipeline runs it. A gate that is not met is an answer, not a failure."""
    job.check_settings(KEYS)
    gate = load_gate(Path(job.setting("gate") or SHIPPED))
    uri = tracking_uri()
    if uri is None:
        raise VocoError("MLFLOW_TRACKING_URI is not set, so there is no registry; name a database or server there")
    evidence = Evidence(job.input("tables"), job.input("efficiency"))
    candidate = Candidate(job.input("exported"), evidence, job.input("report"), _tags(job))
    registry = Registry(uri, check_name(str(job.setting("model_name", MODEL))))
    done = promote(candidate, gate, registry, os.environ.get("VOCO_RUN"))
    page = write_verdict(done, registry.name, job.outputs["verdict"])
    values = {
        "verdict": PROMOTED if done.verdict.met else REFUSED,
        "version": done.version.number,
        "reason": done.verdict.reason,
        "model": registry.name,
    }
    return Done({"gate_met": float(done.verdict.met)}, values, (page,))


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
    with whole_file(folder / "verdict.json") as file:
        file.write_text(json.dumps(more | done.verdict.as_dict(), indent=1, ensure_ascii=False) + "\n", "utf-8")
    outcome = PROMOTED if done.verdict.met else REFUSED
    page = folder / "verdict.md"
    page.write_text(done.verdict.markdown(f"{name} version {done.version.number}: {outcome}"), "utf-8")
    return page
