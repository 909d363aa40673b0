"""What `voco submit` and `voco schedule` share: a pipeline compiled, or taken from a file, with its parameters."""

import argparse
import os
from pathlib import Path
from typing import TYPE_CHECKING

from voco_model.errors import VocoError

if TYPE_CHECKING:
    from pipelines.cluster.packages import Package

PIPELINES = ("retraining", "evaluation", "promotion", "audit")
CPU_IMAGE, GPU_IMAGE = "VOCO_IMAGE", "VOCO_GPU_IMAGE"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Which pipeline, compiled how, with what."""
    add_choice(parser, profile="7b-8gpu")
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


def add_choice(parser: argparse.ArgumentParser, profile: str) -> None:
    """Which pipeline, with which parameters, in which images."""
    parser.add_argument(
        "pipeline", nargs="?", default="retraining", choices=PIPELINES, help="which one (default: %(default)s)"
    )
    parser.add_argument("--profile", default=profile, metavar="NAME", help="its parameters (default: %(default)s)")
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="SECTION.KEY=VALUE",
        dest="settings",
        help="a parameter on top of the profile, such as instruct.lr=1e-3; may stand again (default: none)",
    )
    for option, variable, what in (("--image", CPU_IMAGE, "the steps'"), ("--gpu-image", GPU_IMAGE, "GPU steps'")):
        parser.add_argument(
            option,
            metavar="NAME@sha256:...",
            default=os.environ.get(variable),
            help=f"{what} image, by digest (default: ${variable}; needed unless --package is given)",
        )


def package_of(options: argparse.Namespace, folder: Path) -> "Package":
    """What the options name, compiled into `folder` if need be."""
    from pipelines.cluster.packages import read_package, without_cache

    if options.package is None:
        return read_package(_compiled(options, folder / "pipeline.yaml"))
    package = read_package(options.package)
    return without_cache(package, folder / "without-cache.yaml") if options.no_cache else package


def _compiled(options: argparse.Namespace, out: Path) -> Path:
    for option, variable, image in (
        ("--image", CPU_IMAGE, options.image),
        ("--gpu-image", GPU_IMAGE, options.gpu_image),
    ):
        if not image:
            raise VocoError(f"{option}: no image is named; give NAME@sha256:..., or export it as {variable}")
    from pipelines.compiling import Images, compile_pipeline
    from pipelines.profiles import load_profile
    from pipelines.sizes import placed

    profile = load_profile(options.profile, options.settings)
    images = Images.by_digest(options.image, options.gpu_image)
    return compile_pipeline(
        options.pipeline, profile, out, images, configure=placed(profile), caching=not options.no_cache
    )
