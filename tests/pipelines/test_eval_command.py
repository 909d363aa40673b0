"""voco eval and voco profile: tables on stdout, one line for a mistake, going on where a run was cut short."""

import json

import pytest
import torch

from pipelines.cli import main
from tests.voco_model.evaluation import small_benchmarks as small
from voco_model.evaluation import evaluating


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    folder = tmp_path_factory.mktemp("command")
    small.gqa(folder / "data/gqa")
    small.msvd_qa(folder / "data/msvd_qa")
    small.assistant(dtype=torch.float32).save_pretrained(folder / "model")
    small.assistant(seed=1, dtype=torch.float32).save_pretrained(folder / "upper")
    return folder


def evaluate(place, out, *more):
    given = ["--data", str(place / "data"), "--out", str(place / out), "--max-new-tokens", "3", "--frames", "2"]
    return main(["eval", str(place / "model"), *given, *more])


def test_all_benchmarks_in_one_command(place, capsys):
    code = evaluate(place, "all", "--benchmarks", "all", "--n-voco", "1,4", "--upper", str(place / "upper"))
    printed = capsys.readouterr().out
    assert code == 0
    assert "| GQA" in printed
    assert "MSVD-QA" in printed
    page = (place / "all/tables/report.html").read_text()
    for told in ("Where VoCo tokens look", "MSVD-QA, read from 4 VoCo tokens", "data:image/jpeg", " UTC"):
        assert told in page
    assert not (place / "all/.answers").exists()


def test_baselines_and_bounds_are_told_in_words(place, capsys):
    small.baseline(compressor="qformer").save_pretrained(place / "queries")
    given = ["--benchmarks", "gqa", "--n-voco", "1", "--upper", str(place / "upper")]
    given += ["--baseline", f"queries={place / 'queries'}", "--compare", "baselines,bounds"]
    assert evaluate(place, "compared", *given) == 0
    printed = capsys.readouterr().out
    assert "GQA: VoCo with 1 token against queries with 1 token: " in printed
    assert "GQA: VoCo with 1 token against the lower bound: " in printed
    tables = place / "compared/tables"
    told = json.loads((tables / "comparisons.json").read_text())
    assert [one["against"] for one in told] == ["the upper bound", "the lower bound", "queries with 1 token"]
    assert all(one["verdict"] in ("better", "worse", "not told apart") for one in told)
    text = (tables / "paper.md").read_text()
    assert text.index("Q-Former, the paper") < text.index("queries, ours") < text.index("Lower Bound, the paper")
    assert "Table 1: " in (tables / "report.html").read_text()
    assert (tables / "paper/table_1.csv").is_file()


def test_a_run_that_was_cut_short_is_gone_on_with(place, monkeypatch, capsys):
    whole = evaluating.scored

    def cut(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(evaluating, "scored", cut)
    assert evaluate(place, "cut", "--benchmarks", "gqa") == 130
    monkeypatch.setattr(evaluating, "scored", whole)
    kept = next((place / "cut/.answers/gqa").iterdir())
    lines = [json.loads(line) for line in kept.read_text().splitlines()]
    kept.write_text("".join(f"{json.dumps([key, 'kept'])}\n" for key, _ in lines))
    assert evaluate(place, "cut", "--benchmarks", "gqa", "--resume") == 0
    answers = (place / "cut/gqa/answers/voco_4/answers.json").read_text()
    assert answers.count("kept") == len(lines) == 12
    assert evaluate(place, "cut", "--benchmarks", "gqa") == 0
    assert "kept" not in (place / "cut/gqa/answers/voco_4/answers.json").read_text()
    capsys.readouterr()


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (["--benchmarks", "gqo"], "no benchmark 'gqo'; known: "),
        (["--benchmarks", ","], "--benchmarks is empty; name some of activitynet_qa"),
        (["--benchmarks", "gqa", "--n-voco", "1;2"], "--n-voco 1;2: give whole numbers with commas"),
        (["--benchmarks", "gqa", "--limit", "0"], "limit is"),
        (["--benchmarks", "gqa", "--compare", "best"], "--compare best: there are baselines and bounds"),
        (["--benchmarks", "gqa", "--compare", "bounds"], "name its folder with --upper MODEL"),
        (["--benchmarks", "gqa", "--compare", "baselines"], "name its folder with --baseline NAME=MODEL"),
        (["--benchmarks", "gqa", "--baseline", "pool"], "--baseline pool: give a name and a folder"),
        (["--benchmarks", "gqa", "--baseline", "pool=nowhere"], "no model in nowhere (config.json is missing)"),
        (["--benchmarks", "pope"], "no file of POPE; expected coco_pope_random"),
    ],
)
def test_mistakes_are_one_line(place, given, message, capsys):
    assert evaluate(place, "wrong", *given) == 1
    told = capsys.readouterr().err
    assert told.startswith("voco: error: ")
    assert message in told
    assert told.count("\n") == 1


def test_what_a_cache_saves(place, capsys):
    assert main(["profile", str(place / "model"), "--out", str(place / "eff"), "--repeats", "1"]) == 0
    assert "| full_cache |" in capsys.readouterr().out
