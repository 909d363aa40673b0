"""Decoders that the tests do not name: driven where they can be, refused where they would be misread."""

import pytest
import torch
from transformers import AutoModelForCausalLM, CohereConfig, GPT2Config, GraniteConfig, Olmo2Config, Phi3Config

from tests.voco_model.test_two_phase import assert_same
from tests.voco_model.worlds import exact_norms, rows
from voco_model import attention
from voco_model.config import preset
from voco_model.decoder import check_decoder
from voco_model.errors import VocoError
from voco_model.model import VocoForConditionalGeneration
from voco_model.segments import Kind

SIZES = {
    "vocab_size": 264, "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 3,
    "num_attention_heads": 4, "num_key_value_heads": 2, "max_position_embeddings": 512,
    "bos_token_id": 256, "eos_token_id": 257, "pad_token_id": 258,
}  # fmt: skip


@pytest.mark.parametrize("config", [Phi3Config, Olmo2Config], ids=lambda c: c.__name__)
def test_a_decoder_of_another_make_is_driven_as_exactly(config):
    torch.manual_seed(0)
    made = VocoForConditionalGeneration(preset("tiny", text_config=config(**SIZES), n_voco=3))
    made = exact_norms(made.double()).eval()
    with torch.no_grad():
        for parameter in made.parameters():
            parameter.mul_(3 if parameter.dim() > 1 else 1)
    batch = rows([[("p", 1), ("t", 2), ("i", 0, 3), ("t", 4)], [("p", 1), ("t", 3)]], made.config.n_vision)
    assert_same(made, batch, logits_at=batch.kinds == Kind.TEXT)


def test_a_decoder_that_rotates_otherwise_is_not_cached():
    config = CohereConfig(**SIZES, logit_scale=1.0)
    made = VocoForConditionalGeneration(preset("tiny", text_config=config, n_voco=3)).eval()
    with pytest.raises(VocoError, match="rotates its keys in another way"):
        made.compress(torch.randn(1, 3, 32, 32))


def test_a_decoder_that_scales_its_logits_is_refused():
    config = GraniteConfig(**SIZES, logits_scaling=8.0)
    config._attn_implementation = attention.NAME
    with pytest.raises(VocoError, match="'granite' computes more than its layers"):
        check_decoder(AutoModelForCausalLM.from_config(config).eval())


def test_an_attention_with_more_than_a_mask_is_refused():
    x = torch.randn(1, 2, 3, 8)
    with pytest.raises(VocoError, match="uses s_aux"):
        attention.voco_attention(torch.nn.Identity(), x, x, x, None, s_aux=torch.ones(2))


def test_a_decoder_without_the_usual_parts_is_refused():
    config = GPT2Config(vocab_size=264, n_embd=32, n_layer=2, n_head=4)
    with pytest.raises(VocoError, match="'gpt2' cannot be driven"):
        check_decoder(AutoModelForCausalLM.from_config(config))


def test_a_decoder_that_computes_more_than_its_layers_is_refused():
    config = Phi3Config(**SIZES)
    config._attn_implementation = attention.NAME
    made = AutoModelForCausalLM.from_config(config).eval()
    check_decoder(made)
    original = made.forward
    made.forward = lambda **inputs: type(out := original(**inputs))(logits=out.logits * 2)
    with pytest.raises(VocoError, match="'phi3' computes more than its layers"):
        check_decoder(made)
