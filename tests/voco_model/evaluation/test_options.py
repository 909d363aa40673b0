"""MMBench, SEED-Bench and ScienceQA against scores computed by hand."""

import csv
import json

import pytest

from tests.voco_model.evaluation.writing import figures, llava, write
from voco_model.errors import VocoError
from voco_model.evaluation.benchmarks import by_name
from voco_model.evaluation.benchmarks.mmbench import option_letter
from voco_model.evaluation.spreadsheet import read_sheet, write_sheet

OPTIONS = {"A": "None", "B": "red cube", "C": "a dog"}


@pytest.mark.parametrize(
    ("answer", "letter"),
    [
        ("B", "B"),
        ("(B).", "B"),
        ("B. red cube", "B"),
        ("A or B", ""),
        ("None", "A"),
        ("none of them", "A"),
        ("the red cube", "B"),
        ("D", ""),
        ("", ""),
        ("A red cube and some dog of it", "B"),  # A stands too far from the end, so the text decides
        ("The answer is C, not A", "C"),
        ("ANSWER IS  **b**", "B"),
        ("red cube or a dog", ""),
        ("I think it must be the red cube " + "x" * 40, ""),  # far longer than the options
    ],
)
def test_mmbench_reads_an_option(answer, letter):
    assert option_letter(answer, OPTIONS) == letter


def mmbench_file(folder):
    """A question of two options with both rotations, and one of which only one row is there."""
    path = folder / "mmbench_dev.tsv"
    header = [
        "index",
        "question",
        "hint",
        "A",
        "B",
        "C",
        "D",
        "answer",
        "category",
        "image",
        "l2-category",
        "split",
    ]
    rows = [
        [5, "Which?", 'a "hint"\nof two lines', "None", "ball", "", "", "A", "ocr", "AAAA" * 20, "fine", "dev"],
        [1000005, "Which?", "", "ball", "None", "", "", "B", "ocr", "5", "fine", "dev"],
        [6, "What?", "", "x", "y", "z", "w", "C", "style", "QUJD" * 20, "coarse", "dev"],
    ]
    with path.open("w", newline="") as file:
        csv.writer(file, delimiter="\t").writerows([header, *rows])
    return path


def test_mmbench_needs_every_rotation(tmp_path):
    path = mmbench_file(tmp_path)
    first, second, third = by_name("mmbench").load(path)
    assert first.options == {"A": "None", "B": "ball"}
    assert first.prompt.startswith('a "hint"\nof two lines\nWhich?\nA. None\nB. ball\nAnswer with')
    assert second.picture() == first.picture() != third.picture()
    got = figures("mmbench", path, llava(tmp_path / "a.jsonl", {5: "A", 1000005: "A", 6: "C"}))
    assert (got["accuracy"], got["category/ocr"], got["category/style"]) == (50, 0, 100)
    assert (got["l2-category/coarse"], got["split/dev"], got["circular_questions"]) == (100, 50, 2)
    got = figures("mmbench", path, llava(tmp_path / "b.jsonl", {5: "None", "1000005": "B", 6: "w"}))
    assert got["accuracy"] == 50
    got = figures("mmbench", path, llava(tmp_path / "c.jsonl", {5: "A"}))
    assert (got["accuracy"], got["missing"]) == (0, 2)


def test_mmbenchs_spreadsheet(tmp_path):
    path, out = mmbench_file(tmp_path), tmp_path / "out.xlsx"
    questions = by_name("mmbench").load(path)
    by_name("mmbench").write_answers(questions, ["A", "B", None], out)
    assert figures("mmbench", path, out)["accuracy"] == 50
    out.write_bytes(b"PK no sheet")
    with pytest.raises(VocoError, match=r"out.xlsx: not a spreadsheet"):
        figures("mmbench", path, out)


def test_a_sheet_keeps_what_was_written(tmp_path):
    rows = [["index", "prediction", "x"], [7, " <a> & \x01b\n", None], [8, "ä", "None"]]
    write_sheet(tmp_path / "s.xlsx", rows)
    first, second = read_sheet(tmp_path / "s.xlsx", ("index", "prediction"))
    assert first.fields == {"index": "7", "prediction": " <a> & b\n"}
    assert second.fields == {"index": "8", "prediction": "ä", "x": "None"}
    with pytest.raises(VocoError, match="no column answer; found index, prediction, x"):
        read_sheet(tmp_path / "s.xlsx", ("answer",))


def seed_file(folder):
    def question(number, kind, answer, kind_of="image"):
        choices = {f"choice_{letter}": f"option {letter}" for letter in "abcd"}
        return {
            "answer": answer,
            **choices,
            "data_id": f"file{number}",
            "data_type": kind_of,
            "question": "What?",
            "question_id": str(number),
            "question_type_id": kind,
        }

    questions = [
        question(101, 2, "A"),
        question(102, 1, "B"),
        question(103, 1, "C"),
        question("v1", 10, "D", "video"),
    ]
    types = {"Scene Understanding": 1, "Instance Identity": 2, "Action Recognition": 10}
    return write(folder / "SEED-Bench.json", {"questions": questions, "question_type": types})


def test_seed_bench(tmp_path):
    path = seed_file(tmp_path)
    got = figures("seed_bench", path, llava(tmp_path / "a.jsonl", {101: "A", 102: "B", "103": "C.", "v1": "D"}))
    assert got["accuracy"] == 75
    assert got["image"] == pytest.approx(200 / 3, abs=1e-9)
    assert got["video"] == 100
    assert got["type/Scene Understanding"] == 50
    assert next(k for k in got if k.startswith("type/")) == "type/Scene Understanding"
    # Lines that end with commas, as one published file has them.
    lines = [{"question_id": str(101 + i), "prediction": "A", "gt_answer": "A"} for i in range(3)]
    (tmp_path / "b.json").write_text("".join(json.dumps(line) + ",\n" for line in lines))
    got = figures("seed_bench", path, tmp_path / "b.json")
    assert (got["accuracy"], got["missing"]) == (25, 1)


def problems(folder):
    def problem(answer, image, split="test"):
        choices = ["one", "two", "three"]
        return {
            "question": "Which?",
            "choices": choices,
            "answer": answer,
            "hint": "",
            "image": image,
            "split": split,
        }

    value = {
        "1": problem(0, "image.png"),
        "4": problem(1, None),
        "7": problem(2, "image.png"),
        "9": problem(0, None, "val"),
    }
    write(folder / "pid_splits.json", {"test": ["1", "4", "7"], "val": ["9"]})
    return write(folder / "problems.json", value)


@pytest.mark.parametrize(
    ("answer", "read"),
    [
        ("A", "A"),
        ("A. one", "A"),
        ("A.one", "FAILED"),
        (" A", "FAILED"),
        ("The answer is B.", "B"),
        ("The answer is B", "FAILED"),  # the official pattern wants a character after the letter
        ("The answer is B. The answer is B.", "FAILED"),
        ("b", "FAILED"),
        ("", "FAILED"),
    ],
)
def test_scienceqa_reads_a_letter(answer, read):
    assert by_name("scienceqa").read(None, answer) == read


def test_scienceqa(tmp_path):
    path = problems(tmp_path)
    first = by_name("scienceqa").load(path)[0]
    assert first.prompt.startswith("Which?\nA. one\nB. two\nC. three\nAnswer with")
    assert first.media == "1/image.png"
    got = figures("scienceqa", path, llava(tmp_path / "a.jsonl", {"1": "A", 4: "E", "7": "The answer is B."}))
    assert got["accuracy"] == pytest.approx(100 / 3, abs=1e-9)
    assert (got["image_accuracy"], got["correct"], got["questions"]) == (50, 1, 3)
    official = write(tmp_path / "r.json", {"results": {"1": 0, "4": 1, "7": -1}})
    got = figures("scienceqa", path, official)
    assert (got["correct"], got["image_accuracy"], got["missing"]) == (2, 50, 0)
    turns = [{"from": "human", "value": "<image>\nContext: c\nWhich?\nA. x\nB. y"}, {"from": "gpt", "value": "B"}]
    asked = write(tmp_path / "llava_test.json", [{"id": "5", "image": "5/image.png", "conversations": turns}])
    assert by_name("scienceqa").load(asked)[0].text == "Which?"
    assert figures("scienceqa", asked, llava(tmp_path / "b.jsonl", {5: "B"}))["image_accuracy"] == 100
