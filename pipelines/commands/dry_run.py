"""Say what a run would do, where, for how long and at what price; start nothing."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pipelines.planning.plan import Plan, Planned


def add(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--profile", default="7b-8gpu", metavar="NAME", help="its parameters (default: %(default)s)"
    )
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="SECTION.KEY=VALUE",
        dest="settings",
        help="a parameter on top of the profile, such as instruct.epochs=2; may stand again (default: none)",
    )
    parser.add_argument(
        "--prices",
        type=Path,
        metavar="FILE",
        help="what an hour of a node costs (default: $VOCO_PRICES, else pipelines/prices.yaml)",
    )


def run(options: argparse.Namespace) -> int:
    from pipelines.commands.loading import quiet
    from pipelines.planning.plan import plan_of
    from pipelines.planning.prices import load_prices
    from pipelines.profiles import load_profile

    quiet()
    prices, profile = load_prices(options.prices), load_profile(options.profile, options.settings)
    plan = plan_of(profile, prices)
    print(as_text(plan))
    return 0 if all(one.fits for one in plan.tasks) else 1


def as_text(plan: "Plan") -> str:
    """A table, the sums, and what they go by."""
    from pipelines.commands.columns import as_columns

    assert plan.prices is not None
    rows: list[tuple[str, ...]] = [("TASK", "NODES", "GPUS", "MEMORY", "TIME", plan.prices.currency)]
    rows += [_row(one) for one in plan.tasks]
    table = plan.prices
    return "\n".join(
        [
            as_columns(rows),
            "",
            f"profile {plan.profile}: about {_span(plan.hours)} from first to last, about {plan.price:,.2f}"
            f" {table.currency}",
            "time: training foretold from its operations at the utilisation assumed (`voco instruct --check`);"
            " ~ assumed",
            f"prices: {table.source}, {table.date}; spot at {table.spot_share:.0%} of on-demand, assumed; yours:"
            " --prices FILE",
        ]
    )


def _row(one: "Planned") -> tuple[str, ...]:
    asked = one.resources
    where = " ".join(f"{key.removeprefix('voco/')}={value}" for key, value in asked.selector().items())
    gpus = f"{asked.nodes} x {asked.gpus} {asked.gpu or ''}" if asked.gpus else "-"
    name = f"{one.task} x {one.times}" if one.times > 1 else one.task
    time = _span(one.hours) if one.is_foretold else f"~{_span(one.hours)}"
    return name, where, gpus, one.memory, time, f"{one.price or 0:,.2f}"


def _span(hours: float) -> str:
    if hours >= 1:
        return f"{hours:.1f} h"
    return f"{hours * 60:.1f} min" if hours >= 1 / 60 else f"{hours * 3600:.0f} s"
