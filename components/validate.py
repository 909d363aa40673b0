"""Hold a data set against the contract of its kind: verdicts, a site to read, and the records that failed."""

import json
import math
import os
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from components.stepping.job import Done, Job
from components.tracking import log_figures
from voco_model.errors import VocoError
from voco_model.files import whole_file

if TYPE_CHECKING:
    import pyarrow as pa

    from data.contracts.kinds import Contract
    from data.contracts.report import CheckResult

RESULT_NAME, SITE_NAME = "result.json", "data_docs"
VERDICTS = ("failed", "warned", "passed", "skipped")


@dataclass(frozen=True)
class ValidateConfig:
    """What is held against what."""

    data: Path
    """A data set's folder, or its manifest."""
    contract: str
    """The contract's name: a kind of data set, or "benchmark"."""
    out: Path
    """The folder for the results."""
    previous: Path | None = None
    """The previous version's folder or manifest: drift is measured against it."""
    benchmarks: tuple[Path, ...] = ()
    """Folders, manifests or digest lists of benchmarks whose pictures must not be trained on."""
    thresholds: Mapping[str, float] = field(default_factory=dict)
    """Other bounds than the contract's, and allowed shares as `allowed.CHECK`."""
    severities: Mapping[str, str] = field(default_factory=dict)
    """Checks whose severity is changed: "error" or "warning"."""

    def __post_init__(self) -> None:
        for name, value in self.thresholds.items():
            number = isinstance(value, int | float) and not isinstance(value, bool)
            if not number or not math.isfinite(value) or value < 0:
                raise VocoError(f"threshold {name} is {value!r}; give a number from 0")
            if name.startswith("allowed.") and value > 1:
                raise VocoError(f"threshold {name} is {value}; give a share from 0 to 1")

    @classmethod
    def from_mapping(cls, given: Mapping[str, Any]) -> "ValidateConfig":
        """From parameters as a file or a pipeline has them; unknown keys are refused."""
        known = [one.name for one in fields(cls)]
        for name in given:
            if name not in known:
                raise VocoError(f"validate: unknown key {name}; there are {', '.join(known)}")
        for name in ("data", "contract", "out"):
            if name not in given:
                raise VocoError(f"validate: {name} is missing; say which")
        paths = {name: Path(given[name]) for name in ("data", "out", "previous") if given.get(name) is not None}
        return cls(**{**given, **paths, "benchmarks": tuple(map(Path, given.get("benchmarks", ())))})


@dataclass(frozen=True)
class ValidationOutcome:
    """All verdicts, and where they were written."""

    results: tuple["CheckResult", ...]
    figures: dict[str, float]
    result: Path
    data_docs: Path
    """The site's first page."""
    quarantine: Path

    @property
    def passed(self) -> bool:
        """No check of severity error failed."""
        return all(one.verdict != "failed" for one in self.results)


def validate(config: ValidateConfig) -> ValidationOutcome:
    """Hold a data set against its contract; write `result.json`, `data_docs/` and `quarantine.parquet`.

    The figures go to MLflow where MLFLOW_TRACKING_URI says where that is.
    """
    from data.contracts.benchmarks import read_images
    from data.contracts.kinds import contract_of
    from data.contracts.measure import measure
    from data.contracts.report import CheckResult, figures_of, not_checked, quarantine_table, result_of
    from data.contracts.sources import text_lengths

    contract = contract_of(config.contract).changed(config.thresholds, config.severities)
    lists = [read_images(path) for path in config.benchmarks]
    previous = text_lengths(config.previous) if config.previous else None
    measured = measure(
        config.data, contract.source, lists, contract.by_text, int(contract.bounds["near_distance"])
    )
    skipped = {c: why for c in contract.checks if (why := not_checked(c, measured.frame, previous, bool(lists)))}
    checks = [check for check in contract.checks if check not in skipped]

    config.out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".validate-", dir=config.out) as scratch:
        site = Path(scratch) / SITE_NAME
        from data.contracts.suite import run_suite

        seen = run_suite(contract, checks, measured.frame, previous, site)
        results = tuple(
            CheckResult(check.name, "", check.severity, contract.says(check), None, skipped[check])
            if check in skipped
            else result_of(check, contract, measured, seen[check.name])
            for check in contract.checks
        )
        figures = figures_of(measured, results)
        outcome = _write(config, contract, results, figures, quarantine_table(contract, measured, results), site)
    log_figures(f"validate {contract.kind}", figures, [outcome.result], experiment="data")
    return outcome


def _write(
    config: ValidateConfig,
    contract: "Contract",
    results: Sequence["CheckResult"],
    figures: dict[str, float],
    quarantine: "pa.Table",
    site: Path,
) -> ValidationOutcome:
    """Everything under its final name; the result, which says that the rest is there, last."""
    import pyarrow.parquet as pq

    from data.contracts.site import finish_site
    from voco_model.data.manifest import QUARANTINE_NAME

    outcome = ValidationOutcome(
        tuple(results),
        figures,
        result=config.out / RESULT_NAME,
        data_docs=config.out / SITE_NAME / "index.html",
        quarantine=config.out / QUARANTINE_NAME,
    )
    outcome.result.unlink(missing_ok=True)
    status = "passed" if outcome.passed else "failed"
    about = f"{config.data}: {figures['records.all']:,.0f} records, {_verdicts(results)}"
    worst_first = sorted(results, key=lambda one: VERDICTS.index(one.verdict))
    rows = [(one.name, one.severity, one.says, _with_examples(one), one.verdict) for one in worst_first]
    finish_site(site, f"Contract {contract.kind}: {status}", about, rows)
    final = config.out / SITE_NAME
    if final.exists():
        os.replace(final, site.with_name("replaced"))
    os.replace(site, final)
    with whole_file(outcome.quarantine) as temporary:
        pq.write_table(quarantine, temporary)
    content = {
        "status": status,
        "contract": contract.kind,
        "data": str(config.data),
        "previous": str(config.previous) if config.previous else None,
        "benchmarks": [str(path) for path in config.benchmarks],
        "bounds": dict(contract.bounds),
        "expectations": [{**asdict(one), "verdict": one.verdict} for one in results],
        "figures": figures,
    }
    with whole_file(outcome.result) as temporary:
        temporary.write_text(json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False) + "\n", "utf-8")
    return outcome


def _verdicts(results: Sequence["CheckResult"]) -> str:
    """How many checks came out which way."""
    verdicts = [one.verdict for one in results]
    return ", ".join(f"{verdicts.count(name)} {name}" for name in VERDICTS if name in verdicts)


def _with_examples(one: "CheckResult") -> str:
    return one.observed + (f" (such as {', '.join(one.examples)})" if one.examples and not one.success else "")


def step(job: Job) -> Done:
    """As a pipeline runs it: every data set of `data` in, `report` out."""
    from components.validate_step import validate_all

    return validate_all(job)
