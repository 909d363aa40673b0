"""Profiles: every shipped one is whole, settings lie on top, mistakes are named."""

import pytest

from components.ingesting.sets import Sets
from components.stepping.job import Job
from components.training_step import recipe_of
from pipelines.profiles import SECTIONS, load_profile, profile_names
from voco_model.errors import VocoError
from voco_model.evaluation.benchmarks import by_name


@pytest.mark.parametrize("name", ["tiny", "small", "7b-8gpu", "7b-multinode"])
def test_a_shipped_profile_is_whole(name, tmp_path):
    assert name in profile_names()
    profile = load_profile(name)
    assert tuple(profile.sections) == SECTIONS
    sets = Sets(profile.sections["ingest"])
    for benchmark in profile.benchmarks:
        assert by_name(benchmark)
    assert set(profile.benchmarks) <= set(sets.benchmarks[1])
    for task in ("align", "instruct", "bounds", "continue_video"):
        inputs = {"data": tmp_path / "data", "start": tmp_path}
        stage = "instruct" if task == "bounds" else task
        recipe = recipe_of(stage, Job(task, profile.sections[task], inputs, {}, tmp_path))
        assert {folder.name for folder in recipe.data.folders} <= set(sets.sets), task


def test_variants_that_are_compared_differ_in_the_variant_alone():
    for name in profile_names():
        sections = load_profile(name).sections
        own = {"variant", "set"}
        assert {k: v for k, v in sections["bounds"].items() if k not in own} == {
            k: v for k, v in sections["instruct"].items() if k not in own
        }


def test_settings_lie_on_top():
    profile = load_profile("tiny", ["instruct.lr=1e-4", "ingest.world.images=10", "evaluate.benchmarks=[pope]"])
    assert profile.sections["instruct"]["lr"] == 1e-4
    assert profile.sections["ingest"]["world"]["images"] == 10
    assert profile.benchmarks == ["pope"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("instrukt: {}", "unknown section instrukt; there are ingest"),
        ("ingest: 3", "ingest is 3; it is a section"),
        ("ingest: {a: 1}\nevaluate: {benchmarks: []}", "evaluate.benchmarks is empty"),
        ("ingest: {a: 1}", "section evaluate is missing"),
        ("[1]", "holds no sections"),
        ("a: [", "not readable YAML"),
        ("extends: p.yaml", "extends itself"),
    ],
)
def test_mistakes_in_a_file_are_named(tmp_path, text, message):
    path = tmp_path / "p.yaml"
    path.write_text(text)
    with pytest.raises(VocoError, match=message):
        load_profile(str(path))


@pytest.mark.parametrize("setting", ["lr=3", "instruct.lr", "instruct.lr.x=3"])
def test_mistakes_in_a_setting_are_named(setting):
    with pytest.raises(VocoError, match="--set"):
        load_profile("tiny", [setting])


def test_an_unknown_profile_says_which_there_are():
    with pytest.raises(VocoError, match="no such profile; there are 7b-8gpu, 7b-multinode, small, tiny"):
        load_profile("huge")
