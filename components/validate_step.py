"""The validate step as a pipeline runs it: every data set of `data` against the contract of its kind."""

import html
import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from components.ingesting.files import SUMMARY_NAME
from components.ingesting.sets import BENCHMARKS
from components.stepping.job import Done, Job
from components.validate import VERDICTS, ValidateConfig, ValidationOutcome, validate
from voco_model.errors import VocoError

if TYPE_CHECKING:
    from data.contracts.report import CheckResult

KEYS = {"thresholds", "severities", "leakage"}
IMAGES = "images.parquet"


def validate_all(job: Job) -> Done:
    """`report` holds a folder for each data set and `result.json`, the verdict on all."""
    job.check_settings(KEYS)
    data, report = job.input("data"), job.outputs["report"]
    report.mkdir(parents=True)
    outcomes = {}
    for summary in sorted(data.glob(f"*/{SUMMARY_NAME}")):
        outcomes[summary.parent.name] = validate(_config(job, summary, report))
    if not outcomes:
        raise VocoError(f"{data}: no ingested data set in it; run the step ingest first")
    bad = [name for name, one in outcomes.items() if not one.passed]
    reason = f"data validation failed: {', '.join(_failures(n, outcomes[n]) for n in bad)}" if bad else ""
    verdict = {"passed": not bad, "reason": reason, "sets": {name: one.passed for name, one in outcomes.items()}}
    (report / "result.json").write_text(json.dumps(verdict, indent=1) + "\n", "utf-8")
    page = report / "index.html"
    page.write_text(_page(outcomes, verdict), "utf-8")
    figures = {f"{name}.{figure}": v for name, one in outcomes.items() for figure, v in one.figures.items()}
    return Done(figures, {"passed": "no" if bad else "yes", "reason": reason or "all contracts hold"}, (page,))


def _config(job: Job, summary: Path, report: Path) -> ValidateConfig:
    name, kind = summary.parent.name, json.loads(summary.read_text("utf-8"))["kind"]
    images = job.input("data") / BENCHMARKS / IMAGES
    return ValidateConfig(
        data=summary.parent,
        contract=kind,
        out=report / name,
        benchmarks=(images,) if images.is_file() and job.setting("leakage", True) else (),
        thresholds=_of_set(job.setting("thresholds", {}), name),
        severities=_of_set(job.setting("severities", {}), name),
    )


def _of_set(section: Mapping[str, Any], name: str) -> dict[str, Any]:
    """What is said for all data sets, and for one by its name on top."""
    common = {key: value for key, value in section.items() if not isinstance(value, Mapping)}
    return common | dict(section.get(name, {}))


def _failures(name: str, outcome: ValidationOutcome) -> str:
    failed = [one.name for one in outcome.results if one.verdict == "failed"]
    return f"{name} ({', '.join(failed[:3])}{', ...' if len(failed) > 3 else ''})"


STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; margin: 2em auto; max-width: 70em; padding: 0 1em; color: #222; }
table { border-collapse: collapse; width: 100%; }
td, th { text-align: left; vertical-align: top; padding: .3em .6em; border-bottom: 1px solid #ddd; }
td:nth-child(odd) { white-space: nowrap; }
td:nth-child(4) { overflow-wrap: anywhere; }
.failed td:last-child { color: #b00020; font-weight: 600; }
.warned td:last-child { color: #8a5a00; }
.skipped { color: #777; }
"""


def _page(outcomes: Mapping[str, ValidationOutcome], verdict: Mapping[str, Any]) -> str:
    """One table over all data sets, the worst first; each leads to its own Data Docs."""
    found = [(name, one) for name, outcome in outcomes.items() for one in outcome.results]
    rows = "".join(_row(name, one) for name, one in sorted(found, key=lambda f: VERDICTS.index(f[1].verdict)))
    said = "All contracts hold" if verdict["passed"] else html.escape(str(verdict["reason"]))
    return (
        "<!doctype html><meta charset=utf-8><meta name=viewport content='width=device-width'><title>Data</title>"
        f"<style>{STYLE}</style><h1>{said}</h1>"
        f"<table><tr><th>Data set<th>Expectation<th>Severity<th>Seen<th>Verdict{rows}</table>\n"
    )


def _row(name: str, one: "CheckResult") -> str:
    cells = (f"<a href='{html.escape(name)}/data_docs/index.html'>{html.escape(name)}</a>", html.escape(one.says))
    more = (one.severity, html.escape(one.observed), one.verdict)
    return f"<tr class={one.verdict}>" + "".join(f"<td>{cell}" for cell in (*cells, *more))
