"""Holding a model to the gate: every criterion, each with what was wanted, what was found, and why."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from components.promoting.evidence import Evidence, Items, paired, validation_passed
from components.promoting.gate import CacheWanted, ChampionWanted, Gate, OnnxWanted, RetentionWanted
from voco_model.evaluation.statistics import compare

NONE = "none"
AUDIT = "audit"


@dataclass(frozen=True)
class Criterion:
    """One line of the verdict."""

    criterion: str
    wanted: str
    found: str
    champion: str
    passed: bool
    why: str


@dataclass(frozen=True)
class Verdict:
    """The whole of it."""

    criteria: tuple[Criterion, ...]
    gate_sha256: str

    @property
    def met(self) -> bool:
        """Nothing failed."""
        return all(one.passed for one in self.criteria)

    @property
    def reason(self) -> str:
        """In one line."""
        failed = [f"{one.criterion} ({one.why})" for one in self.criteria if not one.passed]
        return "; ".join(failed) if failed else f"all {len(self.criteria)} criteria are met"

    def as_dict(self) -> dict[str, Any]:
        """For `verdict.json`."""
        return {"met": self.met, "gate_sha256": self.gate_sha256, "criteria": [asdict(c) for c in self.criteria]}

    def markdown(self, heading: str) -> str:
        """A page with the table."""
        lines = [
            f"# {heading}",
            "",
            "| criterion | wanted | found | champion | | why |",
            "|---|---|---|---|---|---|",
        ]
        for one in self.criteria:
            cells = (one.criterion, one.wanted, one.found, one.champion, "✓" if one.passed else "✗", one.why)
            lines.append("| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in cells) + " |")
        return "\n".join(lines) + "\n"


@dataclass(frozen=True)
class Audited:
    """How many things an audit found right, wrong, and not to be checked."""

    right: int = 0
    wrong: int = 0
    unknown: int = 0
    first: str = ""
    """The first that is not right, and why."""


def judge(
    gate: Gate, ours: Evidence, champion: Evidence | None, report: Path, audited: Audited | None = None
) -> Verdict:
    """Every criterion of the gate; none is left out because another failed. What was not measured has failed."""
    criteria = [_retention(one, ours, champion) for one in gate.retention]
    if gate.cache is not None:
        criteria.append(_cache(gate.cache, ours, champion))
    if gate.validation:
        criteria.append(_validation(report))
    if gate.onnx is not None:
        criteria.append(_onnx(gate.onnx, ours, champion))
    if gate.champion is not None:
        criteria += _against(gate.champion, ours, champion)
    if gate.audit:
        criteria.append(_audit(audited or Audited()))
    return Verdict(tuple(criteria), gate.sha256)


def _retention(wanted: RetentionWanted, ours: Evidence, champion: Evidence | None) -> Criterion:
    found, theirs = (one and one.retention(wanted.n_voco, wanted.benchmark) for one in (ours, champion))
    end = found.end(wanted.by) if found else None
    passed = end is not None and end >= wanted.at_least
    what = "lower end of the interval" if wanted.by == "low" else "figure"
    why = "was not measured" if end is None else f"{what} {end:.1f} {'≥' if passed else '<'} {wanted.at_least:g}"
    return Criterion(
        f"retention at N = {wanted.n_voco}" + (f" on {wanted.benchmark}" if wanted.benchmark else ""),
        f"{what} ≥ {wanted.at_least:g} %",
        str(found or NONE),
        str(theirs or NONE),
        passed,
        why,
    )


def _cache(wanted: CacheWanted, ours: Evidence, champion: Evidence | None) -> Criterion:
    share, theirs = ours.cache_share(wanted.n_voco), champion.cache_share(wanted.n_voco) if champion else None
    passed = share is not None and share <= wanted.at_most_share
    why = (
        "was not measured" if share is None else f"{share:.2%} {'≤' if passed else '>'} {wanted.at_most_share:.2%}"
    )
    found, other = (NONE if one is None else f"{one:.2%}" for one in (share, theirs))
    return Criterion(
        f"cache bytes at N = {wanted.n_voco}",
        f"≤ {wanted.at_most_share:.2%} of the whole picture's",
        found,
        other,
        passed,
        why,
    )


def _onnx(wanted: OnnxWanted, ours: Evidence, champion: Evidence | None) -> Criterion:
    parity = ours.parity()
    theirs = champion.parity() if champion else None
    if parity is None:
        passed, why = not wanted.required, "was exported without graphs"
    else:
        passed = parity.logits <= wanted.at_most and parity.same_answers == parity.answers
        why = f"{parity.same_answers} of {parity.answers} answers are the same"
    if parity and parity.logits > wanted.at_most:
        why = f"a logit is {parity.logits:.2g} from the model's"
    wish = f"logits within {wanted.at_most:g}, the same answers"
    return Criterion("ONNX parity", wish, str(parity or NONE), str(theirs or NONE), passed, why)


def _validation(report: Path) -> Criterion:
    passed, why = validation_passed(report)
    found = {True: "passed", False: "failed", None: NONE}[passed]
    return Criterion("data validation", "passed", found, "", bool(passed), why)


def _audit(audited: Audited) -> Criterion:
    passed = audited.right > 0 and not audited.wrong and not audited.unknown
    found = f"{audited.right} ✓, {audited.wrong} ✗, {audited.unknown} ?"
    why = "everything is as it was recorded" if passed else audited.first or "nothing was looked at"
    return Criterion(AUDIT, "all ✓", found, "", passed, why)


def _against(wanted: ChampionWanted, ours: Evidence, champion: Evidence | None) -> Iterator[Criterion]:
    limit = _limit(wanted, wanted.margin)
    if champion is None:
        yield Criterion("champion", limit, "", NONE, True, "there is no champion yet")
        return
    names = sorted({*ours.benchmarks(), *champion.benchmarks()})
    if not names:
        yield Criterion("champion", limit, NONE, NONE, False, "neither's answers were kept question by question")
    for name in sorted({*names, *wanted.margins}):
        yield _on_one(name, wanted, ours, champion)


def _limit(wanted: ChampionWanted, margin: float) -> str:
    return f"difference ≥ -{margin:g} points" + (" (whole interval)" if wanted.by == "low" else "")


def _on_one(name: str, wanted: ChampionWanted, ours: Evidence, champion: Evidence) -> Criterion:
    margin = wanted.margins.get(name, wanted.margin)
    limit = _limit(wanted, margin)
    mine, theirs = ours.items(name, wanted.n_voco), champion.items(name, wanted.n_voco)
    title, both = f"champion on {name}", paired(mine, theirs)
    if both is None:
        return Criterion(
            title, limit, _mean(mine), _mean(theirs), bool(mine) and not theirs, _unpaired(mine, theirs)
        )
    told = compare(*both)
    end = told.difference.low if wanted.by == "low" else told.difference.value
    return Criterion(title, limit, _mean(mine), _mean(theirs), end >= -margin, str(told))


def _unpaired(mine: Items, theirs: Items) -> str:
    """Why nothing was compared; only a benchmark that is new to the champion is no obstacle."""
    if not mine:
        return "the challenger's answers are missing"
    return "the two answered different questions; evaluate both on the same" if theirs else "new to the champion"


def _mean(items: Items) -> str:
    return f"{100 * sum(score for _, score in items.values()) / len(items):.1f}" if items else NONE
