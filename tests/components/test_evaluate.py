"""The steps evaluate, summarise and profile as a pipeline runs them."""

import json
from pathlib import Path

import pytest
import torch

from components import evaluate, profile, summarise
from components.stepping.job import Job
from tests.voco_model.evaluation import small_benchmarks as small
from voco_model.errors import VocoError

SHORT = {"batch": 6, "max_new_tokens": 3, "frames": 2}


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    folder = tmp_path_factory.mktemp("steps")
    small.gqa(folder / "data/benchmarks/gqa")
    small.msvd_qa(folder / "data/benchmarks/msvd_qa")
    small.assistant(dtype=torch.float32).save_pretrained(folder / "model")
    small.assistant(seed=1, dtype=torch.float32).save_pretrained(folder / "upper")
    return folder


def job(place: Path, task: str, settings: dict, inputs: list[str], output: str, told: list | None = None) -> Job:
    told = [] if told is None else told
    return Job(
        task,
        settings,
        {Path(name).name: place / name for name in inputs},
        {output: place / f"out-{task}-{settings.get('benchmark', '')}"},
        place / "work",
        lambda step, figures: told.append(figures["share"]),
    )


def test_from_answers_to_tables(place):
    told: list[float] = []
    results = {}
    for name in ("gqa", "msvd_qa"):
        settings = SHORT | {"benchmark": name, "benchmarks": ["gqa", "msvd_qa"], "n_voco": [1, 4], "limit": 8}
        given = job(place, "evaluate", settings, ["data", "model", "upper"], "results", told)
        done = evaluate.step(given)
        results[name] = given.outputs["results"]
        assert (results[name] / "result.json").is_file()
    assert told[-1] == 1
    assert max(told) <= 1
    assert "offline_judge/accuracy" in json.loads((results["msvd_qa"] / "result.json").read_text())["metric"]
    assert "msvd_qa.voco_4.offline_judge/accuracy" in done.figures
    tables = place / "tables"
    inputs = {f"results_{k}": path for k, path in enumerate(results.values())}
    found = summarise.step(Job("summarise", {}, inputs, {"tables": tables}, place / "work"))
    assert [path.name for path in found.reports] == ["report.html", "tables.md", "tables.json", "paper.md"]
    assert all(path.is_file() for path in found.reports)
    page = found.reports[0].read_text()
    assert page.count("class='card") == 3 + 3, "nothing is right, three of each benchmark are wrong"
    assert "GQA, read from 4 VoCo tokens" in page
    assert "UTC" not in page, "the same results give the same bytes, whenever that is"
    assert {entry["metric"] for entry in json.loads((tables / "tables.json").read_text())} >= {"gqa", "msvd_qa"}


def test_efficiency_is_measured(place):
    given = job(place, "profile", {"repeats": 1, "tokens": 2, "n_voco": 2}, ["model"], "efficiency")
    done = profile.step(given)
    assert done.figures["voco_2.cache_bytes"] < done.figures["full_cache.cache_bytes"]
    assert done.reports[0].name == "efficiency.md", "the page that KFP shows"


@pytest.mark.parametrize(
    ("step", "settings", "message"),
    [
        (evaluate.step, {"benchmark": "gqa", "n_vocos": 1}, "evaluate: unknown setting n_vocos; there are batch"),
        (evaluate.step, {}, "benchmark is missing"),
        (evaluate.step, {"benchmark": "gqa", "batch": "8"}, "batch is 8"),
        (summarise.step, {"limit": 1}, "unknown setting limit"),
        (summarise.step, {}, "no results were given"),
        (profile.step, {"seconds": 1}, "unknown setting seconds"),
    ],
)
def test_settings_that_no_step_knows_are_refused(place, step, settings, message):
    inputs = [] if step is summarise.step else ["data", "model", "upper"]
    with pytest.raises(VocoError, match=message):
        step(job(place, step.__module__.split(".")[1], settings, inputs, "results"))
