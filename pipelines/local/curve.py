"""Figures over a step's time as a table that DVC plots."""

import csv
from collections.abc import Mapping
from pathlib import Path

COLUMNS = ("step", "loss", "learning_rate", "tokens_per_second")


class Curve:
    """A CSV file, written when the step is over; no file, no curve."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._rows: list[dict[str, float]] = []

    def add(self, step: int, figures: Mapping[str, float]) -> None:
        """One point."""
        self._rows.append({"step": step} | {name: figures[name] for name in COLUMNS if name in figures})

    def close(self) -> None:
        """Write what came together."""
        if self._path is None:
            return
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with self._path.open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, COLUMNS, restval="", lineterminator="\n")
            writer.writeheader()
            writer.writerows(self._rows)
