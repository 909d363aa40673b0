"""Time to score 100,000 VQAv2 answers from files, and of a 1,000-resample interval on 12,578 GQA items.

python -m tests.benchmarks.scoring
"""

import argparse
import json
import tempfile
import time
from pathlib import Path

import numpy as np

from voco_model.evaluation.benchmarks import by_name
from voco_model.evaluation.items import Shares
from voco_model.evaluation.scoring import score_files
from voco_model.evaluation.statistics import interval

WORD_LIST = "yes no 2 red blue dog cat table the t-shirt two man standing none left"
WORDS = WORD_LIST.split()
PEOPLE = 10
GQA_ITEMS, GQA_IMAGES = 12_578, 398
GOALS = {"vqav2_seconds": 20.0, "interval_seconds": 5.0, "interval_each_its_own_image_seconds": 5.0}


def write_vqav2(folder: Path, count: int, rng: np.random.Generator) -> Path:
    """Questions, annotations and answers in the official forms; returns where the answers are."""
    said = rng.choice(WORDS, (count, PEOPLE))
    said[: count // 2] = said[: count // 2, :1]  # people agree on half of them
    end = rng.integers(0, 1000, count)
    ids = [int(i) * 1000 for i in range(count)]
    questions = [
        {"image_id": i // 5000, "question": f"What is {e}?", "question_id": i}
        for i, e in zip(ids, end, strict=True)
    ]
    notes = [
        {
            "question_id": number,
            "image_id": number // 5000,
            "question_type": "what is",
            "answer_type": "other",
            "answers": [{"answer": a, "answer_confidence": "yes", "answer_id": k} for k, a in enumerate(row)],
        }
        for number, row in zip(ids, said.tolist(), strict=True)
    ]
    answers = [
        {"question_id": number, "prompt": "What?", "text": f"{row[0]} {extra}."}
        for number, row, extra in zip(ids, said.tolist(), end, strict=True)
    ]
    folder.joinpath("v2_OpenEnded_mscoco_val2014_questions.json").write_text(json.dumps({"questions": questions}))
    folder.joinpath("v2_mscoco_val2014_annotations.json").write_text(json.dumps({"annotations": notes}))
    out = folder / "answers.jsonl"
    out.write_text("".join(json.dumps(line) + "\n" for line in answers))
    return out


def time_interval(images: int, rng: np.random.Generator) -> float:
    """Seconds for one interval, its items spread over so many images."""
    scores = (rng.random((GQA_ITEMS, 1)) < 0.6).astype(float)
    shares = Shares(scores, np.ones_like(scores), [str(i % images) for i in range(GQA_ITEMS)], 100.0)
    began = time.perf_counter()
    interval(shares)
    return time.perf_counter() - began


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--answers", type=int, default=100_000)
    options = parser.parse_args()
    rng = np.random.default_rng(0)
    with tempfile.TemporaryDirectory() as name:
        answers = write_vqav2(Path(name), options.answers, rng)
        began, cpu = time.perf_counter(), time.process_time()
        result = score_files(by_name("vqav2"), Path(name), answers)
        seconds, cpu = time.perf_counter() - began, time.process_time() - cpu
    assert result.figures["questions"] == options.answers
    figures = {
        "vqav2_seconds": seconds,
        "interval_seconds": time_interval(GQA_IMAGES, rng),
        "interval_each_its_own_image_seconds": time_interval(GQA_ITEMS, rng),
    }
    print(f"scoring took {cpu:.2f} s of one processor: what it takes where nothing else runs")
    for name, value in figures.items():
        print(f"{name:<40} {value:6.2f}  goal < {GOALS[name]:g}  {'met' if value < GOALS[name] else 'missed'}")


if __name__ == "__main__":
    main()
