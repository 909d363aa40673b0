"""Ask questions about a compressed image or video, from its cache file alone."""

import argparse
from pathlib import Path


def add(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("questions", nargs="+", help="one or several questions")
    parser.add_argument("--model", type=Path, required=True, help="a folder that save_pretrained wrote")
    parser.add_argument("--cache", type=Path, required=True, help="a file that `voco compress` wrote")
    parser.add_argument("--max-new-tokens", type=int, default=64)
    parser.add_argument("--n-voco", type=int, help="read only the first tokens of each image")
    parser.add_argument("--template", help="a chat template instead of the model's own")


def run(options: argparse.Namespace) -> None:
    from pipelines.commands.loading import load_assistant
    from voco_model.cache import VocoCache

    assistant = load_assistant(options.model)
    cache = VocoCache.load(options.cache)
    if options.n_voco is not None:
        cache = cache.first(options.n_voco)
    for question in options.questions:
        print(f"Q: {question}\nA: ", end="", flush=True)
        pieces = assistant.stream(
            cache, question, max_new_tokens=options.max_new_tokens, template=options.template
        )
        for piece in pieces:
            print(piece, end="", flush=True)
        print()
