"""The model as ONNX graphs: the same caches, the same answers, in either direction."""

import json
from dataclasses import replace

import numpy as np
import onnx
import pytest
import torch

from tests.voco_model.worlds import model
from voco_model.assistant import Assistant
from voco_model.cache import VocoCache
from voco_model.errors import VocoError
from voco_model.portable.graphs import ABOUT, COMPRESS, READ, write_graphs
from voco_model.portable.parity import QUESTIONS, made_up_pictures, measure
from voco_model.portable.reading import OnnxReader
from voco_model.processing.processor import VocoProcessor
from voco_model.processing.tokenizer import byte_tokenizer

OPTIONS = {
    "compact": {"positions": "compact"},
    "layout, prefix hidden": {"positions": "layout", "prefix_visible": False},
    "suffix": {"positions": "layout", "vision_suffix_ids": [10, 11]},
    "qformer": {"compressor": "qformer"},
}


def made(folder, **options):
    """A model as an assistant, and its graphs."""
    own = model(n_voco=3, dtype=torch.float32, **options)
    assistant = Assistant(own, VocoProcessor.for_model(own.config, byte_tokenizer(), template="short"))
    write_graphs(own, assistant.processor, folder / "onnx")
    return assistant, OnnxReader(folder / "onnx", assistant.processor)


@pytest.fixture(scope="module")
def pair(tmp_path_factory):
    folder = tmp_path_factory.mktemp("graphs")
    return folder / "onnx", *made(folder, **OPTIONS["compact"])


def assert_same(assistant, reader):
    found = measure(assistant, reader)
    assert found.keys < 1e-5
    assert found.logits < 1e-5 * max(1.0, found.largest_logit)
    assert found.same_answers == found.answers == 4 * len(QUESTIONS)


def test_the_graphs_compress_and_answer_as_the_model_does(pair):
    assert_same(*pair[1:])


@pytest.mark.integration
@pytest.mark.parametrize("options", [name for name in OPTIONS if name != "compact"])
def test_so_they_do_however_the_model_is_made(tmp_path, options):
    assert_same(*made(tmp_path, **OPTIONS[options]))


def test_what_is_no_number_is_no_parity(pair, monkeypatch):
    _, assistant, reader = pair
    monkeypatch.setattr(reader, "logits", lambda *_: np.full((1, 264), np.nan, np.float32))
    assert measure(assistant, reader, questions=QUESTIONS[:1], max_new_tokens=1).logits == np.inf


def test_caches_go_from_one_to_the_other(pair):
    _, assistant, reader = pair
    first, second = made_up_pictures(assistant.processor.size, 2)
    ours, theirs = assistant.compress(first), reader.compress(first)
    assert (theirs.model, theirs.blocks, theirs.prefix) == (ours.model, ours.blocks, ours.prefix)
    assert torch.equal(theirs.positions, ours.positions)
    assert assistant.answer(theirs, "what?", max_new_tokens=6) == reader.answer(ours, "what?", 6)
    both = VocoCache.concat([reader.compress(one) for one in (first, second)])  # moved, as frames of a clip are
    frames = VocoCache.concat([assistant.compress(one) for one in (first, second)])
    torch.testing.assert_close(both.tensors()[0], frames.tensors()[0], rtol=0, atol=1e-5)
    assert torch.equal(both.positions, frames.positions)


def test_nothing_of_the_machine_is_in_a_graph(pair):
    folder, *_ = pair
    for name in (COMPRESS, READ):
        assert b".py" not in (folder / name).read_bytes()
        onnx.checker.check_model(str(folder / name))


def test_the_same_model_gives_the_same_bytes(pair, tmp_path):
    folder, assistant, _ = pair
    write_graphs(assistant.model, assistant.processor, tmp_path / "again")
    for path in folder.iterdir():
        assert (tmp_path / "again" / path.name).read_bytes() == path.read_bytes(), path.name


def test_what_cannot_be_is_refused_in_one_line(pair, tmp_path):
    folder, assistant, reader = pair
    cache = assistant.compress(made_up_pictures(assistant.processor.size)[0])
    other = replace(cache, model="0" * 64)
    with pytest.raises(VocoError, match="the cache was made by model 000000000000"):
        reader.answer(other, "what?")
    with pytest.raises(VocoError, match=f"{ABOUT} is missing"):
        OnnxReader(tmp_path, assistant.processor)
    (tmp_path / ABOUT).write_text(json.dumps(reader.about))
    (tmp_path / COMPRESS).write_bytes((folder / COMPRESS).read_bytes()[:100])
    with pytest.raises(VocoError, match=r"compress.onnx: cannot be read"):
        OnnxReader(tmp_path, assistant.processor)
    causal = model(n_voco=0, compressor="none", reading="causal", dtype=torch.float32)
    with pytest.raises(VocoError, match="keeps no VoCo tokens"):
        write_graphs(causal, assistant.processor, tmp_path / "none")
    assert not (tmp_path / "none").exists()
    with pytest.raises(VocoError, match="has no CUDAExecutionProvider here"):
        OnnxReader(folder, assistant.processor, ("CUDAExecutionProvider", "CPUExecutionProvider"))


def test_logits_are_those_of_every_token(pair):
    _, assistant, reader = pair
    cache = assistant.compress(made_up_pictures(assistant.processor.size)[1])
    told = reader.logits(cache, "what?")
    batch = assistant.processor(["<image>\nwhat?"], [[cache]])
    text = (batch["kinds"] == 4) & (torch.arange(batch["kinds"].shape[1]) > 0)
    ours = assistant.model(**batch, logits_at=text).logits.detach().numpy()
    np.testing.assert_allclose(told[-len(ours) :], ours, atol=1e-5)
