"""All benchmarks of the small world: right answers score at the top, none at the bottom, in whatever form."""

import re
from collections import Counter
from dataclasses import replace

import pytest

from data.world.benchmarks import write_all
from tests.voco_model.evaluation.writing import llava
from voco_model.errors import VocoError
from voco_model.evaluation.benchmarks import by_name, names
from voco_model.evaluation.judging.offline import OfflineJudge
from voco_model.evaluation.scoring import score_files, scored
from voco_model.evaluation.statistics import interval
from voco_model.evaluation.videos import VideoBenchmark

TOP = {"mme": 2000.0}
OWN_FORM = {"mme": "results", "pope": "results", "mmbench": "answers.xlsx"}


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    folder = tmp_path_factory.mktemp("world")
    write_all(folder, seed=3, level=2, n_questions=28, n_clips=3)
    return folder / "benchmarks"


@pytest.fixture(autouse=True)
def _offline(monkeypatch):
    monkeypatch.delenv("VOCO_JUDGE_URL", raising=False)


def folder_of(world, name):
    return world / ("refcoco" if name.startswith("refcoco") else name)


def right_answer(question) -> str:
    """What a model would say that knows everything."""
    truth = question.truth
    if question.id.startswith("ref") or isinstance(truth, str):
        return truth
    if isinstance(truth, list):
        return " ".join(truth[0])
    if isinstance(truth[0], float):
        return f"It is at [{', '.join(f'{edge:.3f}' for edge in truth)}]."
    return Counter(truth).most_common(1)[0][0]


@pytest.mark.parametrize("name", names())
def test_right_answers_score_at_the_top_and_none_at_the_bottom(world, name):
    benchmark = by_name(name)
    questions = benchmark.load(folder_of(world, name))
    best = scored(benchmark, questions, [right_answer(q) for q in questions])
    none = scored(benchmark, questions, [None] * len(questions))
    if name.endswith("_reg"):  # its top depends on how long and how many an object's expressions are
        assert best.headline > 100
    else:
        assert best.headline == pytest.approx(TOP.get(name, 100.0), abs=1e-9)
    assert none.headline == 0
    assert none.figures["missing"] == len([q for q in questions if q.counts]) == none.figures["questions"]
    for result in (best, none):
        assert interval(result.shares(), 20).value == pytest.approx(result.headline, abs=1e-9)


@pytest.mark.parametrize("name", names())
def test_llava_lines_and_the_official_form_score_alike(world, tmp_path, name):
    benchmark = by_name(name)
    questions = benchmark.load(folder_of(world, name))
    given = [right_answer(q) if i % 3 else "nothing of the kind" for i, q in enumerate(questions)]
    expected = scored(benchmark, questions, given).figures
    official = tmp_path / OWN_FORM.get(name, "answers.json")
    benchmark.write_answers(questions, given, official)
    own = score_files(benchmark, folder_of(world, name), official).figures
    lines = llava(tmp_path / "lines.jsonl", {q.id: text for q, text in zip(questions, given, strict=True)})
    told = score_files(benchmark, folder_of(world, name), lines).figures
    for figure, value in expected.items():
        assert own[figure] == pytest.approx(value, abs=1e-9), figure
        assert told[figure] == pytest.approx(value, abs=1e-9), figure
    assert own["duplicates"] == own["unknown"] == told["duplicates"] == told["unknown"] == 0


COUNTS = {
    "mme": r"\w+/other",
    "pope": r"(\w+/)?(tp|fp|tn|fn|questions)",
    "mmbench": "circular_questions",
    "scienceqa": "image_questions|correct",
    "gqa": "distribution",  # how far two distributions are apart, which is no ratio of sums
    **dict.fromkeys(("refcoco_rec", "refcoco_plus_rec", "refcocog_rec"), "boxes"),
    **dict.fromkeys(("msvd_qa", "msrvtt_qa", "activitynet_qa"), "offline_judge/(yes|no|malformed)"),
}
"""What has no interval."""
DECIMALS = {"vqav2": 5e-3, "vizwiz": 5e-3}
"""Where the official scorer rounds."""


@pytest.mark.parametrize("name", names())
def test_every_figure_that_is_no_count_has_an_interval_around_itself(world, name):
    benchmark = by_name(name)
    questions = benchmark.load(folder_of(world, name))
    given = [right_answer(q) if i % 3 else "no" if i % 2 else None for i, q in enumerate(questions)]
    result = scored(benchmark, questions, given)
    counted = re.compile(f"questions|missing|{COUNTS.get(name, 'missing')}")
    counts = {figure for figure in result.figures if counted.fullmatch(figure)}
    assert result.intervals().keys() == result.figures.keys() - counts
    for figure, shares in benchmark.measured(result.items).items():
        of_sums = interval(shares, 20)
        assert of_sums.value == pytest.approx(result.figures[figure], abs=DECIMALS.get(name, 1e-9)), figure
        assert of_sums.low <= of_sums.high


@pytest.mark.parametrize("name", names())
def test_every_question_names_a_picture_that_is_there(world, name):
    benchmark, folder = by_name(name), folder_of(world, name)
    for question in benchmark.load(folder):
        if question.encoded is not None:
            assert question.picture()[:2] == b"\xff\xd8"
        elif question.media is not None:
            assert benchmark.media_path(folder, question).is_file()
        assert question.prompt
        assert question.group


@pytest.mark.parametrize("name", names())
def test_another_benchmarks_files_are_refused_in_one_line(world, tmp_path, name):
    benchmark = by_name(name)
    answers = llava(tmp_path / "answers.jsonl", {"no such question": "yes"})
    with pytest.raises(VocoError, match=r"record 1: its id 'no such question'"):
        score_files(benchmark, folder_of(world, name), answers)
    other = world / ("pope" if name != "pope" else "gqa")
    with pytest.raises(VocoError) as told:
        benchmark.load(other / ("coco_pope_random.json" if name != "pope" else "testdev_balanced_questions.json"))
    assert "\n" not in str(told.value)
    with pytest.raises(VocoError, match="no such file or folder"):
        benchmark.load(world / "nowhere")


def test_a_missing_picture_and_one_elsewhere_are_named(world, tmp_path):
    benchmark = by_name("gqa")
    question = benchmark.load(world / "gqa")[0]
    with pytest.raises(VocoError, match=rf"question {question.id}: no file `{question.media}`; expected it in"):
        benchmark.media_path(tmp_path, question)
    with pytest.raises(VocoError, match=r"holds `\.\.`"):
        benchmark.media_path(world / "gqa", replace(question, media="../../secret.jpg"))


def test_an_unknown_benchmark_is_told_the_known_ones():
    with pytest.raises(VocoError, match=r"no benchmark 'gqq'; known: activitynet_qa, gqa, mmbench"):
        by_name("gqq")


def test_videos_name_their_judge(world):
    benchmark = by_name("msvd_qa")
    assert isinstance(benchmark, VideoBenchmark)
    questions = benchmark.load(world / "msvd_qa")
    result = scored(benchmark.judged_by(OfflineJudge()), questions, ["x"] * len(questions))
    assert "offline_judge/accuracy" in result.figures
    assert any("not by a model" in remark for remark in result.remarks)
