"""Checking a promotion: the evidence is the run's own, and the gate says of it the same again."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from components.auditing.copies import output_file
from components.auditing.items import RIGHT, UNKNOWN, WRONG, Item
from components.auditing.lineage import Lineage
from components.promoting.deciding import EVIDENCE, kept_evidence
from components.promoting.evidence import GRAPHS, RESULT, Evidence
from components.promoting.gate import Gate
from components.promoting.ledger import PROMOTED
from components.promoting.registry import Registry, Version
from components.promoting.verdict import AUDIT, Verdict, judge
from components.stepping.digests import content_of
from voco_model.errors import VocoError

OWNER = "promotion"
VERDICT = "verdict.json"


@dataclass(frozen=True)
class Promotion:
    """A registered version, its run's lineage, and a folder for what is fetched."""

    registry: Registry
    version: Version
    lineage: Lineage
    work: Path

    def check(self) -> Iterator[Item]:
        """The evidence, then what the gate makes of it."""
        where = self.version.tags.get(EVIDENCE)
        promoted, entry = self.lineage.step("promote"), self.lineage.entry("promote")
        if where is None or promoted is None or entry is None:
            why = "no evidence was kept with the version" if promoted else "the lineage has no promotion"
            yield Item(OWNER, EVIDENCE, "evidence", "", where or "", UNKNOWN, why)
            return
        parts: dict[str, Path] = {}
        for name in ("tables", "efficiency", "report"):
            try:
                parts[name] = self.registry.fetch(f"{where}/{name}", self.work / EVIDENCE / name)
            except VocoError as error:
                yield Item(OWNER, name, "evidence", "", f"{where}/{name}", UNKNOWN, str(error))
                continue
            yield self._evidence(name, parts[name], f"{where}/{name}")
        kept = output_file(entry, "verdict", VERDICT)
        if kept is None or len(parts) < 3:
            why = f"no {VERDICT} can be read" if kept is None else "not all evidence can be read"
            yield Item(OWNER, "verdict", "verdict", "", where, UNKNOWN, why)
            return
        yield from self._verdict(kept, promoted.values, parts)

    def _evidence(self, name: str, path: Path, where: str) -> Item:
        """The registry's copy is what the step promote read."""
        if name == "report":  # of it, the result alone is kept
            entry = self.lineage.entry("validate")
            own = output_file(entry, "report", RESULT) if entry else None
            digest = content_of(path / RESULT).sha256 if (path / RESULT).is_file() else ""
            if own is None:
                return Item(
                    OWNER, name, "evidence", digest, where, UNKNOWN, f"the run's own {RESULT} is not there"
                )
            right = digest != "" and (path / RESULT).read_bytes() == own
        else:
            promoted = self.lineage.step("promote")
            digest = promoted.inputs[name].sha256 if promoted and name in promoted.inputs else ""
            right = content_of(path).sha256 == digest
        why = "" if right else "is not what the step promote read"
        return Item(OWNER, name, "evidence", digest, where, RIGHT if right else WRONG, why)

    def _verdict(self, kept: bytes, values: Mapping[str, str], parts: Mapping[str, Path]) -> Iterator[Item]:
        """The same gate over the same evidence says the same."""
        try:
            said = json.loads(kept)
            stated, outcome = str(said["gate_sha256"]), str(said["outcome"])
            before = said["champion_before"]
            criteria = [(c["criterion"], c["wanted"], c["found"], c["passed"]) for c in said["criteria"]]
            if outcome == PROMOTED and not said["met"]:
                raise ValueError("it was promoted without meeting the gate")
        except (ValueError, KeyError, TypeError) as error:
            yield Item(OWNER, "verdict", "verdict", "", VERDICT, WRONG, f"{VERDICT} is none ({error})")
            return
        right = outcome == values.get("verdict")
        why = "" if right else f"{VERDICT} says {outcome}, the record {values.get('verdict')}"
        yield Item(OWNER, "outcome", "verdict", outcome, VERDICT, RIGHT if right else WRONG, why)
        gate, item = self._gate(stated)
        yield item
        if gate is None:
            return
        head = (OWNER, "verdict", "verdict", stated, self.registry.name)
        try:
            again = self._judged(gate, before, parts)
        except VocoError as error:
            yield Item(*head, UNKNOWN, f"cannot be reckoned again: {error}")
            return
        found = [(c.criterion, c.wanted, c.found, c.passed) for c in again.criteria]
        # What an audit found then is told by the record; now it is being done anew.
        criteria, found = ([c for c in each if c[0] != AUDIT] for each in (criteria, found))
        other = [mine[0] for mine, theirs in zip(found, criteria, strict=False) if mine != theirs]
        right = found == criteria
        why = "" if right else f"reckoned again, it is another: {', '.join(map(str, other)) or again.reason}"
        yield Item(*head, RIGHT if right else WRONG, why)

    def _gate(self, stated: str) -> tuple[Gate | None, Item]:
        """What the lineage says the gate was, if it has the digest that the verdict names."""
        head = (OWNER, "gate", "gate", stated, self.registry.name)
        if self.lineage.gate is None:
            return None, Item(*head, UNKNOWN, "the lineage does not say what was asked for")
        try:
            gate = Gate.model_validate(self.lineage.gate)
        except ValueError:
            return None, Item(*head, WRONG, "the lineage's gate is none")
        if gate.sha256 != stated:
            return None, Item(*head, WRONG, f"the lineage's gate is another ({gate.sha256[:12]})")
        return gate, Item(*head, RIGHT)

    def _judged(self, gate: Gate, before: Any, parts: Mapping[str, Path]) -> Verdict:
        graphs = self.registry.graphs(self.version, self.work / GRAPHS) if gate.onnx else None
        ours, champion = Evidence(parts["tables"], parts["efficiency"], graphs), None
        if before is not None and str(before) != self.version.number:
            version = self.registry.by_number(str(before))
            champion = kept_evidence(version, self.registry, self.work / "champion", gate)
        return judge(gate, ours, champion, parts["report"])
