"""A model against its bounds and against the baselines: paired on the same questions, the verdict in words.

for verdict in verdicts(outcomes, ["baselines"]):
    print(verdict)      # GQA: VoCo with 1 token against pool with 1 token: better: +4.10 [+2.7, ...
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from voco_model.errors import VocoError
from voco_model.evaluation.outcome import LOWER, UPPER, VOCO, Outcome, Row
from voco_model.evaluation.statistics import Comparison, compare
from voco_model.evaluation.tables import aligned, write_csv, write_json

BASELINES, BOUNDS = "baselines", "bounds"
AGAINST = (BASELINES, BOUNDS)
NOTE = (
    "Paired on the same questions: McNemar's exact test where every question is about a picture of its own, else "
    "a bootstrap over pictures; each comparison by itself at 95 %, items for a power of 80 %."
)


@dataclass(frozen=True)
class Verdict:
    """One comparison on one benchmark."""

    benchmark: str
    title: str
    first: str
    second: str
    comparison: Comparison

    def __str__(self) -> str:
        return f"{self.title}: {self.first} against {self.second}: {self.comparison}"

    def flat(self) -> dict[str, Any]:
        """One row of a table."""
        told = asdict(self.comparison)
        difference = told.pop("difference")
        named = {"benchmark": self.benchmark, "model": self.first, "against": self.second}
        return {**named, "verdict": told.pop("verdict"), "difference": difference["value"]} | {
            **{name: difference[name] for name in ("low", "high")},
            **told,
        }


def verdicts(outcomes: Sequence[Outcome], against: Sequence[str]) -> list[Verdict]:
    """Every number of tokens that the model was read with, against each of the others."""
    found = []
    for outcome in outcomes:
        ours = [row for row in outcome.rows if row.row == VOCO]
        theirs = [row for row in outcome.rows if _stands(row, against)]
        found += [
            Verdict(outcome.benchmark, outcome.title, _name(one), _name(other), compare(one.shares, other.shares))
            for one in ours
            for other in theirs
        ]
    return found


def chosen(text: str) -> tuple[str, ...]:
    """What `--compare` names."""
    given = tuple(dict.fromkeys(part.strip() for part in text.split(",") if part.strip()))
    if wrong := [part for part in given if part not in AGAINST]:
        raise VocoError(f"--compare {wrong[0]}: there are {' and '.join(AGAINST)}, or both with a comma between")
    return given


def cells(found: Sequence[Verdict]) -> list[list[str]]:
    """As text, the head first."""
    rows = [["benchmark", "model", "against", "verdict", "difference", "test", "p", "items", "it would take"]]
    for one in found:
        c, d = one.comparison, one.comparison.difference
        needed = "" if c.needed is None else f"{c.needed:,}"
        rows.append(
            [
                *(one.title, one.first, one.second, c.verdict),
                f"{d.value:+.2f} [{d.low:+.2f}, {d.high:+.2f}]",
                *(c.test, f"{c.p_value:.3g}", f"{c.items:,}", needed),
            ]
        )
    return rows


def write(found: Sequence[Verdict], folder: Path) -> None:
    """All comparisons: to read, as data, and as a spreadsheet."""
    words = "".join(f"- {one}\n" for one in found)
    (folder / "comparisons.md").write_text(f"{aligned(cells(found))}\n{words}\n{NOTE}\n", "utf-8")
    records = [one.flat() for one in found]
    write_json(records, folder / "comparisons.json")
    write_csv([list(records[0]), *(list(record.values()) for record in records)], folder / "comparisons.csv")


def _stands(row: Row, against: Sequence[str]) -> bool:
    if row.row in (UPPER, LOWER):
        return BOUNDS in against
    return row.row != VOCO and BASELINES in against


def _name(row: Row) -> str:
    if row.row in (UPPER, LOWER):
        return f"the {row.row} bound"
    name = "VoCo" if row.row == VOCO else row.row
    return name if row.n_voco is None else f"{name} with {row.n_voco} token{'s' if row.n_voco > 1 else ''}"
