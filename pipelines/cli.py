"""The `voco` command: one line of error instead of a traceback, whatever a user gives it."""

import argparse
import os
import shutil
import sys
from collections.abc import Sequence

from huggingface_hub.errors import StrictDataclassError

from pipelines.commands import (
    align,
    approve,
    ask,
    audit,
    compile,
    completion,
    compress,
    continue_video,
    demo,
    diff,
    doctor,
    dry_run,
    eval,
    history,
    import_checkpoint,
    ingest,
    instruct,
    logs,
    mask,
    profile,
    promote,
    reject,
    reproduce,
    reproduce_paper,
    rollback,
    run,
    runs,
    schedule,
    score,
    step,
    submit,
    validate,
    where,
    world,
)

TRAINING = (align, instruct, continue_video)
COMMANDS = (
    run,
    demo,
    compress,
    ask,
    mask,
    import_checkpoint,
    world,
    ingest,
    validate,
    score,
    eval,
    profile,
    step,
    promote,
    approve,
    reject,
    rollback,
    history,
    audit,
    diff,
    reproduce,
    where,
    *TRAINING,
    reproduce_paper,
    compile,
    submit,
    schedule,
    runs,
    logs,
    dry_run,
    doctor,
    completion,
)


def parser() -> argparse.ArgumentParser:
    """The command line with all subcommands."""
    top = argparse.ArgumentParser(
        prog="voco", description="Compress images into VoCo tokens inside a language model."
    )
    commands = top.add_subparsers(metavar="COMMAND", required=True)
    for command in COMMANDS:
        name = command.__name__.rsplit(".", 1)[1].replace("_", "-")
        summary = (command.__doc__ or "").split("\n")[0]
        sub = commands.add_parser(name, help=summary, description=summary)
        command.add(sub)
        sub.set_defaults(run=command.run)
    return top


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one subcommand; 0 or its own code when it worked, 1 when the input was wrong, 130 when interrupted."""
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    os.environ.setdefault(
        "DS_ACCELERATOR", "cuda" if shutil.which("nvidia-smi") else "cpu"
    )  # else it warns on stdout
    options = parser().parse_args(arguments)
    try:
        code: int | None = options.run(options)
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        sys.stdout = open(os.devnull, "w")  # noqa: SIM115 - the reader is gone; the rest has nowhere to go
        return 0
    except (ValueError, OSError, StrictDataclassError) as error:  # also what libraries say of a file or setting
        lines = [line.strip() for line in str(error).splitlines() if line.strip()]
        print(f"voco: error: {' '.join(lines) or type(error).__name__}", file=sys.stderr)
        return 1
    return code or 0


if __name__ == "__main__":
    sys.exit(main())
