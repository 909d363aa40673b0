"""Recipes from files and flags: layers, round trips, and every mistake in one line that names its place."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from voco_model.errors import VocoError
from voco_model.training.recipe import Recipe
from voco_model.training.recipe_files import load_recipe
from voco_model.training.recipe_keys import as_yaml, describe_keys, recipe_keys

PLAIN = """
stage: instruct
out: runs/x
epochs: 1
start: {checkpoint: runs/align/model}
data:
  folders: [a]
  batch_size: 4
optimiser: {lr: 1e-3}
"""


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "recipe.yaml"
    path.write_text(PLAIN)
    return path


def refused(path, *flags) -> str:
    with pytest.raises(VocoError) as caught:
        load_recipe(path, flags)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_flag_is_above_the_file_and_the_file_above_the_defaults(file):
    recipe = load_recipe(file, ["optimiser.lr=5e-4", "data.workers=0"])
    assert (recipe.optimiser.lr, recipe.data.workers, recipe.data.batch_size, recipe.seed) == (5e-4, 0, 4, 0)


def test_a_file_may_extend_another(file, tmp_path):
    child = tmp_path / "child.yaml"
    child.write_text("extends: recipe.yaml\ndata:\n  batch_size: 8\n")
    recipe = load_recipe(child)
    assert (recipe.data.batch_size, str(recipe.data.folders[0])) == (8, "a")
    file.write_text("extends: child.yaml\n" + PLAIN)
    assert "extends itself" in refused(child)


def test_a_later_choice_takes_the_place_of_its_alternative(file):
    recipe = load_recipe(file, ["steps=7", "start.preset=tiny", "data.n_frames=2", "data.fps=1"])
    assert (recipe.steps, recipe.epochs, recipe.start.preset, recipe.start.checkpoint) == (7, None, "tiny", None)
    assert (recipe.data.fps, recipe.data.n_frames) == (1, None)


def test_single_keys_of_a_mapping_are_set_by_dots(file):
    recipe = load_recipe(file, ["start.options.positions=layout", "objective.elastic={1: 1, 4: 2}"])
    assert recipe.start.options == {"positions": "layout"}
    assert recipe.objective.elastic == {1: 1.0, 4: 2.0}
    assert load_recipe(file, ["objective.elastic.2=0.5"]).objective.elastic == {2: 0.5}


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["optimiser.lr=nan"], "optimiser.lr is nan in --set optimiser.lr=nan; give a number above 0"),
        (["optimiser.lr=0"], "optimiser.lr is 0 in --set optimiser.lr=0; give a number above 0"),
        (["optimiser.lr=inf"], "give a number above 0"),
        (["epochs=nan"], "epochs"),
        (["optimizer.lr=1"], "did you mean optimiser.lr"),
        (["lr=1"], "unknown key lr in --set lr=1; did you mean optimiser.lr?"),
        (["data.batchsize=1"], "did you mean data.batch_size"),
        (["qqqqqq=1"], "--keys lists them all"),
        (["device.zero=5"], "give one of 0, 1, 2, 3"),
        (["stage=tune"], "stage is tune in --set stage=tune; give one of align, instruct, continue_video"),
        (["optimiser=4"], "it is a section"),
        (
            ["data.batch_size=6", "device.gpus_per_node=4"],
            "does not divide among 4 processes; give a multiple of 4",
        ),
        (["data.micro_batch=3"], "data.micro_batch 3 does not divide"),
        (["start.vision=a"], "vision and language belong together"),
        (["stage=continue_video"], "give data.fps or data.n_frames"),
        (["optimiser.lr_of={towr: 3}"], "a mapping of tower, projector, voco, compressor, language to a number"),
        (["optimiser.betas=[1]"], "a list of 2, each a number from 0 to 1"),
        (["seed"], "write key=value"),
        (["seed=["], "quote the value"),
    ],
)
def test_mistakes_on_the_command_line(file, flags, message):
    assert message in refused(file, *flags)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (PLAIN.replace("1e-3", ".nan"), "optimiser.lr is nan in {}; give a number above 0"),
        (PLAIN.replace("{lr: 1e-3}", "{}"), "optimiser.lr is missing in {}; give a number above 0"),
        (PLAIN.replace("epochs: 1", ""), "{}: say how long: give epochs or steps"),
        (PLAIN + "sede: 3\n", "unknown key sede in {}; did you mean seed"),
        (PLAIN + "out: y\n", "{}: "),
        (PLAIN.replace("a]", "a"), "{}: line"),
        ("- 1\n", "{}: holds no keys"),
        ("", "{}: holds no keys"),
        ("extends: absent.yaml\n", "no such recipe"),
        ("extends: 3\n", "{}: extends is 3"),
        ("a: \x00", "{}: "),
    ],
)
def test_mistakes_in_a_file(file, text, message):
    file.write_text(text)
    assert message.format(file) in refused(file)


def test_a_missing_file_and_no_text(tmp_path):
    assert "no such recipe" in refused(tmp_path / "absent.yaml")
    (tmp_path / "binary").write_bytes(b"\xff\xfe\x00")
    assert "cannot be read as text" in refused(tmp_path / "binary")
    assert "is missing" in refused(None)


numbers, text = st.floats(1e-12, 1e3), st.text("ab: #'\"-é", min_size=1)
start = st.fixed_dictionaries(
    {"preset": st.sampled_from(["tiny", "null", "1e3", "yes"])},
    optional={"options": st.dictionaries(text, st.text() | st.integers() | st.none())},
)
recipes = st.fixed_dictionaries(
    {
        "stage": st.just("instruct"),
        "out": text,
        "seed": st.integers(0, 2**40),
        "steps": st.integers(1, 10**6),
        "start": start,
        "data": st.fixed_dictionaries({"folders": st.lists(text, min_size=1), "batch_size": st.just(4)}),
        "optimiser": st.fixed_dictionaries({"lr": numbers, "lr_of": st.dictionaries(st.just("voco"), numbers)}),
        "objective": st.fixed_dictionaries({"elastic": st.dictionaries(st.integers(1, 64), numbers)}),
    }
)


@settings(max_examples=30, deadline=None)
@given(recipes, st.booleans())
def test_what_is_printed_reads_as_the_same_recipe(tmp_path_factory, chosen, comments):
    recipe = Recipe.model_validate(chosen)
    path = tmp_path_factory.getbasetemp() / "printed.yaml"
    path.write_text(as_yaml(recipe, comments), encoding="utf-8")
    assert load_recipe(path) == recipe


def test_every_key_has_its_help():
    keys = recipe_keys()
    assert {"optimiser.lr", "objective.distillation.weight", "start.options", "device.zero"} <= keys.keys()
    assert all(key.help and key.allowed for key in keys.values())
    listed = describe_keys()
    assert all(f"{name} " in listed for name in keys)
