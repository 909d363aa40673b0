"""The small world's benchmark files: right answers, worked out again from the scenes."""

import hashlib
import io
import re
from collections import Counter

import pandas as pd
import pytest
from PIL import Image

from tests.data import oracle
from tests.data.benchmark_files import CLIPS, LEVEL, SEED, clip, last_number, lines, load, scene


def test_gqa_answers_programs_and_balance(root):
    records = load(root / "gqa/testdev_all_questions.json")
    for qid, r in records.items():
        here = scene(last_number(r["imageId"]))
        assert r["answer"] == oracle.answer(here, r["question"]), r["question"]
        assert (root / "gqa/images" / f"{r['imageId']}.jpg").is_file()
        assert qid in r["equivalent"]
        assert qid not in r["entailed"]
        assert all(need < i for i, step in enumerate(r["semantic"]) for need in step["dependencies"])
        words = r["question"].rstrip("?").split()
        for place, number in r["annotations"]["question"].items():
            assert words[int(place)] in (here.things[int(number)].shape, "thing")
    balanced = load(root / "gqa/testdev_balanced_questions.json")
    assert balanced == {k: r for k, r in records.items() if r["isBalanced"]}
    assert len(balanced) < len(records)


def test_mmbench_rotations_keep_question_picture_and_right_text(root):
    table = pd.read_csv(root / "mmbench/mmbench_dev_20230712.tsv", sep="\t", keep_default_na=False, na_values=[""])
    official = "index question hint A B C D answer category image source l2-category comment split"
    assert list(table.columns) == official.split()
    by_picture = {hashlib.sha256(_jpeg(s)).hexdigest(): s for s in map(scene, range(300))}
    groups = table.groupby(table["index"] % 1_000_000)
    for _, rows in groups:
        first = rows.iloc[0]
        options = [first[x] for x in "ABCD" if isinstance(first[x], str)]
        assert sorted(rows["index"] // 1_000_000) == list(range(len(options)))
        assert rows["image"].nunique() == rows["question"].nunique() == 1
        here = by_picture[_digest(first["image"])]
        right = oracle.answer(here, first["question"])
        for k, (_, row) in enumerate(rows.iterrows()):
            shown = [row[x] for x in "ABCD" if isinstance(row[x], str)]
            assert shown == options[k:] + options[:k]
            assert row[row["answer"]] == right
    sizes = Counter(table["D"].isna() * 1 + table["C"].isna())
    assert set(sizes) == {0, 1, 2}, "four, three and two options"
    assert table["hint"].str.contains("\n").any()
    assert (table[list("ABCD")] == "None").any().any(), "the word None is an option"


def _jpeg(here):
    from data.world.benchmarks.pool import JPEG
    from data.world.drawing import draw

    buffer = io.BytesIO()
    draw(here).save(buffer, "JPEG", **JPEG)
    return buffer.getvalue()


def _digest(text):
    import base64

    return hashlib.sha256(base64.b64decode(text)).hexdigest()


def test_mme_asks_one_yes_and_one_no_of_every_image(root):
    tasks = sorted(p.name for p in (root / "mme").iterdir())
    assert len(tasks) == 14
    for task in tasks:
        folder = root / "mme" / task
        apart = task in ("artwork", "celebrity", "landmark", "posters", "scene")
        texts = sorted((folder / "questions_answers_YN" if apart else folder).glob("*.txt"))
        assert texts
        for text in texts:
            images = folder / "images" if apart else folder
            assert sum((images / f"{text.stem}{e}").is_file() for e in (".jpg", ".png")) == 1
            asked = [line.split("\t") for line in text.read_text().splitlines()]
            assert [a for _, a in asked] == ["Yes", "No"]
            for question, label in asked:
                ask = question.removesuffix(" Please answer yes or no.")
                assert ask != question
                assert oracle.claim(scene(text.stem), ask) == (label == "Yes"), ask


def test_pope_asks_about_what_each_split_asks(root):
    scenes = [scene(i) for i in range(300)]
    seen = Counter(x for s in scenes for x in {f"{t.colour} {t.shape}" for t in s.things})
    mean = {}
    for split in ("random", "popular", "adversarial"):
        records = lines(root / f"pope/coco_pope_{split}.json")
        assert [r["question_id"] for r in records] == list(range(1, len(records) + 1))
        for r in records:
            assert oracle.answer(scenes[last_number(r["image"])], r["text"]) == r["label"]
            assert (root / "pope/val2014" / r["image"]).is_file()
        assert Counter(r["label"] for r in records) == {"yes": len(records) // 2, "no": len(records) // 2}
        absent = [re.search(r"an? (\w+ \w+) in", r["text"])[1] for r in records if r["label"] == "no"]
        mean[split] = sum(seen[x] for x in absent) / len(absent)
    assert mean["popular"] > mean["random"]


def test_pope_adversarial_things_keep_company_with_what_is_there(root):
    scenes = [scene(i) for i in range(300)]
    sets = [{f"{t.colour} {t.shape}" for t in s.things} for s in scenes]

    def company(split):
        asked = [r for r in lines(root / f"pope/coco_pope_{split}.json") if r["label"] == "no"]
        total = 0
        for r in asked:
            absent = re.search(r"an? (\w+ \w+) in", r["text"])[1]
            total += sum(absent in s and len(s & sets[last_number(r["image"])]) for s in sets)
        return total / len(asked)

    assert company("adversarial") > company("random")


def test_seed_bench_answers_and_files(root):
    whole = load(root / "seed_bench/SEED-Bench.json")
    assert sorted(whole["question_type"].values()) == list(range(1, 13))
    for q in whole["questions"]:
        right = q[f"choice_{q['answer'].lower()}"]
        offered = [q[f"choice_{x}"] for x in "abcd"]
        assert len(set(offered)) == 4
        number = int(re.match(r"\d+", q["data_id"])[0])
        path = root / "seed_bench" / f"SEED-Bench-{q['data_type']}" / q["data_id"]
        assert path.is_file()
        if q["data_type"] == "image":
            assert q["question_type_id"] <= 9
            assert right == oracle.answer(scene(number), q["question"])
        else:
            assert q["question_type_id"] >= 10
            assert right == oracle.clip_answer(clip(number), q["question"])
            if q["question_type_id"] == 11:
                events = [e.time for e in clip(number).events]
                assert q["segment"][1] in events, "a prediction is cut off where the event begins"
    assert {q["data_type"] for q in whole["questions"]} == {"image", "video"}


def test_scienceqa_answers_with_picture_or_told_in_words(root):
    from data.world.drawing import draw

    problems, splits = load(root / "scienceqa/problems.json"), load(root / "scienceqa/pid_splits.json")
    assert splits["test"] == list(problems)
    pictures = {draw(s).tobytes(): s for s in map(scene, range(300))}
    for pid, p in problems.items():
        path = root / "scienceqa/images/test" / pid / "image.png"
        assert path.is_file() == (p["image"] == "image.png")
        right = p["choices"][p["answer"]]
        if p["image"]:
            with Image.open(path) as image:
                assert right == oracle.answer(pictures[image.tobytes()], p["question"])
        else:
            assert p["image"] is None
            assert p["hint"].count(" in row ") >= 2
            assert p["solution"] == f"{p['hint']} So the answer is {right}."
    assert {p["image"] for p in problems.values()} == {None, "image.png"}


def test_vqav2_majority_is_right_and_people_disagree(root):
    questions = load(root / "vqav2/v2_OpenEnded_mscoco_val2014_questions.json")["questions"]
    annotations = load(root / "vqav2/v2_mscoco_val2014_annotations.json")["annotations"]
    types = (root / "vqav2/mscoco_question_types.txt").read_text().splitlines()
    assert len({q["question_id"] for q in questions}) == len(questions)
    for q, a in zip(questions, annotations, strict=True):
        assert (q["question_id"], q["image_id"]) == (a["question_id"], a["image_id"])
        assert q["question_id"] // 1000 == q["image_id"]
        right = oracle.answer(scene(q["image_id"]), q["question"])
        given = [x["answer"] for x in a["answers"]]
        assert len(given) == 10
        assert given.count(right) >= 7
        assert a["multiple_choice_answer"] == right
        assert a["question_type"] in types
        expected = "yes/no" if right in ("yes", "no") else "number" if right.isdigit() else "other"
        assert a["answer_type"] == expected
        assert (root / "vqav2/val2014" / f"COCO_val2014_{q['image_id']:012d}.jpg").is_file()
    assert any(len({x["answer"] for x in a["answers"]}) > 1 for a in annotations)
    assert {a["answer_type"] for a in annotations} == {"yes/no", "number", "other"}


def test_textvqa_answers_are_what_is_written(root):
    data = load(root / "textvqa/TextVQA_0.5.1_val.json")["data"]
    by_picture = {_jpeg(s): s for s in map(scene, range(300))}
    for q in data:
        path = root / "textvqa/train_images" / f"{q['image_id']}.jpg"
        here = by_picture[path.read_bytes()]
        right = oracle.answer(here, q["question"])
        assert Counter(q["answers"]).most_common(1)[0][0] == right
        with Image.open(path) as image:
            assert image.size == (q["image_width"], q["image_height"])
        assert " ".join(q["question_tokens"]) == re.sub(r"[^\w ]", "", q["question"])


def test_vizwiz_says_what_cannot_be_answered(root):
    by_picture = {_jpeg(s): s for s in map(scene, range(300))}
    records = load(root / "vizwiz/val.json")
    for r in records:
        here = by_picture[(root / "vizwiz/val" / r["image"]).read_bytes()]
        right = oracle.answer(here, r["question"])
        assert Counter(a["answer"] for a in r["answers"]).most_common(1)[0][0] == right
        assert r["answerable"] == int(right != "unanswerable")
        assert (r["answer_type"] == "unanswerable") == (not r["answerable"])
    assert {r["answerable"] for r in records} == {0, 1}


def test_refcoco_expressions_mean_one_thing_and_boxes_hold_it(root):
    refs, instances = load(root / "refcoco/refs(unc).json"), load(root / "refcoco/instances.json")
    images = {i["id"]: i for i in instances["images"]}
    anns = {a["id"]: a for a in instances["annotations"]}
    for ref in refs:
        here, image, ann = scene(ref["image_id"]), images[ref["image_id"]], anns[ref["ann_id"]]
        assert (root / "refcoco/train2014" / image["file_name"]).is_file()
        assert ref["sent_ids"] == [s["sent_id"] for s in ref["sentences"]]
        x, y, w, h = ann["bbox"]
        for sentence in ref["sentences"]:
            assert sentence["tokens"] == sentence["sent"].split()
            thing = oracle.meant(here, sentence["sent"].removeprefix("the "))
            size = (image["width"], image["height"]) * 2
            box = [v * s for v, s in zip(thing.box, size, strict=True)]
            assert [x, y, x + w, y + h] == pytest.approx(box, abs=0.02)
        if ref["split"] != "val":
            assert (thing.shape in ("circle", "ring", "star")) == (ref["split"] == "testA")
    assert {r["split"] for r in refs} == {"val", "testA", "testB"}
    names = {c["id"]: c["name"] for c in instances["categories"]}
    assert all(names[a["category_id"]] for a in anns.values())


def test_msvd_and_msrvtt_answers(root):
    names = dict(line.split()[::-1] for line in (root / "msvd_qa/youtube_mapping.txt").read_text().splitlines())
    by_digest = _clips_by_bytes()
    for q in load(root / "msvd_qa/test_qa.json"):
        video = root / "msvd_qa/YouTubeClips" / f"{names['vid' + str(q['video_id'])]}.mp4"
        assert q["answer"] == oracle.clip_answer(by_digest[video.read_bytes()], q["question"]), q["question"]
    for q in load(root / "msrvtt_qa/test_qa.json"):
        video = root / "msrvtt_qa/TestVideo" / f"video{q['video_id']}.mp4"
        assert q["answer"] == oracle.clip_answer(by_digest[video.read_bytes()], q["question"])


def test_activitynet_answers_and_types(root):
    questions, answers = load(root / "activitynet_qa/test_q.json"), load(root / "activitynet_qa/test_a.json")
    by_digest = _clips_by_bytes()
    for q, a in zip(questions, answers, strict=True):
        assert q["question_id"] == a["question_id"]
        assert q["question_id"].startswith(f"v_{q['video_name']}_")
        video = root / "activitynet_qa/videos" / f"v_{q['video_name']}.mp4"
        assert a["answer"] == oracle.clip_answer(by_digest[video.read_bytes()], q["question"])
        assert (a["type"] == 3) == (a["answer"] in ("yes", "no"))
        assert a["type"] != 7 or a["answer"].isdigit()


def _clips_by_bytes():
    from data.world.benchmarks.pool import Pool

    pool = Pool(SEED, LEVEL, 0, CLIPS)
    return {pool.video(c): c for c in pool.clips}
