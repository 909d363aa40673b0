"""POPE and MME against scores computed by hand."""

import pytest

from tests.voco_model.evaluation.writing import figures, llava, write
from voco_model.errors import VocoError
from voco_model.evaluation.benchmarks import by_name
from voco_model.evaluation.scoring import scored

LABELS = ("yes", "no", "yes", "no")


def pope_lines(labels=LABELS):
    return [
        {"question_id": i, "image": f"{i // 2}.jpg", "text": f"Is there a thing {i}?", "label": label}
        for i, label in enumerate(labels, 1)
    ]


def pope_file(folder, split="random", labels=LABELS):
    lines = write(folder / "lines.jsonl", pope_lines(labels))
    return lines.rename(folder / f"coco_pope_{split}.json")


@pytest.mark.parametrize(
    ("answer", "read"),
    [
        ("No, there is not.", "no"),
        ("no", "no"),
        ("NO", "yes"),
        ("nope", "yes"),
        ("Yes. There is no doubt.", "yes"),
        ("e.g. no", "yes"),  # only `e` stands before the first full stop
        ("It is not,there", "yes"),
        ("I see not, in truth", "no"),
        ("", "yes"),
        ("Yes\nno", "yes"),
    ],
)
def test_pope_reads_the_first_sentence(answer, read):
    assert by_name("pope").read(None, answer) == read


def test_pope(tmp_path):
    questions = pope_file(tmp_path)
    got = figures("pope", questions, llava(tmp_path / "a.jsonl", {1: "Yes", 2: "Yes", "3": "No", 4: "No"}))
    assert [got[f"random/{name}"] for name in ("tp", "fp", "tn", "fn")] == [1, 1, 1, 1]
    for name in ("accuracy", "precision", "recall", "f1", "yes_ratio"):
        assert got[name] == got[f"random/{name}"] == 0.5
    assert got["random/questions"] == 4
    # Missing: a false no for the first, a false yes for the second.
    got = figures("pope", questions, llava(tmp_path / "b.jsonl", {3: "yes", 4: "no"}))
    assert [got[f"random/{name}"] for name in ("tp", "fp", "tn", "fn")] == [1, 1, 1, 1]
    assert got["missing"] == 2


def test_popes_own_answers_are_paired_by_order(tmp_path):
    questions = pope_file(tmp_path)
    told = [{"question": line["text"], "answer": line["label"]} for line in pope_lines()]
    assert figures("pope", questions, write(tmp_path / "a.jsonl", told))["f1"] == 1
    with pytest.raises(
        VocoError, match="3 answers without ids, so they are paired with questions by order; expected 4"
    ):
        figures("pope", questions, write(tmp_path / "b.jsonl", told[:3]))
    with pytest.raises(VocoError, match=r"record 1: its question is 'Is there a thing 4\?'; expected"):
        figures("pope", questions, write(tmp_path / "c.jsonl", told[::-1]))


def test_three_splits_are_averaged_and_told_apart_by_category_or_by_turn(tmp_path):
    for split in ("random", "popular", "adversarial"):
        pope_file(tmp_path, split)
    right = {line["question_id"]: line["label"] for line in pope_lines()}
    files = [llava(tmp_path / f"{c}.jsonl", right, category=c) for c in ("random", "popular")]
    files += [llava(tmp_path / "adversarial.jsonl", dict.fromkeys(right, "no"), category="adversarial")]
    answers = tmp_path / "all.jsonl"
    answers.write_text("".join(f.read_text() for f in files))
    got = figures("pope", tmp_path, answers)
    assert got["f1"] == pytest.approx(2 / 3)
    assert got["accuracy"] == pytest.approx(2.5 / 3)
    assert (got["adversarial/precision"], got["adversarial/f1"], got["adversarial/yes_ratio"]) == (0, 0, 0)
    answers.write_text(answers.read_text().replace('"category"', '"other"'))
    assert figures("pope", tmp_path, answers) == got


def test_popes_lines_as_llava_asks_them_are_paired_by_order(tmp_path):
    pope_file(tmp_path / "coco")
    lines = [
        {"question_id": 100 + i, "image": "x.jpg", "text": f"{line['text']}\nOne word.", "category": "random"}
        for i, line in enumerate(pope_lines())
    ]
    asked = write(tmp_path / "llava_pope_test.jsonl", lines)
    right = {100 + i: line["label"] for i, line in enumerate(pope_lines())}
    assert figures("pope", asked, llava(tmp_path / "a.jsonl", right))["f1"] == 1
    assert figures("pope", asked, llava(tmp_path / "a.jsonl", right), tmp_path / "coco")["f1"] == 1
    shifted = write(tmp_path / "llava_pope_shifted.jsonl", lines[1:])
    with pytest.raises(VocoError, match="record 1: line 1 of category `random` is not that line's question in"):
        by_name("pope").load(shifted, tmp_path / "coco")
    shorter = write(tmp_path / "llava_pope_short.jsonl", lines[:3])
    with pytest.raises(VocoError, match=r"3 lines of category `random`; .* has 4"):
        by_name("pope").load(shorter, tmp_path / "coco")


def mme_folder(folder):
    """Two subtasks, one of them with its pictures apart."""
    for subtask, apart in (("existence", False), ("artwork", True), ("code_reasoning", False)):
        texts = folder / subtask / ("questions_answers_YN" if apart else "")
        texts.mkdir(parents=True)
        (folder / subtask / "images").mkdir() if apart else None
        for image in ("0001", "0002"):
            told = f"Is {image} a?  Please answer yes or no.\tYes\nIs {image} b? Please answer yes or no.\tNo\n"
            (texts / f"{image}.txt").write_text(told)
    return folder


@pytest.mark.parametrize(
    ("answer", "read"),
    [("Yes", "yes"), ("oh, no", "other"), ("  no", "no"), ("Know", "no"), ("", "other"), ("   yes", "other")],
)
def test_mme_reads_four_characters(answer, read):
    assert by_name("mme").read(None, answer) == read


def test_mme(tmp_path):
    questions = by_name("mme").load(mme_folder(tmp_path))
    assert [q.media for q in questions][:2] == ["artwork/images/0001.jpg"] * 2
    texts = {"artwork": ["yes", "no", "yes", "no"], "code_reasoning": ["no", "yes", "maybe", ""]}
    texts["existence"] = ["yes", "no", "yes", "yes"]
    counts = dict.fromkeys(texts, 0)
    answers = []
    for question in questions:
        answers.append(texts[question.category][counts[question.category]])
        counts[question.category] += 1
    got = scored(by_name("mme"), questions, answers).figures
    assert got["existence"] == pytest.approx(75 + 50)
    assert got["artwork"] == 200
    assert got["code_reasoning"] == 0
    assert (got["perception"], got["cognition"]) == (pytest.approx(325), 0)
    assert (got["existence/acc"], got["existence/acc_plus"], got["code_reasoning/other"]) == (0.75, 0.5, 2)


def test_mmes_results_and_llavas_ids(tmp_path):
    folder = mme_folder(tmp_path / "MME")
    results = tmp_path / "results"
    results.mkdir()
    rows = [(i, f"Is {i} {q}? Please answer yes or no.", t) for i in ("0001", "0002") for q, t in ("aY", "bN")]
    told = "".join(f"{i}.jpg\t{q}\t{ {'Y': 'Yes', 'N': 'No'}[t] }\tYes, it is\n" for i, q, t in rows)
    (results / "existence.txt").write_text(told)
    got = figures("mme", folder, results)
    assert (got["existence"], got["perception"], got["missing"]) == (50, 50, 8)
    # The results alone hold questions and right answers too.
    assert figures("mme", results, results)["perception"] == 50
    lines = [
        {"question_id": "artwork/images/0001.jpg", "prompt": f"Is 0001 {q}?\nAnswer with a word.", "text": text}
        for q, text in (("b", "No"), ("a", "Yes"))
    ]
    got = figures("mme", folder, write(tmp_path / "a.jsonl", lines))
    assert (got["artwork"], got["artwork/acc"]) == (100, 0.5)
    (results / "existence.txt").write_text("0001.jpg\tIs it?\tYes\n")
    with pytest.raises(VocoError, match=r"existence.txt: record 1: expected 4 cells between tabs, found 3"):
        figures("mme", folder, results)
