"""`voco score` as a person meets it."""

import json
import subprocess
import sys
import time

import pytest

from pipelines.cli import main
from tests.voco_model.evaluation.test_yes_no import pope_file
from tests.voco_model.evaluation.writing import llava


@pytest.fixture
def arguments(tmp_path):
    answers = llava(tmp_path / "answers.jsonl", {1: "yes", 2: "yes", 3: "yes"})
    return ["score", "pope", "--questions", str(pope_file(tmp_path)), "--predictions", str(answers)]


def test_a_table_with_every_figure_and_what_has_to_be_known(capsys, arguments):
    assert main(arguments) == 0
    told = capsys.readouterr().out
    assert "POPE: 4 questions" in told
    assert "note: 1 without an answer, counted as wrong: random/4" in told
    (line,) = [line for line in told.splitlines() if "<-" in line]
    assert line.split()[:2] == ["f1", "0.6667"]


def test_json_is_flat_names_to_numbers(capsys, arguments):
    assert main([*arguments, "--json"]) == 0
    figures = json.loads(capsys.readouterr().out)
    assert all(isinstance(value, float) for value in figures.values())
    assert figures["random/precision"] == 0.5
    assert (figures["questions"], figures["missing"], figures["duplicates"], figures["unknown"]) == (4, 1, 0, 0)


def test_mistakes_get_one_line(capsys, arguments, tmp_path):
    assert main(["score", "pop", *arguments[2:]]) == 1
    assert capsys.readouterr().err.startswith("voco: error: no benchmark 'pop'; known: activitynet_qa, gqa, ")
    (tmp_path / "answers.jsonl").write_text('{"question_id": 1, "te')
    assert main(arguments) == 1
    error = capsys.readouterr().err
    assert "answers.jsonl: record 1: not JSON, or cut short" in error
    assert error.count("\n") == 1


@pytest.mark.integration
def test_scoring_does_not_wait_for_a_models_libraries(arguments):
    code = "import sys\nfrom pipelines.cli import main\nmain(sys.argv[1:])\nprint('torch' in sys.modules)"
    began = time.monotonic()
    done = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, timeout=120)
    assert done.stdout.splitlines()[-1] == "False", done.stderr
    assert time.monotonic() - began < 60
