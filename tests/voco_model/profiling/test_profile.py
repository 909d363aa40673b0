"""What is kept, computed and saved: the three ways answer alike, and cost what can be reckoned by hand."""

import json

import pytest
import torch
from PIL import Image

from tests.voco_model.evaluation import small_benchmarks as small
from voco_model.assistant import Assistant
from voco_model.errors import VocoError
from voco_model.flops import executed
from voco_model.processing.processor import VocoProcessor
from voco_model.processing.tokenizer import byte_tokenizer
from voco_model.profiling.profile import Profiling, flat, picture_for, profile_model
from voco_model.profiling.ways import Everything, Nothing, VocoTokens

QUESTION = "What is it?"


@pytest.mark.parametrize("template", ["short", "vicuna_v1"])
@pytest.mark.parametrize("positions", ["layout", "compact"])
def test_keeping_changes_no_answer(template, positions):
    made = small.assistant(positions=positions)
    made.processor.template = template
    picture = Image.effect_noise((32, 32), 90).convert("RGB")
    nothing, everything = Nothing(made, picture, QUESTION), Everything(made, picture, QUESTION)
    assert everything.ask(6) == nothing.ask(6) == everything.ask(6), "and asking leaves what is kept as it was"
    for n_voco in (1, 4):
        cache = made.compress(picture, n_voco)
        answer = made.model.generate(
            **made.processor([f"<image>\n{QUESTION}"], [[cache]]),
            max_new_tokens=6,
            min_new_tokens=6,
            do_sample=False,
        )
        suppressed = VocoTokens(made, picture, QUESTION, n_voco).ask(1)
        assert suppressed == answer[0, -6:-5].tolist()


def test_bytes_are_those_of_the_tensors():
    made = small.assistant(dtype=torch.float32)
    config, picture = made.model.config, picture_for(made)
    text = config.text_config
    token = 2 * 4 * text.num_hidden_layers * text.num_key_value_heads * text.head_dim
    assert Everything(made, picture, QUESTION).kept_bytes == config.n_vision * token
    assert VocoTokens(made, picture, QUESTION, 3).kept_bytes == 3 * token
    assert Nothing(made, picture, QUESTION).kept_bytes == 0


def test_operations_of_a_cached_question_leave_the_picture_out():
    made = small.assistant(dtype=torch.float32)
    picture = picture_for(made)
    ways = [
        Nothing(made, picture, QUESTION),
        Everything(made, picture, QUESTION),
        VocoTokens(made, picture, QUESTION, 1),
    ]
    for way in ways:
        way.ask(1)
    anew, full, voco = (executed(lambda w=way: w.ask(1)) for way in ways)
    tower = executed(lambda: made.model.vision_features(ways[0].inputs["pixel_values"]))
    assert anew - full > tower > 0
    assert voco < full < anew


def test_what_is_written(tmp_path):
    small.assistant(dtype=torch.float32).save_pretrained(tmp_path / "model")
    content = profile_model(Profiling(tmp_path / "model", tmp_path / "out", repeats=2, tokens=2))
    assert json.loads((tmp_path / "out/efficiency.json").read_text()) == content
    assert list(content["ways"]) == ["no_cache", "full_cache", "voco_1", "voco_4"]
    n_vision = content["n_vision"]
    assert content["cache_bytes_share"] == 4 / n_vision
    figures = flat(content)
    assert figures["voco_1.saved.cache"] == pytest.approx(100 * (1 - 1 / n_vision))
    assert figures["voco_1.flops"] < figures["no_cache.flops"]
    assert "| the paper, 7B | 99.8 | 94.8 | 69.6 |" in (tmp_path / "out/efficiency.md").read_text()


def test_what_cannot_be_compared_is_refused(tmp_path):
    made = small.assistant(compressor="qformer")
    processor = VocoProcessor.for_model(made.model.config, byte_tokenizer(), template="short")
    Assistant(made.model.float(), processor).save_pretrained(tmp_path / "model")
    with pytest.raises(VocoError, match="no vision tokens in the sequence"):
        profile_model(Profiling(tmp_path / "model", tmp_path / "out"))
    with pytest.raises(VocoError, match="repeats is 0"):
        Profiling(tmp_path / "model", tmp_path / "out", repeats=0)
