"""A training step's section of parameters becomes a recipe, on what other steps left."""

import pytest

from components.stepping.job import Job
from components.training_step import recipe_of
from data.world.base import READY_MADE
from voco_model.errors import VocoError


def job(tmp_path, task="instruct", **settings) -> Job:
    inputs = {"data": tmp_path / "data"} | ({} if task == "align" else {"start": tmp_path / "before"})
    return Job(task, settings, inputs, {"model": tmp_path / "model"}, tmp_path / "work")


def test_a_section_lies_on_top_of_its_recipe(tmp_path):
    recipe = recipe_of(
        "instruct",
        job(
            tmp_path,
            recipe="tiny/instruct.yaml",
            lr=1e-4,
            steps=7,
            n_voco=2,
            seed=3,
            variant="upper",
            set={"data.max_length": 99},
        ),
    )
    assert (recipe.optimiser.lr, recipe.steps, recipe.seed, recipe.variant) == (1e-4, 7, 3, "upper")
    assert (recipe.start.checkpoint, recipe.start.n_voco) == (tmp_path / "work" / "start", 2)
    assert recipe.data.folders == (tmp_path / "work" / "data" / "instructions",)
    assert (tmp_path / "work" / "data").readlink() == tmp_path / "data"
    assert recipe.data.max_length == 99
    assert recipe.out == tmp_path / "work" / "run"


def test_numbers_of_tokens_survive_json(tmp_path):
    recipe = recipe_of(
        "instruct",
        job(tmp_path, recipe="tiny/instruct.yaml", n_voco=8, set={"objective.elastic": {"1": 1, "8": 2.0}}),
    )
    assert recipe.objective.elastic == {1: 1.0, 8: 2.0}


def test_align_starts_from_the_models_that_come_with_the_project(tmp_path):
    recipe = recipe_of("align", job(tmp_path, "align", recipe="tiny/align.yaml", base="small-world"))
    assert recipe.start.vision == READY_MADE / "vision"
    assert recipe.start.language == READY_MADE / "language"


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"recipe": "tiny/instruct.yaml", "learning_rate": 1}, "instruct: unknown setting learning_rate"),
        ({"recipe": "tiny/nothing.yaml"}, "no recipe tiny/nothing.yaml; there are"),
        ({}, "none given"),
        ({"recipe": "tiny/align.yaml"}, "start.checkpoint|stage align"),
        ({"recipe": "tiny/instruct.yaml", "lr": 0}, "optimiser.lr is 0"),
    ],
)
def test_mistakes_get_one_line(tmp_path, settings, message):
    with pytest.raises(VocoError, match=message):
        recipe_of("instruct", job(tmp_path, **settings))
