"""GQA: questions with their functional programs, `testdev_all_questions.json` and the balanced part of it."""

import random
from pathlib import Path
from typing import Any

from data.world.benchmarks.facts import Fact, matches, names
from data.world.benchmarks.picking import balanced, open_score
from data.world.benchmarks.pool import Pool, write_json

TYPES = {
    "exist": ("verify", "obj", "existAttr"),
    "both": ("logical", "obj", "existAnd"),
    "colour": ("query", "attr", "directOf"),
    "shape": ("query", "cat", "categoryThis"),
    "size": ("choose", "attr", "chooseAttr"),
    "side": ("choose", "attr", "positionChoose"),
    "height": ("choose", "attr", "positionChoose"),
    "relation": ("verify", "rel", "relVerify"),
    "beside": ("query", "rel", "relS"),
    "cell": ("query", "attr", "directOf"),
    "same": ("compare", "rel", "twoSame"),
}
"""Structural, semantic and detailed type of each kind."""
SEMANTIC = {
    "colour": "color",
    "cell": "color",
    "shape": "name",
    "size": "size",
    "side": "hposition",
    "height": "vposition",
}
LOOKS = ("colour", "shape", "size")
UNBALANCED = 4
"""One question out of this many, besides the balanced ones, is as the scenes have it."""


def write(out: Path, pool: Pool, n: int, rng: random.Random) -> dict[str, Any]:
    chosen = balanced(pool.facts(*TYPES), tuple(TYPES), n, rng)
    taken = {(f.question, f.about.name) for f in chosen}
    others = [f for f in pool.facts(*TYPES) if (f.question, f.about.name) not in taken]
    extra = rng.sample(others, min(len(others), -(-n // UNBALANCED)))
    ids = {id(fact): f"20{i:07d}" for i, fact in enumerate([*chosen, *extra])}
    records = {ids[id(f)]: _record(f, ids[id(f)], pool) for f in chosen}
    records |= {ids[id(f)]: _record(f, ids[id(f)], pool) | {"isBalanced": False} for f in extra}
    _entail(records)
    write_json(out / "testdev_all_questions.json", records)
    write_json(out / "testdev_balanced_questions.json", {k: r for k, r in records.items() if r["isBalanced"]})
    pool.save_images([*chosen, *extra], lambda f: out / "images" / f"{image_id(f, pool)}.jpg")
    score, chance = open_score([(f.question, f.answer) for f in chosen])
    return {"questions": len(records), "balanced": len(chosen), "text_only": score, "chance": chance}


def image_id(fact: Fact, pool: Pool) -> str:
    return f"n{pool.number(fact.about):06d}"


def _record(fact: Fact, number: str, pool: Pool) -> dict[str, Any]:
    structural, semantic, detailed = TYPES[fact.kind]
    program = _program(fact)
    group = SEMANTIC.get(fact.kind)
    told, shown = _full_answer(fact), [str(i) for i in fact.things]
    return {
        "semantic": program,
        "entailed": [],
        "equivalent": [number],
        "question": fact.question,
        "imageId": image_id(fact, pool),
        "isBalanced": True,
        "groups": {
            "global": group,
            "local": f"{len(fact.choices):02d}-{'_'.join(fact.question[:-1].lower().split())}",
        },
        "answer": fact.answer,
        "semanticStr": "->".join(_step(step) for step in program),
        "annotations": {
            "answer": {"0": shown[0]} if fact.kind == "shape" else {},
            "question": _places(fact.question, fact),
            "fullAnswer": _places(told, fact),
        },
        "types": {"detailed": detailed, "semantic": semantic, "structural": structural},
        "fullAnswer": told,
    }


def _step(step: dict[str, Any]) -> str:
    needs = f" [{', '.join(map(str, step['dependencies']))}]" if step["dependencies"] else ""
    return f"{step['operation']}: {step['argument']}{needs}"


def _places(text: str, fact: Fact) -> dict[str, str]:
    """For each word that is the noun of a thing asked about, the number of that thing."""
    words, found = text.rstrip(".?").split(), {}
    for i in fact.things:
        for name in names(fact.about, i):
            parts = name.split()
            for start in range(len(words) - len(parts) + 1):
                if words[start : start + len(parts)] == parts:
                    found[str(start + len(parts) - 1)] = str(i)
    return found


def _program(fact: Fact) -> list[dict[str, Any]]:
    steps: list[dict[str, Any]] = []

    def do(operation: str, needs: list[int], argument: str) -> int:
        steps.append({"operation": operation, "dependencies": needs, "argument": argument})
        return len(steps) - 1

    def select(number: int) -> int:
        return do("select", [], f"{fact.about.things[number].shape} ({number})")

    words = fact.question.rstrip("?").split()
    if fact.kind == "exist":
        colour, shape = words[3:5]
        ids = [str(i) for i, t in enumerate(fact.about.things) if matches(t, f"{colour} {shape}")]
        found = do("select", [], f"{shape} ({','.join(ids) or '-'})")
        do("exist", [do("filter color", [found], colour)], "?")
    elif fact.kind == "both":
        parts = []
        for shape in (words[4], words[7]):
            ids = [str(i) for i, t in enumerate(fact.about.things) if t.shape == shape]
            parts.append(do("exist", [do("select", [], f"{shape} ({','.join(ids) or '-'})")], "?"))
        do("and", parts, "")
    elif fact.kind == "relation":
        a, b = fact.things
        way = "to the left of" if "left" in words else "above"
        do("verify rel", [select(a)], f"{fact.about.things[b].shape},{way},o ({b})")
    elif fact.kind == "beside":
        a, b = fact.things
        do("query", [do("relate", [select(a)], f"_,to the left of,s ({b})")], "color")
    elif fact.kind == "same":
        do("same row", [select(i) for i in fact.things], "")
    elif fact.kind in ("colour", "cell", "shape"):
        do("query", [select(fact.things[0])], SEMANTIC[fact.kind])
    else:
        do(f"choose {SEMANTIC[fact.kind]}", [select(fact.things[0])], "|".join(fact.choices))
    return steps


def _full_answer(fact: Fact) -> str:
    if fact.choices == ("yes", "no"):
        return "Yes, that is so." if fact.answer == "yes" else "No, that is not so."
    if fact.kind in ("beside", "cell"):
        return f"That thing is {fact.answer}."
    name = names(fact.about, fact.things[0], without=fact.kind if fact.kind in LOOKS else "")[0]
    verb = f"is on the {fact.answer}" if fact.kind == "side" else f"is {fact.answer}"
    verb = f"is at the {fact.answer}" if fact.kind == "height" else verb
    return f"The {name} {'is a ' + fact.answer if fact.kind == 'shape' else verb}."


def _entail(records: dict[str, dict[str, Any]]) -> None:
    """Questions of one image with the same program are equivalent, and entail each other."""
    alike: dict[tuple[str, str], list[str]] = {}
    for number, record in records.items():
        alike.setdefault((record["imageId"], record["semanticStr"]), []).append(number)
    for number, record in records.items():
        group = alike[record["imageId"], record["semanticStr"]]
        record["equivalent"] = group
        record["entailed"] = [other for other in group if other != number]
