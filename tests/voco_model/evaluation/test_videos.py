"""Video question answering: official files, exact figures, the offline judge."""

import pytest

from tests.voco_model.evaluation.writing import figures, llava, write
from voco_model.errors import VocoError
from voco_model.evaluation.benchmarks import by_name
from voco_model.evaluation.judging import Case, Verdict
from voco_model.evaluation.judging.offline import OfflineJudge, lemma, lemmas
from voco_model.evaluation.scoring import scored
from voco_model.evaluation.statistics import interval


@pytest.fixture(autouse=True)
def _offline(monkeypatch):
    monkeypatch.delenv("VOCO_JUDGE_URL", raising=False)


class Told:
    """A judge that says what it was told to."""

    name = "told"
    about = "as told"

    def __init__(self, verdicts):
        self.verdicts, self.cases = verdicts, []

    def judge(self, cases):
        self.cases += cases
        return self.verdicts


def activitynet(folder):
    rows = [("v_a_1", "no", 3), ("v_a_2", "left", 1), ("v_b_1", "two", 7), ("v_b_2", "dog", 5)]
    asked = [{"video_name": i[2], "question": f"question {i}", "question_id": i} for i, _, _ in rows]
    write(folder / "test_a.json", [{"answer": a, "type": t, "question_id": i} for i, a, t in rows])
    return write(folder / "test_q.json", asked)


def test_verdicts_are_counted_as_the_protocol_counts_them(tmp_path):
    judge = Told([Verdict(True, 5), Verdict(None, 3), None])
    benchmark = by_name("activitynet_qa").judged_by(judge)
    questions = benchmark.load(activitynet(tmp_path))
    result = scored(benchmark, questions, ["no", "on the left", None, "a dog"])
    assert [case.prediction for case in judge.cases] == ["no", "on the left", "a dog"]
    # One yes; no for the missing answer and for the unusable reply; one neither, whose score counts.
    assert result.figures["told/accuracy"] == pytest.approx(1 / 3)
    assert result.figures["told/score"] == 2
    assert [result.figures[f"told/{name}"] for name in ("yes", "no", "malformed")] == [1, 2, 1]
    assert result.headline == pytest.approx(100 / 3)
    assert result.remarks == ["as told"]
    score = interval(result.parts()["score"])
    assert score.value == result.figures["told/score"], "5, 3, nothing, nothing"
    assert 0 <= score.low < 2 < score.high <= 5


def test_activitynets_own_figures_are_exact(tmp_path):
    questions = activitynet(tmp_path)
    answers = write(
        tmp_path / "r.json",
        [
            {"question_id": "v_a_1", "answer": "no"},
            {"question_id": "v_a_2", "answer": "Left"},
            {"question_id": "v_b_1", "answer": "2"},
        ],
    )
    got = figures("activitynet_qa", questions, answers)
    assert got["exact/all"] == 0.25
    assert got["exact/free"] == pytest.approx(1 / 3)
    assert (got["exact/yes_no"], got["exact/spatial"], got["exact/number"], got["exact/object"]) == (1, 0, 0, 0)
    assert got["offline_judge/accuracy"] == 0.75
    assert (got["missing"], got["questions"]) == (1, 4)


def test_msvd_names_clips_by_the_mapping(tmp_path):
    questions = write(tmp_path / "test_qa.json", [{"answer": "man", "id": 3, "question": "who?", "video_id": 7}])
    (tmp_path / "youtube_mapping.txt").write_text("abc_1_2 vid7\n")
    (question,) = by_name("msvd_qa").load(tmp_path)
    assert (question.media, question.video, question.group) == ("abc_1_2.avi", True, "7")
    predicted = write(tmp_path / "p.json", [{"id": 3, "question": "who?", "answer": "man", "pred": "two men"}])
    assert figures("msvd_qa", questions, predicted)["offline_judge/accuracy"] == 1
    (tmp_path / "youtube_mapping.txt").write_text("abc_1_2 vid8\n")
    with pytest.raises(VocoError, match=r"record 1: field `video_id`: clip 7 is not in youtube_mapping\.txt"):
        by_name("msvd_qa").load(questions)


def test_msrvtt_reads_its_table_too(tmp_path):
    table = tmp_path / "test.csv"
    table.write_text("video,question,answer,qid,type\n7010,what is it,dog,170859,10\n")
    (question,) = by_name("msrvtt_qa").load(tmp_path)
    assert (question.id, question.media, question.truth) == ("170859", "video7010.mp4", "dog")
    got = figures("msrvtt_qa", table, llava(tmp_path / "a.jsonl", {170859: "Dogs."}))
    assert got["offline_judge/accuracy"] == 1
    table.write_text("video,question,answer,number\n7010,what is it,dog,1\n")
    with pytest.raises(
        VocoError, match=r"test\.csv: no column `qid`; expected `video`, `question`, `answer`, `qid`, found"
    ):
        by_name("msrvtt_qa").load(table)


@pytest.mark.parametrize(
    ("answer", "prediction", "right"),
    [
        ("dog", "Two dogs.", True),
        ("riding", "he rides a horse", True),
        ("running", "ran", True),
        ("two", "There are 2 of them", True),
        ("21", "twenty one", True),
        ("yes", "Yes, it is", True),
        ("no", "It is not", True),
        ("yes", "no", False),
        ("dog", "hotdog", False),
        ("black dog", "dog", False),
        ("on", "on the table", True),
        ("children", "a child", True),
        ("dog", "", False),
        ("3", "13", False),
    ],
)
def test_the_offline_judge(answer, prediction, right):
    (verdict,) = OfflineJudge().judge([Case("what?", answer, prediction)])
    assert verdict.right is right
    assert (verdict.score == 5) is right


def test_lemmas():
    assert lemmas("Two women are boxing") == ["2", "woman", "are", "box"]
    assert {lemma(word) for word in ("ride", "rides", "riding")} == {"rid"}
    assert {lemma(word) for word in ("city", "cities")} == {"city"}
    assert {lemma(word) for word in ("stop", "stops", "stopped", "stopping")} == {"stop"}
