"""An export: made from code, whole, the same every time, and answering as the assistant does."""

import base64
import io
import json
import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pandas
import pytest
import torch
from PIL import Image

from components.export import ExportConfig, export, step
from components.exporting.manifest import check_manifest
from components.stepping.job import Job
from tests.voco_model.worlds import model
from voco_model.assistant import Assistant
from voco_model.errors import VocoError
from voco_model.processing.processor import VocoProcessor
from voco_model.processing.tokenizer import byte_tokenizer

RED, BLUE = Image.new("RGB", (50, 30), (200, 10, 10)), Image.new("RGB", (40, 80), (20, 10, 210))
ASKED = ["what?", "a longer question?", "what?"]
SHORT = {"max_new_tokens": 6, "n_voco": 2}


def encoded(picture: Image.Image, kind: str) -> str:
    file = io.BytesIO()
    picture.save(file, kind)
    return base64.b64encode(file.getvalue()).decode()


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """A saved model, its tables and efficiency, an export of them, and a picture as a file."""
    folder = tmp_path_factory.mktemp("export")
    made = model(n_voco=4, dtype=torch.float32)
    Assistant(made, VocoProcessor.for_model(made.config, byte_tokenizer(), template="short")).save_pretrained(
        folder / "trained"
    )
    for name in ("tables", "efficiency"):
        (folder / name).mkdir()
        (folder / name / f"{name}.json").write_text('{"told": 1}')
    (folder / "tables/tables.md").write_text("| GQA | 61.1 |\n")
    RED.save(folder / "red.png")
    config = ExportConfig(
        folder / "trained", folder / "exported", tables=folder / "tables", efficiency=folder / "efficiency"
    )
    return folder, config, export(config)


def test_mlflow_answers_as_the_assistant_does(world, monkeypatch):
    from mlflow import pyfunc

    folder, _, _ = world
    loaded = pyfunc.load_model(str(folder / "exported"))
    images = [str(folder / "red.png"), encoded(BLUE, "JPEG"), "data:image/png;base64," + encoded(RED, "PNG")]
    found = loaded.predict(pandas.DataFrame({"image": images, "question": ASKED}), params=SHORT)

    assistant = Assistant.from_pretrained(folder / "exported/model")
    blue = base64.b64decode(images[1])
    caches = [assistant.compress(one, 2) for one in (RED, blue, RED)]
    assert found == assistant.answer(caches, ASKED, max_new_tokens=6)
    assert found[0] == found[2], "a path and the same picture in base64"

    monkeypatch.setenv("VOCO_MEDIA_ROOT", str(folder / "tables"))
    with pytest.raises(VocoError, match="is absolute"):
        loaded.predict(pandas.DataFrame({"image": [str(folder / "red.png")], "question": ["what?"]}))


def test_nothing_in_it_is_a_pickle_or_tells_of_this_machine(world):
    folder, _, _ = world
    for path in (folder / "exported").rglob("*"):
        assert path.suffix not in (".pkl", ".bin", ".pt"), path
        if path.suffix in ("", ".yaml", ".txt", ".md") and path.is_file():
            assert str(Path.cwd()) not in path.read_text("utf-8"), path
            assert str(folder) not in path.read_text("utf-8"), path


def test_it_says_what_it_is_worth(world):
    folder, _, _ = world
    card = (folder / "exported/README.md").read_text("utf-8")
    assert "| GQA | 61.1 |" in card
    assert '"told": 1' in card, "efficiency, of which there is only JSON"
    assert "into 4 tokens" in card
    assert (folder / "exported/tables/tables.json").is_file()


def test_the_same_model_is_the_same_export(world):
    folder, config, manifest = world
    again = export(replace(config, out=folder / "again", check=False))
    assert again == manifest
    assert json.loads((folder / "again/manifest.json").read_text())["sha256"] == manifest.sha256


@pytest.mark.integration
def test_graphs_come_with_how_far_they_are_from_the_model(world):
    folder, config, _ = world
    outputs, inputs = {"exported": folder / "graphs"}, {"model": config.model}
    done = step(Job("export", {"onnx": True, "check": False}, inputs, outputs, folder))
    assert done.figures["onnx.logits"] < 1e-4
    assert done.figures["onnx.same_answers"] == done.figures["onnx.answers"] > 0
    assert {f"onnx/{n}" for n in ("read.onnx", "parity.json")} <= set(check_manifest(folder / "graphs").files)


def test_what_was_changed_is_named(world):
    folder, config, manifest = world
    out = folder / "changed"
    export(replace(config, out=out, check=False))
    assert check_manifest(out) == manifest
    (out / "model/config.json").write_text("{}")
    with pytest.raises(VocoError, match=r"config\.json: changed since the export"):
        check_manifest(out)
    (out / "model/config.json").unlink()
    with pytest.raises(VocoError, match="missing"):
        check_manifest(out)
    (out / "manifest.json").write_text("[]")
    with pytest.raises(VocoError, match="no readable manifest"):
        check_manifest(out)


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (lambda folder: (folder / "model.safetensors").unlink(), "no weights as safetensors"),
        (lambda folder: (folder / "config.json").unlink(), r"config\.json is missing"),
        (lambda folder: (folder / "optimiser.pt").write_bytes(b"x"), "may be a pickle"),
    ],
)
def test_what_is_no_whole_model_is_refused_and_leaves_nothing(world, tmp_path, spoil, told):
    folder, config, _ = world
    shutil.copytree(folder / "trained", tmp_path / "model")
    spoil(tmp_path / "model")
    with pytest.raises(VocoError, match=told):
        export(replace(config, model=tmp_path / "model", out=tmp_path / "out"))
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


def test_an_export_that_cannot_be_asked_does_not_appear(world, tmp_path):
    folder, config, _ = world
    shutil.copytree(folder / "trained", tmp_path / "model")
    weights = tmp_path / "model/model.safetensors"
    weights.write_bytes(weights.read_bytes()[:5000])
    with pytest.raises(VocoError, match="cannot be asked"):
        export(replace(config, model=tmp_path / "model", out=tmp_path / "out"))
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


def test_as_a_step(world, tmp_path):
    folder, _, manifest = world
    inputs = {"model": folder / "trained", "tables": folder / "tables", "efficiency": folder / "efficiency"}
    job = Job("export", {"check": False}, inputs, {"exported": tmp_path / "exported"}, tmp_path / "work")
    done = step(job)
    assert done.values == {"sha256": manifest.sha256}
    assert done.figures["weight_bytes"] == (folder / "trained/model.safetensors").stat().st_size
    with pytest.raises(VocoError, match="unknown setting nmae"):
        step(replace(job, settings={"nmae": "x"}))


@pytest.mark.integration
def test_the_library_travels_with_the_export(world, tmp_path):
    """Another process, in another folder, is answered by the copy of the library that lies in the export."""
    folder, _, _ = world
    asked = {"image": [str(folder / "red.png")], "question": ["what?"]}
    code = f"""
import pandas
from mlflow import pyfunc
answers = pyfunc.load_model({str(folder / "exported")!r}).predict(pandas.DataFrame({asked!r}))
import voco_model
print(len(answers), voco_model.__file__)
"""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path, env=environment, timeout=300
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["1", str(folder / "exported/code/voco_model/__init__.py")]


def test_tables_and_efficiency_of_different_models_are_refused(world, tmp_path):
    _, config, _ = world
    (tmp_path / "tables/benchmarks/gqa").mkdir(parents=True)
    (tmp_path / "tables/benchmarks/gqa/result.json").write_text(json.dumps({"about": {"model": "a" * 64}}))
    (tmp_path / "efficiency").mkdir()
    (tmp_path / "efficiency/efficiency.json").write_text(json.dumps({"model": "b" * 64}))
    mixed = replace(
        config, out=tmp_path / "out", tables=tmp_path / "tables", efficiency=tmp_path / "efficiency", check=False
    )
    with pytest.raises(VocoError, match=r"about model aaaaaaaaaaaa, .* about bbbbbbbbbbbb"):
        export(mixed)
    assert not (tmp_path / "out").exists()
