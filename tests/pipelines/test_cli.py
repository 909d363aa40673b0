"""The `voco` command as a person meets it: what it prints, and one line for every mistake."""

import json

import pytest
from PIL import Image

from pipelines.cli import main
from tests.voco_model.worlds import model
from voco_model.assistant import Assistant
from voco_model.processing.processor import VocoProcessor
from voco_model.processing.tokenizer import byte_tokenizer


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """Two saved models and a picture."""
    folder = tmp_path_factory.mktemp("world")
    for name, options in (("one", {}), ("other", {"voco_embedding": "shared"})):
        made = model(n_voco=2, **options)
        Assistant(made, VocoProcessor.for_model(made.config, byte_tokenizer(), template="short")).save_pretrained(
            folder / name
        )
    Image.new("RGB", (40, 30), (200, 10, 10)).save(folder / "red.png")
    (folder / "broken.png").write_bytes(b"no picture")
    return folder


def said(capsys) -> str:
    return capsys.readouterr().out


def refused(capsys, *arguments) -> str:
    """The one line that a mistake gets."""
    assert main([str(a) for a in arguments]) == 1
    error = capsys.readouterr().err
    assert error.startswith("voco: error: ")
    assert error.count("\n") == 1
    return error


def test_mask_prints_the_rule(capsys, tmp_path):
    assert main(["mask", "--show", "p1 v2 c1 t2"]) == 0
    assert "t  █··███" in said(capsys)
    assert main(["mask", "p1 v2 c1 t2", "--hide-prefix", "--show"]) == 0
    assert "t  ···███" in said(capsys)
    assert main(["mask", "--out", str(tmp_path / "mask.png")]) == 0
    assert Image.open(tmp_path / "mask.png").size[0] > 300
    assert "write p, v, c or t" in refused(capsys, "mask", "x9")


def test_compress_and_ask(capsys, world, tmp_path):
    cache = tmp_path / "red.safetensors"
    assert main(["compress", str(world / "red.png"), "--model", str(world / "one"), "--out", str(cache)]) == 0
    assert "1 images, 2 tokens" in said(capsys)
    assert (
        main(
            ["ask", "what?", "why?", "--model", str(world / "one"), "--cache", str(cache), "--max-new-tokens", "3"]
        )
        == 0
    )
    assert said(capsys).count("A: ") == 2
    assert "made by model" in refused(capsys, "ask", "what?", "--model", world / "other", "--cache", cache)
    too_long = "x" * 20000
    assert "past the limit of 16384 positions" in refused(
        capsys, "ask", too_long, "--model", world / "one", "--cache", cache
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["compress", "{}/broken.png", "--model", "{}/one"], "broken.png: cannot be decoded as an image"),
        (["compress", "{}/absent.png", "--model", "{}/one"], "absent.png: no such image file"),
        (["compress", "--model", "{}/one"], "give images or --video FILE"),
        (
            ["compress", "{}/red.png", "--model", "{}/one", "--n-voco", "3"],
            "n_voco is 3; this model was trained with 2",
        ),
        (["compress", "{}/red.png", "--model", "{}/absent"], "config.json is missing"),
        (["compress", "--video", "{}/red.mp4", "--fps", "1", "--model", "{}/one"], "red.mp4"),
        (["compress", "--video", "{}/red.png", "--model", "{}/one"], "give --fps or --frames"),
        (["compress", "{}/red.png", "--fps", "1", "--model", "{}/one"], "--fps and --frames are for --video"),
    ],
)
def test_what_cannot_be_compressed_is_named(capsys, world, tmp_path, arguments, message):
    out = tmp_path / "cache.safetensors"
    assert message in refused(capsys, *(a.format(world) for a in arguments), "--out", out)
    assert list(tmp_path.iterdir()) == []


def test_a_cache_that_is_none_is_named(capsys, world, tmp_path):
    (tmp_path / "bad").write_bytes(b"nothing")
    assert "compress the image again" in refused(
        capsys, "ask", "what?", "--model", world / "one", "--cache", tmp_path / "bad"
    )
    assert "no such cache file" in refused(
        capsys, "ask", "what?", "--model", world / "one", "--cache", tmp_path / "no"
    )


def test_an_unknown_key_in_a_model_s_configuration_is_named(capsys, world, tmp_path):
    config = json.loads((world / "one" / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps(config | {"n_vocos": 3}))
    message = refused(capsys, "compress", world / "red.png", "--model", tmp_path, "--out", tmp_path / "x")
    assert "unknown key n_vocos" in message


def test_a_wrong_value_in_a_model_s_configuration_is_named(capsys, world, tmp_path):
    config = json.loads((world / "one" / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps(config | {"positions": "upside-down"}))
    message = refused(capsys, "compress", world / "red.png", "--model", tmp_path, "--out", tmp_path / "x")
    assert "positions" in message
    assert "upside-down" in message


def test_import_refuses_what_is_no_checkpoint(capsys, tmp_path):
    assert "config.json" in refused(capsys, "import-checkpoint", tmp_path, "--out", tmp_path / "out")


def test_demo_shows_what_the_cache_saves(capsys, tmp_path):
    assert main(["demo", "--out", str(tmp_path)]) == 0
    text = said(capsys)
    assert text.count("yes, token by token") == 3
    assert "576 times less" in text
    assert {f.name for f in tmp_path.iterdir()} == {"model", "picture.png", "picture.safetensors", "mask.png"}


def test_no_command_is_a_usage_error():
    with pytest.raises(SystemExit) as stop:
        main([])
    assert stop.value.code == 2
