"""The benchmarks' own files, where they are at hand: excerpts that are no part of the project."""

from pathlib import Path

import pytest

from tests.voco_model.evaluation.writing import figures, llava, write
from voco_model.evaluation.benchmarks import by_name
from voco_model.evaluation.files import read_json

ROOT = Path(__file__).parents[4] / "shared" / "benchmarks"
pytestmark = pytest.mark.skipif(not ROOT.is_dir(), reason=f"the genuine excerpts are not at {ROOT}")


def test_gqa():
    (question,) = by_name("gqa").load(ROOT / "gqa" / "questions1.json")
    assert (question.truth, question.counts, question.facts["structural"]) == ("yes", False, "logical")
    (question,) = by_name("gqa").load(ROOT / "gqa" / "questions.json")
    assert by_name("gqa").media_path(ROOT / "gqa", question).name == "n578564.jpg"


@pytest.mark.parametrize("split", ["random", "popular", "adversarial"])
def test_pope(split, tmp_path):
    path = ROOT / "pope" / f"coco_pope_{split}.first120.json"
    right = {line["question_id"]: line["label"].capitalize() for line in read_json(path)}
    got = figures("pope", path, llava(tmp_path / "a.jsonl", right))
    assert (got["f1"], got["accuracy"], got[f"{split}/questions"]) == (1, 1, 120)


def test_a_peers_results_of_mme():
    """Against the rule written out for these files, whose answers all begin with yes or no."""
    folder = ROOT / "mme" / "eval_tool" / "LaVIN"
    files = {path.name.split(".")[0]: path.read_text().splitlines() for path in sorted(folder.glob("*.txt"))}
    for subtask, lines in files.items():
        right = [(line.split("\t")[3].lower()[:3] + " ").startswith(line.split("\t")[2].lower()) for line in lines]
        both = [a and b for a, b in zip(right[::2], right[1::2], strict=True)]
        got = figures("mme", folder / f"{subtask}.first40.txt", folder / f"{subtask}.first40.txt")
        expected = 100 * sum(right) / 40 + 100 * sum(both) / 20
        assert got[f"{subtask}.first40"] == pytest.approx(expected, abs=1e-9)


def test_scienceqa(tmp_path):
    path = ROOT / "scienceqa" / "llava_test_CQM-A.first200.json"
    questions = by_name("scienceqa").load(path)
    assert len(questions) == 200
    got = figures("scienceqa", path, llava(tmp_path / "a.jsonl", {q.id: q.truth for q in questions}))
    assert (got["accuracy"], got["image_accuracy"], got["missing"]) == (100, 100, 0)
    assert got["image_questions"] == sum("image" in one for one in read_json(path))
    official = by_name("scienceqa").load(ROOT / "scienceqa" / "problems.first60.json")
    told = {q.id: q for q in official}
    shared = [q for q in questions if q.id in told]
    assert shared
    for question in shared:
        assert told[question.id].truth == question.truth
        if "Context: " not in question.prompt:  # the excerpts' contexts differ
            assert told[question.id].prompt == question.prompt


def test_vqav2(tmp_path):
    folder = ROOT / "vqav2"
    first, *_ = questions = by_name("vqav2").load(folder / "questions.json", folder / "annotations.json")
    assert len(questions) == 3
    assert first.truth.count("net") == 6
    answers = llava(tmp_path / "a.jsonl", {q.id: q.truth[0] for q in questions})
    assert figures("vqav2", folder / "questions.json", answers, folder / "annotations.json")["missing"] == 0


def test_textvqa(tmp_path):
    path = ROOT / "textvqa" / "TextVQA_0.5.1_val.json"
    questions = by_name("textvqa").load(path)
    lines = read_json(ROOT / "textvqa" / "llava_textvqa_val_v051_ocr.first100.jsonl")
    pictures = {q.group for q in questions}
    asked = [one for one in lines if one["question_id"] in pictures]
    assert len(asked) == len(questions)
    told = [{"question_id": a["question_id"], "prompt": a["text"], "text": "x"} for a in asked]
    got = figures("textvqa", path, write(tmp_path / "a.jsonl", told))
    assert (got["missing"], got["duplicates"], got["unknown"]) == (0, 0, 0)


def test_videos():
    clips = by_name("msvd_qa").load(ROOT / "msvd_qa" / "test_qa.first200.json")
    assert len(clips) == 200
    assert clips[0].media.endswith(".avi")
    assert len(by_name("msrvtt_qa").load(ROOT / "msrvtt_qa")) == 234
    asked = ROOT / "activitynet_qa" / "test_q.first200.json"
    assert "yes_no" in {q.kind for q in by_name("activitynet_qa").load(asked)}
