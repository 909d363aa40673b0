"""What an audit says of each thing that it looked at."""

from collections.abc import Iterable
from dataclasses import dataclass

RIGHT, WRONG, UNKNOWN = "right", "wrong", "unknown"
SIGNS = {RIGHT: "✓", WRONG: "✗", UNKNOWN: "?"}


@dataclass(frozen=True)
class Item:
    """One thing, looked at."""

    owner: str
    """The task that it belongs to, or `registry`, `lineage`."""
    name: str
    kind: str
    """output, input, record, config, code, image, packages, tag, ..."""
    digest: str
    """What it should be."""
    location: str
    verdict: str
    """right, wrong, or unknown: could not be checked, which is never a pass."""
    why: str = ""


def exit_status(items: Iterable[Item]) -> int:
    """0: all is right; 1: something is wrong; 2: nothing is wrong, but something could not be checked."""
    verdicts = {item.verdict for item in items}
    return 1 if WRONG in verdicts else 0 if verdicts == {RIGHT} else 2


def tree(items: Iterable[Item], heading: str) -> str:
    """For a person: what belongs to a task below it, and the count at the end."""
    items = list(items)
    lines = [heading]
    for owner in dict.fromkeys(item.owner for item in items):
        own = [item for item in items if item.owner == owner]
        worst = next(v for v in (WRONG, UNKNOWN, RIGHT) if any(item.verdict == v for item in own))
        lines.append(f"{SIGNS[worst]} {owner}")
        for number, item in enumerate(own, 1):
            branch = "└─" if number == len(own) else "├─"
            why = f"  {item.why}" if item.why else ""
            name = item.name if item.name == item.kind else f"{item.kind} {item.name}"
            lines.append(f"  {branch} {SIGNS[item.verdict]} {name}  {item.digest[:12]}{why}".rstrip())
    counts = {verdict: sum(item.verdict == verdict for item in items) for verdict in SIGNS}
    return "\n".join([*lines, ", ".join(f"{SIGNS[verdict]} {n}" for verdict, n in counts.items())])
