"""VQAv2: open questions with the answers of ten people."""

import random
from collections import Counter
from pathlib import Path
from typing import Any

from data.world.benchmarks.answers import confidence, ten_answers
from data.world.benchmarks.facts import YES_NO, Fact
from data.world.benchmarks.picking import balanced, open_score
from data.world.benchmarks.pool import Pool, write_json, write_text

KINDS = ("exist", "relation", "compare", "colour", "shape", "count", "beside", "cell", "background")
QUESTION_TYPES = (
    *("are the", "are there", "how many", "is the", "is there", "is there a", "what", "what colour is the"),
    "none of the above",
)
HEADER = {
    "info": {
        "description": "The small world's questions in the form of VQA v2.0.",
        "url": "",
        "version": "2.0",
        "year": 2017,
        "contributor": "small world",
        "date_created": "2017-04-26 17:07:13",
    },
    "task_type": "Open-Ended",
    "data_type": "mscoco",
    "license": {"url": "", "name": "as the project"},
    "data_subtype": "val2014",
}


def write(out: Path, pool: Pool, n: int, rng: random.Random) -> dict[str, Any]:
    chosen = balanced(pool.facts(*KINDS), KINDS, n, rng)
    asked: Counter[int] = Counter()
    questions, annotations = [], []
    for fact in chosen:
        image = pool.number(fact.about)
        number = image * 1000 + asked[image]
        asked[image] += 1
        questions.append({"image_id": image, "question": fact.question, "question_id": number})
        annotations.append(_annotation(fact, image, number, rng))
    write_json(out / "v2_OpenEnded_mscoco_val2014_questions.json", {**HEADER, "questions": questions})
    write_json(out / "v2_mscoco_val2014_annotations.json", {**HEADER, "annotations": annotations})
    write_text(out / "mscoco_question_types.txt", "".join(f"{t}\n" for t in QUESTION_TYPES))
    folder = out / "val2014"
    pool.save_images(chosen, lambda f: folder / f"COCO_val2014_{pool.number(f.about):012d}.jpg")
    score, chance = open_score([(f.question, f.answer) for f in chosen])
    return {"questions": len(chosen), "text_only": score, "chance": chance}


def _annotation(fact: Fact, image: int, number: int, rng: random.Random) -> dict[str, Any]:
    given = ten_answers(fact, rng)
    return {
        "question_type": question_type(fact.question),
        "multiple_choice_answer": Counter(given).most_common(1)[0][0],
        "answers": [
            {"answer": a, "answer_confidence": confidence(a, fact, rng), "answer_id": i}
            for i, a in enumerate(given, start=1)
        ],
        "image_id": image,
        "answer_type": answer_type(fact),
        "question_id": number,
    }


def question_type(question: str) -> str:
    """The longest of the types that the question begins with."""
    fit = [t for t in QUESTION_TYPES if f"{question.lower()} ".startswith(f"{t} ")]
    return max(fit, key=len, default=QUESTION_TYPES[-1])


def answer_type(fact: Fact) -> str:
    if fact.choices == YES_NO:
        return "yes/no"
    return "number" if fact.answer.isdigit() else "other"
