"""A model evaluated on one benchmark: by each number of VoCo tokens, and between its bounds.

outcome = evaluate_model(Evaluation("gqa", model, data / "gqa", out, n_voco=(1, 8), upper=bounds))

The bounds are one model, trained with its vision tokens in sight: reading them it is the upper bound, reading
through the rule, which it never learned, the lower. Other models, such as the baselines, are asked the same
questions and read as they were trained.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch

from voco_model.assistant import Assistant
from voco_model.errors import VocoError
from voco_model.evaluation.answering import Asking, Reading, Tell, answer_all
from voco_model.evaluation.benchmark import Benchmark
from voco_model.evaluation.benchmarks import by_name
from voco_model.evaluation.looks import Looks, look
from voco_model.evaluation.outcome import ANSWERS, LOWER, UPPER, VOCO, Outcome, Row, write_items
from voco_model.evaluation.questions import Question, chosen
from voco_model.evaluation.scoring import Result, scored
from voco_model.evaluation.showing import Shown
from voco_model.files import whole_folder

OWN = (VOCO, UPPER, LOWER)
NO_BOUNDS = "no bounds: these are trained on pictures, the questions are about clips"


@dataclass(frozen=True)
class Evaluation:
    """One benchmark of one model."""

    benchmark: str
    model: Path
    data: Path
    """The benchmark's official files, or a folder of several benchmarks."""
    out: Path
    n_voco: tuple[int, ...] = ()
    """Numbers of VoCo tokens to read; empty is the model's own."""
    upper: Path | None = None
    """The bounds' model."""
    others: tuple[tuple[str, Path], ...] = ()
    """Models to compare with, each by a name of its own."""
    limit: int | None = None
    """At most so many questions, about pictures drawn by their names: a larger limit asks these and more."""
    asking: Asking = field(default_factory=Asking)
    kept: Path | None = None
    """Where answers are kept until all are there, so that a run that was cut short asks nothing twice."""

    def __post_init__(self) -> None:
        by_name(self.benchmark)
        for name, values in (("n_voco", self.n_voco), ("limit", () if self.limit is None else (self.limit,))):
            if any(isinstance(v, bool) or not isinstance(v, int) or v < 1 for v in values):
                raise VocoError(f"{name} is {values}; give whole numbers of at least 1")
        names = [name for name, _ in self.others]
        for name in names:
            if not re.fullmatch(r"[a-z0-9][a-z0-9-]*", name) or name in OWN or names.count(name) > 1:
                raise VocoError(
                    f"a model to compare with is named {name!r}; give each a name of its own, of small letters, "
                    f"digits and dashes, and none of {', '.join(OWN)}"
                )


def open_model(folder: Path) -> Assistant:
    """A saved model where it is quickest."""
    return Assistant.from_pretrained(folder, device="cuda" if torch.cuda.is_available() else "cpu")


def evaluate_model(
    config: Evaluation,
    tell: Tell = lambda done, total: None,
    opened: Callable[[Path], Assistant] = open_model,
) -> Outcome:
    """Ask, score, and write `config.out`; a benchmark of clips has no bounds.

    opened: gives a folder's model; for several benchmarks one after the other, one that keeps what it opened.
    """
    benchmark = by_name(config.benchmark)
    root = questions_folder(config.data, config.benchmark)
    every = benchmark.load(root)
    questions = chosen(every, config.limit)
    bounded = config.upper is not None and not all(question.video for question in questions)
    models = [(VOCO, config.model), *([(UPPER, config.upper)] if bounded and config.upper else []), *config.others]

    def part(number: int) -> Tell:
        return lambda done, total: tell((number * total + done) // len(models), total)

    results: list[tuple[str, int | None, Result]] = []
    about: dict[str, Any] = {"asking": asdict(config.asking), "limit": config.limit, "read": len(questions)}
    digests, about["kinds"] = {}, {}
    for number, (name, folder) in enumerate(models):
        assistant = opened(folder)
        plan = _plan(name, config, assistant)
        found, digests[name] = _read(config, assistant, benchmark, questions, root, plan, part(number))
        about["kinds"][name] = kind_of(assistant)
        if name == VOCO:
            _, most, shown = max(found, key=lambda result: result[1] or 0)
            looks = look(
                assistant, Shown(assistant, benchmark, root, config.asking.frames), every, shown, most or 1
            )
        results += found
        del assistant  # before the next model takes its place
    about |= {"model": digests.pop(VOCO)} | ({"upper": digests.pop(UPPER)} if UPPER in digests else {})
    about |= {"others": digests} if digests else {}
    rows = [Row.of(row, n, result) for row, n, result in results]
    remarks = list(dict.fromkeys(remark for *_, result in results for remark in result.remarks))
    remarks += [NO_BOUNDS] if config.upper is not None and not bounded else []
    metric = benchmark.headline
    outcome = Outcome(config.benchmark, benchmark.title, metric, rows, about, remarks)
    _write(
        config.out,
        benchmark,
        questions,
        outcome,
        looks,
        {r.name: one for r, (*_, one) in zip(rows, results, strict=True)},
    )
    return outcome


def _plan(name: str, config: Evaluation, assistant: Assistant) -> list[tuple[str, Reading]]:
    """Which rows a model gives, and how it reads for each."""
    if name == VOCO:
        return [(VOCO, Reading.rule(n)) for n in config.n_voco or (None,)]
    if name == UPPER:
        return [(UPPER, Reading.causal()), (LOWER, Reading.rule())]
    return [(name, Reading.causal() if assistant.model.config.reading == "causal" else Reading.rule())]


def kind_of(assistant: Assistant) -> dict[str, Any]:
    """What the paper's tables say of a model."""
    config = assistant.model.config
    return {
        "compressor": config.compressor,
        "n_voco": config.n_voco,
        "n_vision": config.n_vision,
        "vision": config.vision_config.model_type.removesuffix("_vision_model"),
        "language": config.text_config.model_type,
        "resolution": config.vision_config.image_size,
    }


def _read(
    config: Evaluation,
    assistant: Assistant,
    benchmark: Benchmark,
    questions: Sequence[Question],
    root: Path,
    plan: Sequence[tuple[str, Reading]],
    tell: Tell,
) -> tuple[list[tuple[str, int | None, Result]], str]:
    """One model's results, a row for each way of reading, and its digest."""
    readings = [reading for _, reading in plan]
    answers = answer_all(
        assistant, benchmark, questions, root, readings, config.asking, kept=config.kept, tell=tell
    )
    own, digest = assistant.model.config.n_voco, assistant.model.digest()
    rows = []
    for row, reading in plan:
        n_voco = None if reading.way == "causal" else reading.n_voco or own
        rows.append((row, n_voco, scored(benchmark, questions, answers[reading])))
    return rows, digest


def _write(
    out: Path,
    benchmark: Benchmark,
    questions: Sequence[Question],
    outcome: Outcome,
    looks: Looks,
    results: dict[str, Result],
) -> None:
    with whole_folder(out) as folder:
        outcome.write(folder)
        looks.write(folder)
        write_items(folder, results)
        for name, result in results.items():
            given = [item.answer for item in result.items]
            benchmark.write_answers(questions, given, folder / ANSWERS / name / benchmark.answers_name)


def questions_folder(data: Path, name: str) -> Path:
    """A benchmark's own folder in a folder of several, or else the folder itself."""
    one = name.rsplit("_", 1)[0]  # RefCOCO's two benchmarks read the same files
    for known in (name, one, one.replace("_plus", "+")):
        if (data / known).is_dir():
            return data / known
    return data
