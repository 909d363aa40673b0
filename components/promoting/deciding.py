"""Deciding on a version that is registered: held to the gate, and moved, kept waiting, or refused."""

import json
import tempfile
from dataclasses import dataclass
from pathlib import Path

from components.promoting.evidence import GRAPHS, Evidence
from components.promoting.gate import Gate
from components.promoting.ledger import APPROVED, AWAITS, FORCED, PROMOTED, REFUSED, Overtaken
from components.promoting.moving import approve, check_aliases, move
from components.promoting.registry import Registry, Version
from components.promoting.verdict import Audited, Verdict, judge
from components.stepping.digests import text_digest
from voco_model.errors import VocoError

EVIDENCE = "evidence"
"""The version's tag that says where tables, efficiency and the data's report are kept."""
NOT_PROMOTED = "not promoted"
VERDICTS = "verdicts"
"""Where verdicts are kept among the files of a version's run, each under its digest."""


@dataclass(frozen=True)
class Wish:
    """How a decision is to be made."""

    gate: Gate
    require_approval: bool = False
    """Where the gate is met, wait for `voco approve`."""
    force: bool = False
    """Promote whatever the gate says; the ledger shows it."""
    reason: str = ""
    """Why: needed with force."""

    def __post_init__(self) -> None:
        if self.force and not self.reason.strip():
            raise VocoError('--force needs --reason "…": the ledger keeps it for good')
        if self.force and self.require_approval:
            raise VocoError("--force and --require-approval contradict each other; give one of them")


@dataclass(frozen=True)
class Promotion:
    """What came of it."""

    version: Version
    verdict: Verdict
    outcome: str
    """`promoted`, `not promoted`, or `awaits approval`."""
    reason: str
    champion: str | None
    """The version that was champion before; None for the first."""


def decide(version: Version, wish: Wish, registry: Registry) -> Promotion:
    """Judge a version by what was kept with it, and do what the wish says."""
    # What the run itself decided stays, as its lineage has it.
    return _decided(version, wish, registry, "gate.later")


def decide_in_run(version: Version, wish: Wish, registry: Registry, audited: Audited) -> Promotion:
    """The same, for the run that registered it. audited: what is known of the exported files."""
    return _decided(version, wish, registry, "gate", audited)


def approve_again(version: Version, wish: Wish, registry: Registry) -> Promotion:
    """A version that waits, held to the gate as it is now: the champion may be another since."""
    champion = check_aliases(registry).champion
    verdict = _judged(version, wish, registry, champion)
    if not verdict.met and not wish.force:
        raise VocoError(
            f"{registry.name}: version {version.number} does not meet the gate any more ({verdict.reason});"
            ' reject it, or approve it with --force --reason "…"'
        )
    digest = _keep(verdict, version, registry)
    action = APPROVED if verdict.met else FORCED  # what the gate did not ask for stays visible
    entry = approve(
        registry, version, action, reason=wish.reason, verdict=digest, gate=wish.gate.sha256, champion=champion
    )
    _tag(registry, version, "gate.later", PROMOTED, entry.reason or verdict.reason)
    return Promotion(version, verdict, PROMOTED, verdict.reason, champion)


def _decided(
    version: Version, wish: Wish, registry: Registry, tag: str, audited: Audited | None = None
) -> Promotion:
    champion = check_aliases(registry).champion
    verdict = _judged(version, wish, registry, champion, audited)
    action = _action(verdict, wish)
    reason = wish.reason or verdict.reason
    if champion == version.number and action == PROMOTED:
        _tag(registry, version, tag, PROMOTED, verdict.reason)
        return Promotion(version, verdict, PROMOTED, "it is the champion already", champion)
    digest = _keep(verdict, version, registry)
    about = {"verdict_sha256": digest, "gate_sha256": wish.gate.sha256}
    try:
        move(registry, action, version, reason=reason, expected=champion, **about)
        outcome = {REFUSED: NOT_PROMOTED, AWAITS: AWAITS}.get(action, PROMOTED)
    except Overtaken as overtaken:
        outcome, reason = NOT_PROMOTED, str(overtaken)
    _tag(registry, version, tag, outcome, reason)
    return Promotion(version, verdict, outcome, reason, champion)


def _action(verdict: Verdict, wish: Wish) -> str:
    if verdict.met:
        return AWAITS if wish.require_approval else PROMOTED
    return FORCED if wish.force else REFUSED


def _judged(
    version: Version, wish: Wish, registry: Registry, champion: str | None, audited: Audited | None = None
) -> Verdict:
    where = version.tags.get(EVIDENCE)
    if where is None:
        raise VocoError(
            f"{registry.name} version {version.number}: no evidence was kept with it; promote a run's own version"
        )
    with tempfile.TemporaryDirectory() as folder:
        parts = {part: Path(folder) / part for part in ("tables", "efficiency", "report")}
        found = {part: registry.fetch(f"{where}/{part}", path) for part, path in parts.items()}
        graphs = registry.graphs(version, Path(folder) / GRAPHS) if wish.gate.onnx else None
        ours = Evidence(found["tables"], found["efficiency"], graphs)
        theirs = None
        if champion is not None and champion != version.number:
            before = registry.by_number(champion)
            theirs = kept_evidence(before, registry, Path(folder) / "champion", wish.gate)
        if audited is None and wish.gate.audit:
            audited = _audited(version, registry, Path(folder) / "audit")
        return judge(wish.gate, ours, theirs, found["report"], audited)


def _audited(version: Version, registry: Registry, work: Path) -> Audited:
    """What `voco audit --deep` says of it now, but for raw data: a source moves on, what was ingested is kept."""
    from components.auditing.items import RIGHT, UNKNOWN, WRONG
    from components.auditing.version import check_version

    items = list(check_version(registry, version, work, deep=True, raw=False))
    right, wrong, unknown = (sum(item.verdict == verdict for item in items) for verdict in (RIGHT, WRONG, UNKNOWN))
    first = next((f"{item.owner} {item.name}: {item.why}" for item in items if item.verdict != RIGHT), "")
    return Audited(right, wrong, unknown, first)


def kept_evidence(version: Version, registry: Registry, folder: Path, gate: Gate) -> Evidence:
    """A champion's evidence, as it was when it was registered."""
    if (where := version.tags.get(EVIDENCE)) is None:
        return Evidence(folder / "tables", folder / "efficiency")  # none: compared with, it lets nothing pass
    tables, efficiency = (registry.fetch(f"{where}/{part}", folder / part) for part in ("tables", "efficiency"))
    return Evidence(tables, efficiency, registry.graphs(version, folder / GRAPHS) if gate.onnx else None)


def _keep(verdict: Verdict, version: Version, registry: Registry) -> str:
    """The verdict among the version's files, by its digest, which the ledger names."""
    digest = text_digest(verdict.as_dict())
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "verdict.json"
        path.write_text(json.dumps(verdict.as_dict(), indent=1, ensure_ascii=False) + "\n", "utf-8")
        registry.upload(path, version.run, f"{VERDICTS}/{digest[:16]}")
    return digest


def _tag(registry: Registry, version: Version, name: str, outcome: str, reason: str) -> None:
    registry.tag(version, {name: outcome, f"{name}.reason": reason[:5000]})
