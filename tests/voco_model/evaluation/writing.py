"""Files as the benchmarks' authors and LLaVA write them."""

import json
from pathlib import Path

from voco_model.evaluation.benchmarks import by_name
from voco_model.evaluation.scoring import score_files


def write(path: Path, value) -> Path:
    """A JSON file, or JSON lines where the name ends so."""
    path.parent.mkdir(parents=True, exist_ok=True)
    text = json.dumps(value) if path.suffix != ".jsonl" else "".join(json.dumps(one) + "\n" for one in value)
    path.write_text(text)
    return path


def llava(path: Path, answers: dict, **more) -> Path:
    """LLaVA's answer lines."""
    lines = [{"question_id": k, "prompt": "", "text": v, "model_id": "m", **more} for k, v in answers.items()]
    return write(path, lines)


def figures(name: str, questions: Path, answers: Path, truth: Path | None = None) -> dict[str, float]:
    return score_files(by_name(name), questions, answers, truth).figures
