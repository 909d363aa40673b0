"""Compress images or a video into a cache file."""

import argparse
from pathlib import Path


def add(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "images", nargs="*", type=Path, help="one image, or several that a conversation opens with"
    )
    parser.add_argument("--model", type=Path, required=True, help="a folder that save_pretrained wrote")
    parser.add_argument("--out", type=Path, required=True, metavar="FILE.safetensors", help="where the cache goes")
    parser.add_argument("--video", type=Path, help="compress this video instead of images")
    parser.add_argument("--fps", type=float, help="frames per second of the video to keep")
    parser.add_argument("--frames", type=int, help="or: how many frames to keep, evenly spread")
    parser.add_argument("--n-voco", type=int, help="tokens per image (default: the model's)")
    parser.add_argument("--int8", action="store_true", help="quantise the cache")


def run(options: argparse.Namespace) -> None:
    from pipelines.commands.loading import load_assistant
    from voco_model.errors import VocoError

    if bool(options.images) == bool(options.video):
        raise VocoError("give images or --video FILE, one of the two")
    if not options.video and (options.fps or options.frames):
        raise VocoError("--fps and --frames are for --video FILE; leave them out for images")
    if options.video and (options.fps is None) == (options.frames is None):
        raise VocoError("say how to sample the video: give --fps or --frames, one of the two")
    assistant = load_assistant(options.model)
    if options.video:
        cache = assistant.compress_video(
            options.video, fps=options.fps, count=options.frames, n_voco=options.n_voco
        )
    else:
        cache = assistant.compress(options.images, options.n_voco)
    cache = cache.quantised() if options.int8 else cache
    cache.save(options.out)
    print(f"{options.out}: {cache!r}")
