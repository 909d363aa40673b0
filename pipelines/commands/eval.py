"""Evaluate a model on benchmarks: answers, figures, intervals, retention, comparisons, the paper's tables."""

import argparse
from collections.abc import Callable
from pathlib import Path


def add(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", type=Path, help="a folder that training or save_pretrained wrote")
    parser.add_argument(
        "--benchmarks",
        required=True,
        metavar="NAMES",
        help="gqa,pope,... or all that DIR has; an unknown name is told the known ones",
    )
    parser.add_argument(
        "--data", type=Path, required=True, metavar="DIR", help="a folder with the official files of each"
    )
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="where results and tables go")
    parser.add_argument(
        "--n-voco",
        default="",
        metavar="N,N",
        help="numbers of tokens to read, such as 1,2,4 (default: the model's)",
    )
    parser.add_argument("--upper", type=Path, metavar="MODEL", help="the bounds' model; gives retention")
    parser.add_argument(
        "--baseline",
        action="append",
        default=[],
        metavar="NAME=MODEL",
        help="another model to ask the same, may be repeated; average pooling, a Q-Former, or a VoCo model"
        " trained with another number of tokens finds its row in the paper's tables by itself",
    )
    parser.add_argument(
        "--compare",
        default="",
        metavar="WHAT",
        help="baselines, bounds or both (with a comma): paired verdicts in words, better, worse or not told apart",
    )
    parser.add_argument("--limit", type=int, metavar="K", help="at most so many questions of each (default: all)")
    parser.add_argument("--batch", type=int, default=32, metavar="B", help="questions at a time (default: 32)")
    parser.add_argument("--max-new-tokens", type=int, default=32, metavar="T", help="longest answer (default: 32)")
    parser.add_argument("--frames", type=int, default=8, metavar="F", help="frames of a clip (default: 8)")
    parser.add_argument("--resume", action="store_true", help="go on where a run that was cut short stopped")


def run(options: argparse.Namespace) -> None:
    import shutil
    from datetime import UTC, datetime
    from functools import lru_cache

    from pipelines.commands.loading import quiet
    from voco_model.evaluation.answering import Asking
    from voco_model.evaluation.benchmarks import by_name
    from voco_model.evaluation.comparing import verdicts
    from voco_model.evaluation.evaluating import Evaluation, evaluate_model, open_model, questions_folder
    from voco_model.evaluation.summary import summarise

    quiet()
    names = _names(options.benchmarks, options.data)
    against, others = _against(options.compare, options.upper, options.baseline), _baselines(options.baseline)
    kept = options.out / ".answers"
    if not options.resume:
        shutil.rmtree(kept, ignore_errors=True)
    configs = [
        Evaluation(
            benchmark=name,
            model=options.model,
            data=options.data,
            out=options.out / name,
            n_voco=_numbers(options.n_voco),
            upper=options.upper,
            others=others,
            limit=options.limit,
            asking=Asking(options.batch, options.max_new_tokens, options.frames),
            kept=kept / name,
        )
        for name in names
    ]
    for config in configs:  # a mistake in the last is told before the first is asked
        by_name(config.benchmark).locate(questions_folder(config.data, config.benchmark))
    opened = lru_cache(maxsize=2)(open_model)  # the model and its bounds; more would not fit beside each other
    outcomes = [evaluate_model(config, _progress(config.benchmark), opened) for config in configs]
    tables = options.out / "tables"
    summarise(outcomes, [config.out for config in configs], tables, against, made=datetime.now(UTC))
    shutil.rmtree(kept, ignore_errors=True)
    print((tables / "tables.md").read_text("utf-8").rstrip())
    for verdict in verdicts(outcomes, against):
        print(f"\n{verdict}", end="")
    print(f"\n\nthe paper's tables   {tables / 'paper.md'}\nreport               {tables / 'report.html'}")


def _against(text: str, upper: Path | None, baselines: list[str]) -> tuple[str, ...]:
    """What --compare names, refused where there is nothing to compare with."""
    from voco_model.errors import VocoError
    from voco_model.evaluation.comparing import BASELINES, BOUNDS, chosen

    against = chosen(text)
    if BOUNDS in against and upper is None:
        raise VocoError("--compare bounds needs the bounds' model; name its folder with --upper MODEL")
    if BASELINES in against and not baselines:
        raise VocoError("--compare baselines needs at least one; name its folder with --baseline NAME=MODEL")
    return against


def _baselines(given: list[str]) -> tuple[tuple[str, Path], ...]:
    from voco_model.errors import VocoError

    for text in given:
        name, _, folder = text.partition("=")
        if not name or not folder:
            raise VocoError(f"--baseline {text}: give a name and a folder, such as pool=runs/pool/model")
        if not (Path(folder) / "config.json").is_file():
            raise VocoError(f"--baseline {text}: no model in {folder} (config.json is missing)")
    return tuple((name, Path(folder)) for name, _, folder in (text.partition("=") for text in given))


def _names(text: str, data: Path) -> list[str]:
    from voco_model.errors import VocoError
    from voco_model.evaluation.benchmarks import by_name, names
    from voco_model.evaluation.evaluating import questions_folder

    if text == "all":
        found = [name for name in names() if questions_folder(data, name) != data]
        if not found:
            raise VocoError(f"{data}: no folder named as a benchmark; there can be {', '.join(names())}")
        return found
    given = list(dict.fromkeys(name.strip() for name in text.split(",") if name.strip()))
    if not given:
        raise VocoError(f"--benchmarks is empty; name some of {', '.join(names())}, or all")
    for name in given:
        by_name(name)
    return given


def _numbers(text: str) -> tuple[int, ...]:
    from voco_model.errors import VocoError

    try:
        return tuple(int(part) for part in text.split(",") if part.strip())
    except ValueError:
        raise VocoError(f"--n-voco {text}: give whole numbers with commas between, such as 1,2,4") from None


def _progress(name: str) -> Callable[[int, int], None]:
    """One line that is written over, with the time that is left; nothing where nobody watches."""
    import sys
    import time

    start, before = time.monotonic(), 0

    def tell(done: int, total: int) -> None:
        nonlocal before, start
        if not sys.stderr.isatty():
            return
        if not before:
            before, start = max(done, 1), time.monotonic()  # what was kept from before took no time now
        passed = time.monotonic() - start
        left = passed / (done - before) * (total - done) if done > before else 0
        end = "\n" if done == total else ""
        sys.stderr.write(f"\r{name}: {done} of {total} answers, {int(left) // 60}:{int(left) % 60:02d} left {end}")
        sys.stderr.flush()

    return tell
