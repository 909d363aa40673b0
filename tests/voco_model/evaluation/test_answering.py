"""Answers given together are those of each question alone; a restart asks nothing twice."""

from dataclasses import replace

import pytest

from tests.voco_model.evaluation import small_benchmarks as small
from voco_model.assistant import Assistant
from voco_model.errors import VocoError
from voco_model.evaluation.answering import Asking, Reading, answer_all
from voco_model.evaluation.benchmarks import by_name
from voco_model.evaluation.questions import Question
from voco_model.evaluation.showing import Shown
from voco_model.video import sample_frames

GQA, MSVD = by_name("gqa"), by_name("msvd_qa")
SHORT = Asking(batch=5, max_new_tokens=6, frames=3)
ONE, ALL, SIGHT = Reading.rule(1), Reading.rule(), Reading.causal()


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data")
    return {"gqa": small.gqa(folder / "gqa"), "msvd_qa": small.msvd_qa(folder / "msvd_qa")}


def alone(made: Assistant, shown, prompt: str, reading: Reading) -> str:
    """One question with its picture or frames, nothing shared with any other."""
    if shown is None:
        return made.read([[]], [prompt], max_new_tokens=6)[0]
    if reading.way == "causal":
        return made.read([[shown]], [prompt], reading="causal", max_new_tokens=6)[0]
    cache = made.compress_frames(shown, n_voco=reading.n_voco) if isinstance(shown, list) else None
    return made.answer(cache or made.compress(shown, reading.n_voco), prompt, max_new_tokens=6)


@pytest.mark.parametrize("options", [{"positions": "layout"}, {"positions": "compact"}, {"prefix_visible": False}])
def test_together_is_as_alone(data, options):
    made = small.assistant(**options)
    questions = [*GQA.load(data["gqa"]), Question(id="t", text="Why?", prompt="Why?")]
    found = answer_all(made, GQA, questions, data["gqa"], [ONE, ALL, SIGHT], SHORT)
    for reading in (ONE, ALL, SIGHT):
        paths = [GQA.media_path(data["gqa"], q) if q.media else None for q in questions]
        single = [alone(made, path, q.prompt, reading) for path, q in zip(paths, questions, strict=True)]
        assert found[reading] == single
        assert len(set(single)) > 3, "the model says the same of everything, so nothing was tested"
    assert found[ONE] != found[ALL]
    assert found[ALL] != found[SIGHT]


def test_tiles_of_a_picture_together_are_as_alone(data):
    made = small.assistant()
    made.processor.aspect = "tiles"
    questions = GQA.load(data["gqa"])[:4]
    found = answer_all(made, GQA, questions, data["gqa"], [ALL, ONE, SIGHT], SHORT)
    for reading, answers in found.items():
        paths = [GQA.media_path(data["gqa"], question) for question in questions]
        assert answers == [alone(made, p, q.prompt, reading) for p, q in zip(paths, questions, strict=True)]


def test_clips_together_are_as_alone(data):
    made = small.assistant()
    questions = MSVD.load(data["msvd_qa"])
    found = answer_all(made, MSVD, questions, data["msvd_qa"], [ALL, ONE], SHORT)
    for reading in (ONE, ALL):
        for question, answer in zip(questions, found[reading], strict=True):
            path = MSVD.media_path(data["msvd_qa"], question)
            frames = [frame.image for frame in sample_frames(path, count=3)]
            assert answer == alone(made, frames, question.prompt, reading)


def test_the_part_of_a_clip_that_is_asked_about_is_looked_at(data):
    made, question = small.assistant(), MSVD.load(data["msvd_qa"])[1]
    shown = Shown(made, MSVD, data["msvd_qa"], frames=2)
    parts = [replace(question, segment=part) for part in (None, (0.1, 0.3), (0.5, 0.7))]
    seen = [[frame.tobytes() for frame in items[0]] for items in shown.pictures(parts)]
    assert seen[0] != seen[1] != seen[2] != seen[0]
    with pytest.raises(VocoError, match="no frame between 3 and 4 s"):
        shown.pictures([replace(question, segment=(3, 4))])


def test_each_picture_is_compressed_once_for_all_questions_and_numbers(data, monkeypatch):
    made = small.assistant()
    counted = []
    whole = made.model.compress_apart
    monkeypatch.setattr(
        made.model,
        "compress_apart",
        lambda pixels, *more, **named: counted.append(len(pixels)) or whole(pixels, *more, **named),
    )
    questions = GQA.load(data["gqa"])
    answer_all(made, GQA, questions, data["gqa"], [ONE, Reading.rule(2), ALL], replace(SHORT, batch=3))
    assert sum(counted) == small.PICTURES


class Cut(Exception):
    """The power fails."""


def test_a_restart_asks_nothing_twice(data, tmp_path, monkeypatch):
    made = small.assistant()
    questions = GQA.load(data["gqa"])
    readings = [ONE, SIGHT]
    whole = answer_all(made, GQA, questions, data["gqa"], readings, SHORT)
    asked: list[str] = []
    read = made.read
    monkeypatch.setattr(
        made, "read", lambda shown, prompts, **k: asked.extend(prompts) or read(shown, prompts, **k)
    )

    def cut(done: int, total: int) -> None:
        if done >= 10:
            raise Cut

    with pytest.raises(Cut):
        answer_all(made, GQA, questions, data["gqa"], readings, SHORT, kept=tmp_path, tell=cut)
    for path in tmp_path.iterdir():  # a writer that was killed leaves half a line
        path.write_bytes(path.read_bytes() + b'["unfinished')
    told: list[tuple[int, int]] = []
    found = answer_all(
        made, GQA, questions, data["gqa"], readings, SHORT, kept=tmp_path, tell=lambda *both: told.append(both)
    )
    assert found == whole
    assert len(asked) == len(questions) * len(readings)
    assert told[0][0] >= 10
    assert told[-1] == (24, 24)
    answer_all(small.assistant(seed=1), GQA, questions, data["gqa"], readings, SHORT, kept=tmp_path)
    assert len(list(tmp_path.iterdir())) == 4, "another model's answers are its own"


def test_a_missing_picture_is_named_before_anything_is_asked(data, monkeypatch):
    made = small.assistant()
    monkeypatch.setattr(made, "read", None)
    questions = [*GQA.load(data["gqa"]), Question(id="9", text="?", prompt="?", media="gone.jpg")]
    with pytest.raises(VocoError, match=r"question 9: no file `gone\.jpg`"):
        answer_all(made, GQA, questions, data["gqa"], [ALL], SHORT)


@pytest.mark.parametrize("wrong", [{"batch": 0}, {"max_new_tokens": 2.5}, {"frames": -1}])
def test_settings_that_make_no_sense_are_refused(wrong):
    with pytest.raises(VocoError, match=next(iter(wrong))):
        Asking(**wrong)
