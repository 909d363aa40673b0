"""Show the attention rule: who sees whom in a row of segments."""

import argparse
from pathlib import Path

EXAMPLE = "p1 v6 c2 t3 v6 c2 t4"


def add(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "segments",
        nargs="?",
        default=EXAMPLE,
        help=f"kinds and counts: p prefix, v vision, c VoCo, t text (default: '{EXAMPLE}')",
    )
    parser.add_argument("--show", action="store_true", help="print the mask (the default without --out)")
    parser.add_argument("--out", type=Path, metavar="FILE.png", help="save the mask as a picture")
    parser.add_argument(
        "--hide-prefix", action="store_true", help="text does not see the prefix, as in the reference"
    )
    parser.add_argument("--causal", action="store_true", help="the uncompressed reading instead of the rule")


def run(options: argparse.Namespace) -> None:
    from voco_model.mask_picture import as_image, as_text, example_row, mask_of

    segments = example_row(options.segments)
    mask = mask_of(segments, not options.hide_prefix, "causal" if options.causal else "rule")
    if options.out:
        print(f"saved {as_image(segments, mask, options.out)}")
    if options.show or not options.out:
        print(as_text(segments, mask))
