"""RefCOCO: expressions that fit one thing of a picture, and its box; refs as JSON, instances as COCO has them."""

import random
from pathlib import Path
from typing import Any

from data.world.benchmarks.facts import HIDDEN, Fact, matches, names
from data.world.benchmarks.picking import open_score
from data.world.benchmarks.pool import Pool, write_json
from data.world.scenes import SHAPES, Scene

ROUND = ("circle", "ring", "star")
"""testA asks about these, as the official one about people; testB about the other shapes."""
SPLITS = ("val", "testA", "testB")
MOST_SENTENCES = 3


def write(out: Path, pool: Pool, n: int, rng: random.Random) -> dict[str, Any]:
    wanted = rng.sample(pool.scenes, len(pool.scenes))
    refs: list[dict[str, Any]] = []
    used: list[Scene] = []
    pairs, sentence = [], 0
    anns = {scene.name: _annotations(scene, pool) for scene in pool.scenes}
    for scene in wanted:
        if sentence >= n:
            break
        split = SPLITS[len(used) % len(SPLITS)]
        made = [
            (i, s) for i in range(len(scene.things)) if (s := expressions(scene, i)) and _fits(scene, i, split)
        ]
        for i, sentences in made:
            told = [_sentence(sentence + k, s) for k, s in enumerate(sentences[:MOST_SENTENCES])]
            sentence += len(told)
            refs.append(_ref(len(refs), anns[scene.name][i], scene, split, told, pool))
            pairs.append((sentences[0], f"{scene.things[i].row} {scene.things[i].column}"))
        used += [scene] if made else []
    write_json(out / "refs(unc).json", refs)
    write_json(out / "instances.json", _instances(used, anns, pool))
    facts = [Fact("picture", "", "", (), scene) for scene in used]
    pool.save_images(facts, lambda f: out / "train2014" / image_name(pool.number(f.about)))
    score, chance = open_score(pairs)
    return {"questions": sentence, "refs": len(refs), "text_only": score, "chance": chance}


def image_name(number: int, ann: int | None = None) -> str:
    """A picture's file name; refs name the object's number in addition."""
    return f"COCO_train2014_{number:012d}{'' if ann is None else f'_{ann}'}.jpg"


def expressions(scene: Scene, number: int) -> list[str]:
    """What may be said to mean this thing and no other; none where it is hidden too far."""
    thing = scene.things[number]
    if thing.hidden_share > HIDDEN:
        return []
    plain = names(scene, number)
    if thing.word is not None:
        plain.append(f"the {thing.shape} that says {thing.word}")
    shortest = plain[0] if plain else ""
    if shortest.split()[0:1] == [thing.colour]:
        plain.append(f"the {shortest.removeprefix(thing.colour).strip()} that is {thing.colour}")
    return list(dict.fromkeys(plain))


def meant(scene: Scene, expression: str) -> list[int]:
    """The numbers of all things that an expression fits."""
    name, _, label = expression.removeprefix("the ").partition(" that says ")
    name, _, colour = name.partition(" that is ")
    fit = [i for i, t in enumerate(scene.things) if matches(t, f"{colour} {name}".strip())]
    return [i for i in fit if not label or scene.things[i].word == label]


def _fits(scene: Scene, number: int, split: str) -> bool:
    return split == "val" or (scene.things[number].shape in ROUND) == (split == "testA")


def _annotations(scene: Scene, pool: Pool) -> list[dict[str, Any]]:
    width, height = pool.size
    out = []
    for i, thing in enumerate(scene.things):
        x0, y0, x1, y1 = (round(v, 2) for v in _pixels(thing.box, width, height))
        box = [x0, y0, round(x1 - x0, 2), round(y1 - y0, 2)]
        out.append(
            {
                "segmentation": [[x0, y0, x1, y0, x1, y1, x0, y1]],
                "area": round(box[2] * box[3], 4),
                "iscrowd": 0,
                "image_id": pool.number(scene),
                "bbox": box,
                "category_id": SHAPES.index(thing.shape) + 1,
                "id": pool.number(scene) * 100 + i,
            }
        )
    return out


def _pixels(box: tuple[float, float, float, float], width: int, height: int) -> tuple[float, ...]:
    """In pixels, and inside the picture."""
    return tuple(min(max(v, 0.0), 1.0) * s for v, s in zip(box, (width, height) * 2, strict=True))


def _sentence(number: int, text: str) -> dict[str, Any]:
    return {"tokens": text.split(), "raw": text, "sent_id": number, "sent": text}


def _ref(
    number: int, ann: dict[str, Any], scene: Scene, split: str, sentences: list[dict[str, Any]], pool: Pool
) -> dict[str, Any]:
    return {
        "sent_ids": [s["sent_id"] for s in sentences],
        "file_name": image_name(pool.number(scene), ann["id"]),
        "ann_id": ann["id"],
        "ref_id": number,
        "image_id": ann["image_id"],
        "split": split,
        "sentences": sentences,
        "category_id": ann["category_id"],
    }


def _instances(scenes: list[Scene], anns: dict[str, list[dict[str, Any]]], pool: Pool) -> dict[str, Any]:
    width, height = pool.size
    images = [
        {
            "license": 1,
            "file_name": image_name(pool.number(scene)),
            "coco_url": "",
            "height": height,
            "width": width,
            "date_captured": "2014-01-01 00:00:00",
            "flickr_url": "",
            "id": pool.number(scene),
        }
        for scene in scenes
    ]
    return {
        "info": {"description": "The small world in the form of COCO 2014.", "version": "1.0", "year": 2014},
        "licenses": [{"url": "", "id": 1, "name": "as the project"}],
        "images": images,
        "annotations": [ann for scene in scenes for ann in anns[scene.name]],
        "categories": [{"supercategory": "shape", "id": i, "name": s} for i, s in enumerate(SHAPES, start=1)],
    }
