"""A contract as a Great Expectations suite, run over a measured manifest.

This module needs `great_expectations`, which takes seconds to import: import it where it is used.
"""

import os
import warnings
from html import escape
from pathlib import Path
from typing import Any

os.environ["GX_ANALYTICS_ENABLED"] = "false"  # read when it is imported: it must not phone home

import great_expectations as gx
import great_expectations.expectations as gxe
import numpy as np
import pandas as pd
from great_expectations.data_context.types.base import ProgressBarsConfig

from data.contracts.kinds import Check, Contract
from data.contracts.measure import OK
from data.contracts.report import QUANTILES, Verdict

GX_SEVERITY = {"error": "critical", "warning": "warning"}


class ExpectColumnQuantilesNearPrevious(gxe.ExpectColumnQuantileValuesToBeBetween):
    """The quantiles of a column lie within ranges; its verdict can be written as JSON under NumPy 2."""

    def _validate(self, *arguments: Any, **named: Any) -> dict[str, Any]:
        verdict = super()._validate(*arguments, **named)
        return {**verdict, "success": bool(verdict["success"])}


def run_suite(
    contract: Contract, checks: list[Check], frame: pd.DataFrame, previous: np.ndarray | None, site: Path
) -> dict[str, Verdict]:
    """Run the checks over a measured frame, and build the Data Docs site in a folder."""
    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = ProgressBarsConfig(globally=False)
    for name in list(context.variables.data_docs_sites or {}):
        context.delete_data_docs_site(name)
    context.add_data_docs_site("contract", _site(site))
    suite = gx.ExpectationSuite(name=contract.kind)
    for check in checks:
        suite.add_expectation(_expectation(check, contract, previous))
    asset = context.data_sources.add_pandas("data_set").add_dataframe_asset("manifest")
    definition = gx.ValidationDefinition(
        name=contract.kind, data=asset.add_batch_definition_whole_dataframe("all"), suite=context.suites.add(suite)
    )
    checkpoint = gx.Checkpoint(
        name=contract.kind,
        validation_definitions=[context.validation_definitions.add(definition)],
        result_format={"result_format": "BASIC", "partial_unexpected_count": 10},
    )
    columns = [name for name in dict.fromkeys(check.column for check in checks) if name]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        ran = context.checkpoints.add(checkpoint).run(
            batch_parameters={"dataframe": _as_html(frame[columns])},
            run_id=gx.RunIdentifier(run_name=contract.kind),
        )
        context.build_data_docs(site_names=["contract"])
    results: list[Any] = [one for result in ran.run_results.values() for one in result.results]
    return {one.expectation_config.meta["check"]: _verdict(one) for one in results}


def _as_html(frame: pd.DataFrame) -> pd.DataFrame:
    """What Data Docs may show of the records as it is: they write values and descriptions into pages unescaped."""
    shown = frame.copy(deep=False)
    for name, column in frame.items():
        if isinstance(column.dtype, pd.CategoricalDtype):
            shown[name] = column.cat.rename_categories(lambda label: escape(label, quote=False))
        elif pd.api.types.is_string_dtype(column.dtype):
            for character, written in (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;")):
                shown[name] = shown[name].str.replace(character, written, regex=False)
    return shown


def _site(folder: Path) -> Any:
    return {
        "class_name": "SiteBuilder",
        "show_how_to_buttons": False,
        "store_backend": {"class_name": "TupleFilesystemStoreBackend", "base_directory": str(folder.resolve())},
        "site_index_builder": {"class_name": "DefaultSiteIndexBuilder"},
    }


def _expectation(check: Check, contract: Contract, previous: np.ndarray | None) -> Any:
    bounds = contract.bounds
    low, high = (bounds[name] if name else None for name in (check.low, check.high))
    common: dict[str, Any] = {
        "description": escape(f"{check.name} ({check.severity}): {contract.says(check)}", quote=False),
        "severity": GX_SEVERITY[check.severity],
        "meta": {"check": check.name, "severity": check.severity},
    }
    if check.sort == "records":
        return gxe.ExpectTableRowCountToBeBetween(min_value=int(bounds["min_records"]), **common)
    if check.sort == "drift":
        assert previous is not None
        ranges = drift_ranges(previous, bounds["drift"], bounds["drift_characters"])
        quantiles = {"quantiles": list(QUANTILES), "value_ranges": ranges}
        return ExpectColumnQuantilesNearPrevious(column=check.column, quantile_ranges=quantiles, **common)
    common |= {"column": check.column, "mostly": 1 - check.allowed}
    if check.sort == "unique":
        return gxe.ExpectColumnValuesToBeUnique(**common)
    if check.sort == "between":
        return gxe.ExpectColumnValuesToBeBetween(min_value=low, max_value=high, **common)
    return gxe.ExpectColumnValuesToBeInSet(value_set=[OK], **common)


def drift_ranges(previous: np.ndarray, share: float, least: float) -> list[list[float]]:
    """Where the quantiles may lie."""
    middle = np.quantile(previous, QUANTILES, method="nearest").astype(float)
    slack = np.maximum(middle * share, least)
    return np.stack([middle - slack, middle + slack], axis=1).tolist()


def _verdict(result: Any) -> Verdict:
    if result.exception_info.get("raised_exception"):
        raise RuntimeError(f"{result.expectation_config.meta}: {result.exception_info['exception_message']}")
    seen = result.result
    total = seen.get("element_count", 0) - seen.get("missing_count", 0)
    return Verdict(
        success=bool(result.success),
        expectation=result.expectation_config.type,
        unexpected=seen.get("unexpected_count", 0),
        total=total,
        values=seen.get("observed_value"),
    )
