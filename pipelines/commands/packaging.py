"""What `voco submit` and `voco schedule` share: a pipeline compiled, or taken from a file, with its parameters."""

import argparse
import os
from pathlib import Path
from typing import TYPE_CHECKING

from voco_model.errors import VocoError

if TYPE_CHECKING:
    from pipelines.cluster.packages import Package

PIPELINES = ("retraining", "evaluation", "promotion", "audit")
PROFILES = ("tiny", "small", "7b-8gpu", "7b-multinode")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Which pipeline."""
    parser.add_argument(
        "pipeline", nargs="?", default="retraining", choices=PIPELINES, help="which one (default: %(default)s)"
    )
    parser.add_argument(
        "--profile", default="7b-8gpu", help=f"sizes: {', '.join(PROFILES)}, or a folder (default: %(default)s)"
    )
    parser.add_argument(
        "--image",
        default=os.environ.get("VOCO_IMAGE"),
        help="the steps' image, by digest (default: $VOCO_IMAGE; needed unless --package is given)",
    )
    parser.add_argument(
        "--package", type=Path, metavar="FILE", help="a compiled pipeline instead (default: compile it now)"
    )
    parser.add_argument(
        "--param",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="a parameter of the pipeline, its value as YAML; may stand again (default: the pipeline's own)",
    )
    parser.add_argument(
        "--no-cache", action="store_true", help="do every task anew (default: take results of the same inputs)"
    )


def package_of(options: argparse.Namespace, folder: Path) -> "Package":
    """What the options name, compiled into `folder` if need be."""
    from pipelines.cluster.packages import read_package, without_cache

    package = read_package(options.package or _compiled(options, folder))
    return without_cache(package, folder / "without-cache.yaml") if options.no_cache else package


def _compiled(options: argparse.Namespace, folder: Path) -> Path:
    if not options.image:
        raise VocoError("--image: no image is named; give REPOSITORY@sha256:..., or export it as VOCO_IMAGE")
    from pipelines.compiling import compile_pipeline

    path: Path = compile_pipeline(options.pipeline, options.profile, folder / "pipeline.yaml", options.image)
    return path
