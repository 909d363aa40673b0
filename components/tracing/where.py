"""What made a thing, who read it, and what was made from it, to the registered models."""

from dataclasses import asdict, dataclass
from typing import Any

from components.auditing.lineage import Entry
from components.tracing.fetching import Made, outputs
from components.tracing.members import Sought, inside
from components.tracing.trail import Model, Trail
from voco_model.errors import VocoError


@dataclass(frozen=True)
class Found:
    """One content that is what was looked for, or holds it."""

    sha256: str
    holds: tuple[str, ...]
    """Where in it the thing lies; empty where it is the thing itself."""
    made_by: tuple[Entry, ...]
    read_by: tuple[Entry, ...]
    behind: tuple[Entry, ...]
    """Steps that read what those made, and so on; in the order of time."""
    models: tuple[Model, ...]

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        steps = {"made_by": self.made_by, "read_by": self.read_by, "behind": self.behind}
        told = {name: [_step(entry) for entry in entries] for name, entries in steps.items()}
        models = [asdict(model) for model in self.models]
        return {"sha256": self.sha256, "holds": list(self.holds), **told, "models": models}


def look_for(wanted: Sought, trail: Trail) -> tuple[list[Found], list[str]]:
    """Everything that it is or that holds it; and what could not be looked into."""
    contents = {
        content.sha256: content
        for entry in trail.entries
        for content in (*entry.record.inputs.values(), *entry.record.outputs.values())
    }
    itself = [sha256 for sha256, content in contents.items() if wanted.is_it(sha256, content.md5)]
    exported = {model.exported for model in trail.models if model.exported and wanted.is_it(model.exported, None)}
    if hits := list(dict.fromkeys([*itself, *sorted(exported)])):
        return [_found(sha256, (), trail) for sha256 in hits], []
    holders, missed = _holders(wanted, trail)
    return [_found(sha256, holds, trail) for sha256, holds in holders.items()], missed


def _holders(wanted: Sought, trail: Trail) -> tuple[dict[str, tuple[str, ...]], list[str]]:
    """Outputs that it lies in; each content is looked into once, in any copy that can be read."""
    copies: dict[str, list[Made]] = {}
    for entry in trail.entries:
        for made in outputs(entry):
            copies.setdefault(made.content.sha256, []).append(made)
    holders, missed = {}, []
    for sha256, some in copies.items():
        try:
            holds = _inside_any(some, wanted)
        except VocoError as error:
            missed.append(str(error))
            continue
        if holds:
            holders[sha256] = tuple(holds)
    return holders, missed


def _inside_any(copies: list[Made], wanted: Sought) -> list[str]:
    for last, made in enumerate(copies, 1):
        try:
            return inside(made, wanted)
        except VocoError:
            if last == len(copies):
                raise
    return []


def _found(sha256: str, holds: tuple[str, ...], trail: Trail) -> Found:
    made = tuple(e for e in trail.entries if any(c.sha256 == sha256 for c in e.record.outputs.values()))
    read = tuple(e for e in trail.entries if any(c.sha256 == sha256 for c in e.record.inputs.values()))
    reached, steps = _downstream(sha256, trail)
    direct = {entry.record.sha256 for entry in read}
    behind = tuple(e for e in trail.entries if e.record.sha256 in steps - direct)
    models = tuple(model for model in trail.models if model.exported in reached)
    return Found(sha256, holds, made, read, behind, models)


def _downstream(sha256: str, trail: Trail) -> tuple[set[str], set[str]]:
    """Contents that were made from it, itself among them, and the steps that did.

    Whoever read these bytes, read them. Further on, a step read what its own run made: another run may have made
    the same bytes, such as a table of the same figures, from something else.
    """
    makers, readers = _by_content(trail, "outputs"), _by_content(trail, "inputs")
    reached, steps, waiting = {sha256}, set(), list(readers.get(sha256, []))
    while waiting:
        entry = waiting.pop()
        if entry.record.sha256 in steps:
            continue
        steps.add(entry.record.sha256)
        for content in entry.record.outputs.values():
            reached.add(content.sha256)
            made = makers[content.sha256]
            waiting += [one for one in readers.get(content.sha256, []) if _read_from(one, entry, made)]
    return reached, steps


def _read_from(reader: Entry, maker: Entry, makers: list[Entry]) -> bool:
    """Whether it may have been this maker; where its own run had none, it was an earlier one's, not done again."""
    own = [one for one in makers if one.record.run == reader.record.run]
    return not own or maker in own


def _by_content(trail: Trail, side: str) -> dict[str, list[Entry]]:
    found: dict[str, list[Entry]] = {}
    for entry in trail.entries:
        for content in getattr(entry.record, side).values():
            found.setdefault(content.sha256, []).append(entry)
    return found


def _step(entry: Entry) -> dict[str, Any]:
    record = entry.record
    made = {name: content.sha256 for name, content in record.outputs.items()}
    return {"run": record.run, "task": record.task, "started": record.started, "outputs": made}
