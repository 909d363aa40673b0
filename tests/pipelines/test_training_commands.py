"""`voco align`, `instruct`, `continue-video`: shipped recipes, what options print, one line for every mistake."""

from pathlib import Path

import pytest

from pipelines.cli import main
from voco_model.training.foresight import foresee
from voco_model.training.recipe_files import load_recipe

CONFIGS = Path(__file__).parents[2] / "pipelines" / "configs"
SHIPPED = sorted(path for path in CONFIGS.rglob("*.yaml") if path.name != "pipeline.yaml")
LARGE = [path for path in SHIPPED if path.parent.name.startswith("7b")]


def refused(capsys, *arguments) -> str:
    assert main([str(a) for a in arguments]) == 1
    error = capsys.readouterr().err
    assert error.startswith("voco: error: ")
    assert error.count("\n") == 1
    return error


def test_each_size_has_each_stage():
    names = {(path.parent.name, path.stem) for path in SHIPPED}
    sizes, stages = ("tiny", "small", "7b-8gpu", "7b-multinode"), ("align", "instruct", "continue_video")
    assert names == {(size, stage) for size in sizes for stage in stages}


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_a_shipped_recipe_is_read_and_printed_and_read_again(path, capsys, tmp_path):
    recipe = load_recipe(path)
    assert recipe.stage == path.stem
    command = recipe.stage.replace("_", "-")
    assert main([command, "--config", str(path), "--print-config"]) == 0
    (tmp_path / "printed.yaml").write_text(capsys.readouterr().out)
    assert load_recipe(tmp_path / "printed.yaml") == recipe


@pytest.mark.parametrize("size", ["tiny", "small", "7b-8gpu", "7b-multinode"])
def test_stages_of_a_size_follow_each_other(size):
    align, instruct, video = (
        load_recipe(CONFIGS / size / f"{s}.yaml") for s in ("align", "instruct", "continue_video")
    )
    assert instruct.start.checkpoint == align.out / "model"
    assert video.start.checkpoint == instruct.out / "model"
    assert video.start.n_voco == 2


def test_the_7b_recipes_are_the_papers():
    align, instruct = (load_recipe(CONFIGS / "7b-8gpu" / f"{stage}.yaml") for stage in ("align", "instruct"))
    assert (align.optimiser.lr, align.data.batch_size, align.epochs, align.device.zero) == (1e-3, 256, 1, 2)
    assert (instruct.optimiser.lr, instruct.data.batch_size, instruct.device.zero) == (2e-5, 128, 3)
    assert (align.optimiser.schedule, align.optimiser.warmup) == ("cosine", 0.03)
    for stage in ("align", "instruct", "continue_video"):
        one, many = (load_recipe(CONFIGS / size / f"{stage}.yaml") for size in ("7b-8gpu", "7b-multinode"))
        assert (one.device.processes, many.device.processes) == (8, 32)
        assert (one.data.batch_size, one.optimiser) == (many.data.batch_size, many.optimiser)


@pytest.mark.parametrize("path", LARGE, ids=lambda path: f"{path.parent.name}/{path.stem}")
@pytest.mark.integration
def test_a_7b_recipe_fits_the_gpu_that_it_names(path):
    seen = foresee(load_recipe(path))
    assert sum(part.parameters for part in seen.parts.values()) == pytest.approx(7.05e9, rel=0.01)
    assert seen.verdict.fits, seen.verdict.says
    assert 0.1 < seen.hours < 100
    assert seen.steps > 1000


def test_check_of_a_7b_recipe_on_any_machine(capsys):
    path = CONFIGS / "7b-8gpu" / "instruct.yaml"
    assert main(["instruct", "--config", str(path), "--check"]) == 0
    said = capsys.readouterr().out
    for words in (
        "data/llava-instruct-665k",
        "not here, not checked",
        "6.74 B trained",
        "290.91 M   frozen",
    ):
        assert words in said
    for words in (
        "fits: ",
        "5,198 steps",
        "8 processes x 8 at once x 2 accumulated",
        "h on 8 H100-80GB",
        "torchrun",
    ):
        assert words in said


def test_check_says_what_does_not_fit_and_ends_with_1(capsys):
    path = CONFIGS / "7b-8gpu" / "instruct.yaml"
    flags = ["device.gpu=A100-40GB", "device.gpus_per_node=1", "device.gradient_checkpointing=false"]
    arguments = ["instruct", "--config", str(path), "--check", *(w for flag in flags for w in ("--set", flag))]
    assert main(arguments) == 1
    assert "does not fit on a A100-40GB by" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("command", "name", "flags", "message"),
    [
        ("instruct", "7b-8gpu/instruct", [], "device wants 8 H100-80GB on a node, this machine has"),
        ("align", "7b-8gpu/instruct", [], "of the stage instruct, not align; run it with `voco instruct`"),
        ("instruct", "tiny/instruct", ["optimiser.lr=0"], "give a number above 0"),
        ("instruct", "tiny/instruct", ["optimiser.lrr=0"], "did you mean optimiser.lr"),
        ("instruct", "tiny/instruct", ["device.nodes=2"], "nothing says where the others are"),
        ("continue-video", "tiny/continue_video", ["start.preset=tiny"], "on from instruct"),
    ],
)  # fmt: skip
def test_mistakes_are_one_line_before_anything_starts(capsys, command, name, flags, message):
    settings = [word for flag in flags for word in ("--set", flag)]
    assert message in refused(capsys, command, "--config", CONFIGS / f"{name}.yaml", *settings)


def test_keys_are_listed(capsys):
    assert main(["align", "--keys"]) == 0
    said = capsys.readouterr().out
    assert "optimiser.lr (required)" in said
    assert "Give a number above 0." in said
