"""Answer files: ids in every form, what is missing or twice, and one line for each mistake."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.voco_model.evaluation.test_short_answers import gqa_record, vqa_files
from tests.voco_model.evaluation.writing import figures, llava, write
from voco_model.errors import VocoError
from voco_model.evaluation.answers import Answer, matched, read_answers
from voco_model.evaluation.benchmarks import by_name
from voco_model.evaluation.matching import Finder
from voco_model.evaluation.questions import Question
from voco_model.evaluation.scoring import score_files

GQA = by_name("gqa")


@pytest.fixture
def questions(tmp_path):
    return write(tmp_path / "testdev_balanced_questions.json", {str(i): gqa_record("red") for i in (1, 2, 3)})


def test_missing_doubled_and_unknown_answers_are_counted_and_named(tmp_path, questions):
    lines = [(1, "red"), ("1", "blue"), (2, "red"), (9, "red")]
    told = write(tmp_path / "a.jsonl", [{"question_id": i, "text": t} for i, t in lines])
    result = score_files(GQA, questions, told)
    assert result.figures["accuracy"] == pytest.approx(100 / 3)  # the last answer to 1 counts
    assert [result.figures[k] for k in ("missing", "duplicates", "unknown")] == [1, 1, 1]
    assert result.remarks == [
        "1 without an answer, counted as wrong: 3",
        "1 answered more than once, the last answer counts: 1",
        "1 answered but not asked, left out: 9",
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('[{"question_id": 1, "text": "red"}, {"quest', r"a.json: not JSON, or cut short: "),
        (
            '{"question_id": 1, "text": "red"}\n{"question_id": 2, "te',
            r"a.json: record 2: not JSON, or cut short: ",
        ),
        (
            '[{"question_id": 1, "answr": "red"}]',
            r"record 1: expected fields question_id or questionId, and text or",
        ),
        ('[{"id": 1, "text": "red"}]', r"record 1: expected fields .*; found an object with `id`, `text`"),
        (
            '[{"question_id": [1], "text": "red"}]',
            r"record 1: field `question_id`: expected str or int, found \[1\]",
        ),
        ('[{"question_id": 1, "text": {"a": 1}}]', r"record 1: field `text`: expected text, found {'a': 1}"),
        ("[7]", r"record 1: expected an object, found 7"),
        ("[]", r"a.json: no answer in it"),
        ('"red"', r"a.json: expected an array of objects or JSON lines, found 'red'"),
        ("[" * 100_000, r"a.json: not JSON, or cut short: "),
        (
            '[{"question_id": "v_x", "text": "red"}]',
            r"its id 'v_x', like all others, is of no question; .* such as '1'",
        ),
    ],
)
def test_a_mistake_is_one_line_with_file_record_and_field(tmp_path, questions, text, message):
    path = tmp_path / "a.json"
    path.write_text(text)
    with pytest.raises(VocoError, match=message) as told:
        score_files(GQA, questions, path)
    assert str(path) in str(told.value)
    assert "\n" not in str(told.value)


def test_bytes_that_are_no_text_and_files_that_are_not_there(tmp_path, questions):
    (tmp_path / "a.json").write_bytes(b"[\xff]")
    with pytest.raises(VocoError, match=r"a\.json: its byte 2 is not UTF-8"):
        score_files(GQA, questions, tmp_path / "a.json")
    with pytest.raises(VocoError, match=r"b\.json: No such file"):
        score_files(GQA, questions, tmp_path / "b.json")
    with pytest.raises(VocoError, match=r"not a JSON file; expected answers to GQA as .json or .jsonl"):
        score_files(GQA, questions, write(tmp_path / "a.txt", []))


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("gqa", {"1": {"question": "x"}}, r"record 1: no field `types`; expected one, found `question`"),
        ("gqa", {"1": {**gqa_record("x"), "answer": 3}}, r"record 1: field `answer`: expected str, found 3"),
        ("vqav2", {"annotation": []}, r"record 1: no field `questions`"),
        ("textvqa", {"questions": []}, r"no field `data`; found `questions`: is it a file of this benchmark\?"),
        ("vizwiz", {"data": []}, r"expected an array of objects or JSON lines, found an object with `data`"),
        ("seed_bench", {"questions": [{"question_id": 1}]}, r"record 1: no field `data_id`"),
        (
            "pope",
            [{"question_id": 1, "image": "x", "text": "y", "label": "maybe"}],
            r"expected yes or no, found 'maybe'",
        ),
        (
            "scienceqa",
            {"1": {"question": "x", "choices": ["a"], "answer": 1}},
            r"expected a number below 1, found 1",
        ),
    ],
)
def test_a_question_file_of_another_shape_is_refused(tmp_path, name, value, message):
    path = write(tmp_path / "questions.json", value)
    with pytest.raises(VocoError, match=message) as told:
        by_name(name).load(path)
    assert str(path) in str(told.value)


def test_a_table_with_a_wrong_column_or_cut_short(tmp_path):
    path = tmp_path / "mmbench.tsv"
    path.write_text("index\tquestion\tA\tB\tpicture\n1\tx\ta\tb\tc\n")
    with pytest.raises(
        VocoError, match="no column `image`; expected `index`, `question`, `A`, `B`, `image`, found"
    ):
        by_name("mmbench").load(path)
    path.write_text('index\tquestion\tA\tB\timage\tanswer\n1\tx\ta\tb\t"cut')
    with pytest.raises(VocoError, match="not a table, or cut short"):
        by_name("mmbench").load(path)
    path.write_text("index\tquestion\tA\tB\timage\tanswer\n1\tx\ta\tb\tc\tE\n")
    with pytest.raises(VocoError, match="record 1: field `answer`: expected one of A, B, found 'E'"):
        by_name("mmbench").load(path)


def test_a_question_without_its_annotation_is_named(tmp_path):
    path = vqa_files(tmp_path, [["yes"] * 10])
    write(tmp_path / "v2_mscoco_val2014_annotations.json", {"annotations": [{"question_id": 5, "answers": ["a"]}]})
    with pytest.raises(VocoError, match="record 1: question 42000 has no annotation"):
        by_name("vqav2").load(path)


def test_several_files_of_one_kind_have_to_be_named(tmp_path):
    for name in ("a_balanced_questions.json", "b_balanced_questions.json"):
        write(tmp_path / name, {})
    with pytest.raises(VocoError, match=r"several files of GQA: a_balanced_questions\.json, b_balanced"):
        GQA.load(tmp_path)
    with pytest.raises(VocoError, match=r"no file of POPE; expected coco_pope_random\*\.json or"):
        by_name("pope").load(tmp_path)


@given(st.permutations(range(6)), st.data())
def test_the_order_of_answers_does_not_matter_and_none_is_lost(order, data):
    questions = [Question(str(i), f"question {i}", f"question {i}") for i in range(6)]
    ids = [data.draw(st.sampled_from([str(i), str(i + 10)])) for i in order]
    answers = [Answer(name, f"to {name}") for name in ids]
    known = [name for name in ids if int(name) < 6]
    if not known:
        return
    told = matched(questions, answers, GQA, None)
    assert told.answers == [f"to {i}" if str(i) in known else None for i in range(6)]
    assert len(told.missing) == 6 - len(known)
    assert sorted(told.unknown) == sorted(set(ids) - set(known))


def test_of_several_that_share_an_id_the_prompt_decides():
    questions = [Question(str(i), text, text, aliases=("x",)) for i, text in enumerate(("Is it?", "Is it red?"))]
    finder = Finder(questions, str)
    assert finder.find("x", "is it red?\nOne word.") == 1
    assert finder.find("x", "Context. Is it? One word.") == 0
    assert finder.find("x") == 0
    assert finder.find("y") is None


def test_numbers_and_null_are_answers(tmp_path):
    path = tmp_path / "a.json"
    path.write_text(json.dumps([{"questionId": 1, "prediction": 2}, {"questionId": 2, "prediction": None}]))
    assert [a.text for a in read_answers(path, GQA)] == ["2", ""]


def test_llavas_questions_take_their_answers_from_the_official_file(tmp_path, questions):
    lines = [
        {"question_id": "2", "image": "n1.jpg", "text": "What colour is it?\nOne word.", "category": "default"}
    ]
    asked = write(tmp_path / "llava_gqa.jsonl", lines)
    assert figures("gqa", asked, llava(tmp_path / "a.jsonl", {2: "red"}), questions)["accuracy"] == 100
    assert figures("gqa", asked, llava(tmp_path / "a.jsonl", {2: "red"}))["questions"] == 1  # found beside it
    lines[0]["question_id"] = "8"
    with pytest.raises(VocoError, match=r"record 1: question `8` is not in"):
        GQA.load(write(tmp_path / "llava_gqa.jsonl", lines), questions)


def test_people_answers_of_another_shape_are_refused(tmp_path):
    path = write(
        tmp_path / "val.json", {"data": [{"question": "x", "image_id": "a", "question_id": 1, "answers": [3]}]}
    )
    with pytest.raises(VocoError, match=r"record 1: field `answers`: expected texts, or objects .*, found \[3\]"):
        by_name("textvqa").load(path)
