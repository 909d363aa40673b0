"""Write a pipeline as the package that KFP takes, here or by hand on its page."""

import argparse
from pathlib import Path

from pipelines.commands.packaging import add_choice


def add(parser: argparse.ArgumentParser) -> None:
    add_choice(parser, profile="tiny")
    parser.add_argument(
        "--out", type=Path, metavar="FILE", help="the package (default: .voco/packages/PIPELINE-PROFILE.yaml)"
    )


def run(options: argparse.Namespace) -> None:
    from pipelines.compiling import Images, compile_pipeline
    from pipelines.local.home import Home
    from pipelines.profiles import load_profile
    from pipelines.sizes import placed
    from voco_model.errors import VocoError

    if bool(options.image) != bool(options.gpu_image):
        raise VocoError("--image and --gpu-image belong together: give both, or none for this machine alone")
    profile = load_profile(options.profile, options.settings)
    images = Images.by_digest(options.image, options.gpu_image) if options.image else Images.local()
    out = options.out or Home.here().root / "packages" / f"{options.pipeline}-{profile.name}.yaml"
    print(compile_pipeline(options.pipeline, profile, out, images, configure=placed(profile)))
    if not options.image:
        print("for this machine alone: a cluster needs --image and --gpu-image, by digest")
