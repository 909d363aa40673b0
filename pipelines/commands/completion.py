"""Print what makes a shell complete `voco`.

bash:  source <(voco completion bash)
zsh:   voco completion zsh > ~/.zfunc/_voco
"""

import argparse
from pathlib import Path


def add(parser: argparse.ArgumentParser) -> None:
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.description = __doc__
    parser.add_argument("shell", choices=("bash", "zsh"), help="for which (needed)")


def run(options: argparse.Namespace) -> None:
    import shtab

    from pipelines.cli import parser

    top = parser()
    _complete_files(top)
    print(shtab.complete(top, options.shell))


def _complete_files(parser: argparse.ArgumentParser) -> None:
    """What is a path is completed by files, in every subcommand."""
    import shtab

    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for below in action.choices.values():
                _complete_files(below)
        elif action.type is Path:
            action.complete = shtab.FILE  # type: ignore[attr-defined]
