"""GQA, VQAv2, TextVQA and VizWiz against scores computed by hand."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.voco_model.evaluation.writing import figures, llava, write
from voco_model.errors import VocoError
from voco_model.evaluation.benchmarks import by_name
from voco_model.evaluation.normalise import eval_ai_normalised, soft_accuracy, vqa_normalised


@pytest.mark.parametrize(
    ("text", "normal"),
    [
        ("A.", ""),
        ("-5", "5"),
        ("none", "0"),
        ("T-shirt", "t shirt"),
        ("The dog", "dog"),
        ("dont", "don't"),
        ("couldnt've", "couldn't've"),
        ("3.5", "3.5"),
        ("e.g. this", "eg this"),
        ("1,000", "1000"),
        ("red, blue", "red blue"),
        ("red,blue", "red blue"),
        ("ten", "10"),
        ("eleven", "eleven"),
        ("", ""),
        ("what?!", "what"),
        ("." * 40, "." * 8),
    ],
)
def test_the_challenges_normaliser(text, normal):
    assert vqa_normalised(text) == normal


def test_textvqas_normaliser_differs_in_commas_and_possessives():
    assert eval_ai_normalised("Joe's, bar?") == "joe 's bar"
    assert eval_ai_normalised("red,blue") == "redblue"
    assert vqa_normalised("red,blue") == "red blue"


@given(st.sampled_from("abc"), st.lists(st.sampled_from("abc"), min_size=1, max_size=10))
def test_soft_accuracy_is_what_leaving_each_person_out_gives(answer, others):
    people = [*others, answer]
    by_hand = []
    for left_out in range(len(people)):
        rest = people[:left_out] + people[left_out + 1 :]
        by_hand.append(min(1, rest.count(answer) / 3))
    assert soft_accuracy(answer, people) == pytest.approx(sum(by_hand) / len(by_hand), abs=1e-12)
    assert soft_accuracy("nobody says this, all of it", people) == 0


@given(st.text(alphabet="ab,.- 1'\n", max_size=20))
def test_normalised_text_has_no_sign_and_one_space_between_words(text):
    normal = vqa_normalised(text)
    assert not set(normal) & set(';/[]"{}()=+\\_-><@`,?!\n')
    assert normal == " ".join(normal.split())


def gqa_record(answer, structural="query", balanced=True, entailed=(), group="color", semantic="attr"):
    steps = [{"operation": "select", "argument": "x", "dependencies": []}]
    steps += [{"operation": "query", "argument": "name", "dependencies": [0]}]
    return {
        "question": "What colour is it?",
        "imageId": "n1",
        "answer": answer,
        "isBalanced": balanced,
        "entailed": list(entailed),
        "groups": {"global": group, "local": None},
        "semantic": steps,
        "types": {"structural": structural, "semantic": semantic, "detailed": "x"},
    }


def test_gqa(tmp_path):
    questions = write(
        tmp_path / "testdev_all_questions.json",
        {
            "1": gqa_record("red", entailed=["1", "4", "5"]),
            "2": gqa_record("red"),
            "3": gqa_record("yes", "verify", group=None, semantic="obj"),
            "4": gqa_record("no", "verify", balanced=False),
            "5": gqa_record("no", "verify", balanced=False),
        },
    )
    answers = write(
        tmp_path / "answers.json",
        [
            {"questionId": "1", "prediction": "Red."},
            {"questionId": "2", "prediction": "dark red"},
            {"questionId": "4", "prediction": "no"},
            {"questionId": "5", "prediction": "yes"},
        ],
    )
    got = figures("gqa", questions, answers)
    assert got["accuracy"] == pytest.approx(100 / 3, abs=1e-9)
    assert (got["open"], got["binary"]) == (50, 0)
    assert got["consistency"] == 50  # of the only right question: one of two that it entails
    # Group `color`: red is expected twice and given once, (1 - 2)^2 / 2; one group, over 100.
    assert got["distribution"] == pytest.approx(0.005, abs=1e-9)
    assert got["accuracy/structural/query"] == 50
    assert got["accuracy/semantic/obj"] == 0
    assert got["accuracy/steps/1"] == pytest.approx(100 / 3)  # `query: name` is not counted
    assert got["accuracy/words/4"] == pytest.approx(100 / 3)
    assert (got["questions"], got["missing"]) == (3, 1)
    assert "validity" not in got


def test_gqa_choices_beside_the_questions(tmp_path):
    record = gqa_record("red")
    common = {**record, "types": {**record["types"], "detailed": "twoCommon"}}
    questions = write(tmp_path / "testdev_balanced_questions.json", {"1": record, "2": common})
    write(tmp_path / "testdev_choices.json", {"1": {"valid": ["red", "blue"], "plausible": ["red"]}, "2": {}})
    got = figures("gqa", questions, llava(tmp_path / "a.jsonl", {"1": "blue", "2": "shape"}))
    assert (got["validity"], got["plausibility"], got["accuracy"]) == (100, 50, 0)


def vqa_files(folder, people):
    """Official files with one question for each list of people's answers."""
    questions = [{"image_id": 42, "question": "What is it?", "question_id": 42000 + i} for i in range(len(people))]
    notes = [
        {
            "question_id": 42000 + i,
            "image_id": 42,
            "question_type": "what is",
            "answer_type": "other" if i else "number",
            "answers": [{"answer": a, "answer_confidence": "yes", "answer_id": k} for k, a in enumerate(given, 1)],
        }
        for i, given in enumerate(people)
    ]
    write(folder / "v2_mscoco_val2014_annotations.json", {"annotations": notes, "data_subtype": "val2014"})
    header = {"questions": questions, "data_subtype": "val2014"}
    return write(folder / "v2_OpenEnded_mscoco_val2014_questions.json", header)


def test_vqav2(tmp_path):
    people = [
        ["2"] * 10,  # all alike: nothing is normalised
        ["yes"] * 10,
        ["net"] * 7 + ["mesh", "mesh", "none"],
        ["two"] * 2 + ["3"] * 8,
    ]
    questions = vqa_files(tmp_path, people)
    answers = write(
        tmp_path / "results.json",
        [
            {"question_id": 42000, "answer": "two"},  # not `2`, as nothing is normalised: 0
            {"question_id": 42001, "answer": "yes"},  # 1
            {"question_id": 42002, "answer": "The mesh."},  # of ten: 8 x 2/3 + 2 x 1/3 = 6; 0.6
            {"question_id": 42003, "answer": "2"},  # `two` is 2 here: 8 x 2/3 + 2 x 1/3; 0.6
        ],
    )
    got = figures("vqav2", questions, answers)
    assert got["accuracy"] == pytest.approx(55.0, abs=1e-9)
    assert got["overall"] == 55.0
    assert got["answer_type/number"] == 0
    assert got["answer_type/other"] == 73.33
    assert got["question_type/what is"] == 55.0
    by_text = llava(tmp_path / "lines.jsonl", {42000: "two", "42001": "yes", 42002: "The mesh.", 42003: "2"})
    assert figures("vqav2", tmp_path, by_text)["accuracy"] == pytest.approx(55.0, abs=1e-9)
    truth = tmp_path / "v2_mscoco_val2014_annotations.json"
    assert figures("vqav2", questions, answers, truth)["accuracy"] == pytest.approx(55.0, abs=1e-9)


def test_vqav2_asked_as_llava_asks(tmp_path):
    vqa_files(tmp_path / "official", [["yes"] * 10, ["no"] * 10])
    lines = [{"question_id": 42001, "image": "COCO_val2014_000000000042.jpg", "text": "What is it?\nOne word."}]
    asked = write(tmp_path / "llava_vqav2.jsonl", lines)
    (question,) = by_name("vqav2").load(asked, tmp_path / "official" / "v2_mscoco_val2014_annotations.json")
    assert question.prompt == "What is it?\nOne word."
    assert question.truth == ("no",) * 10
    (question,) = by_name("vqav2").load(asked)
    assert question.truth is None
    with pytest.raises(VocoError, match="question 42001 has no answer to score against; give the file with"):
        figures("vqav2", asked, llava(tmp_path / "a.jsonl", {42001: "no"}))


def test_textvqa_finds_the_question_by_picture_and_prompt(tmp_path):
    data = [
        {
            "question": "what brand is it?",
            "image_id": "ab",
            "question_id": 7,
            "answers": ["Nokia"] * 3 + ["x"] * 7,
        },
        {"question": "what time is it?", "image_id": "ab", "question_id": 8, "answers": ["10:30"] * 10},
    ]
    questions = write(tmp_path / "TextVQA_0.5.1_val.json", {"data": data})
    end = "\nReference OCR token: A, B\nAnswer the question using a single word or phrase."
    lines = [
        {"question_id": "ab", "prompt": f"What time is it?{end}", "text": "10:30"},
        {"question_id": "ab", "prompt": f"What brand is it?{end}", "text": "Nokia."},  # 3 x 2/3 + 7 x 1 = 9 of ten
    ]
    got = figures("textvqa", questions, write(tmp_path / "a.jsonl", lines))
    assert got["accuracy"] == pytest.approx(95.0, abs=1e-9)
    official = write(tmp_path / "r.json", [{"question_id": 8, "answer": "10:30"}])
    got = figures("textvqa", questions, official)
    assert (got["accuracy"], got["missing"]) == (50, 1)


def test_vizwiz_normalises_the_answer_alone(tmp_path):
    def record(name, people, kind):
        given = [{"answer": a, "answer_confidence": "yes"} for a in people]
        return {"image": name, "question": "What?", "answers": given, "answer_type": kind, "answerable": 1}

    questions = write(
        tmp_path / "val.json",
        [
            record("VizWiz_val_00000000.jpg", ["unanswerable"] * 10, "unanswerable"),
            record("VizWiz_val_00000001.jpg", ["t-shirt"] * 10, "other"),
            record("VizWiz_val_00000002.jpg", ["can"] * 2 + ["box"] * 8, "other"),
        ],
    )
    answers = [
        {"image": "VizWiz_val_00000000.jpg", "answer": "Unanswerable"},  # 1
        {"image": "VizWiz_val_00000001.jpg", "answer": "t-shirt"},  # becomes `t shirt`, which nobody said: 0
        {"image": "VizWiz_val_00000002.jpg", "answer": "A can."},  # 0.6
    ]
    got = figures("vizwiz", questions, write(tmp_path / "r.json", answers))
    assert got["accuracy"] == pytest.approx(160 / 3, abs=1e-9)
    assert got["overall"] == 53.33
    assert (got["answer_type/other"], got["answer_type/unanswerable"]) == (30.0, 100.0)
    lines = llava(tmp_path / "a.jsonl", {0: "Unanswerable", 1: "t-shirt", 2: "A can."})
    assert figures("vizwiz", questions, lines) == got
    asked = [{"question_id": 0, "image": "VizWiz_test_00000000.jpg", "text": "What?"}]
    with pytest.raises(
        VocoError, match=r"question `0` is about VizWiz_test_00000000\.jpg, but about VizWiz_val_0"
    ):
        by_name("vizwiz").load(write(tmp_path / "llava_test.jsonl", asked), questions)
