"""Import a LLaVA-1.5 or reference VoCo-LLaMA checkpoint from a local folder."""

import argparse
from pathlib import Path


def add(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("source", type=Path, help="the checkpoint's folder: config.json and safetensors")
    parser.add_argument("--out", type=Path, required=True, help="the folder to write")
    parser.add_argument("--vision-tower", type=Path, help="a CLIP folder, where the checkpoint has none inside")
    parser.add_argument("--kind", choices=("auto", "llava", "voco"), default="auto")
    parser.add_argument("--n-voco", type=int, help="VoCo tokens per image")


def run(options: argparse.Namespace) -> None:
    from pipelines.commands.loading import quiet
    from voco_model.importing import import_checkpoint

    quiet()
    imported = import_checkpoint(
        options.source, vision_tower=options.vision_tower, n_voco=options.n_voco, kind=options.kind
    )
    print(imported.report())
    imported.save(options.out)
    print(f"saved {options.out}")
