"""Groups of parameters: everything that learns once, with its part's rate, and the right things decayed."""

import pytest
from torch import nn

from tests.voco_model.training.small_runs import recipe
from tests.voco_model.worlds import config, model
from voco_model.config import preset
from voco_model.errors import VocoError
from voco_model.model import VocoForConditionalGeneration
from voco_model.training.optimiser import make_optimiser, parameter_groups
from voco_model.training.recipe import Optimiser
from voco_model.training.stages import freeze

SHAPES = [{}, {"compressor": "qformer"}, {"compressor": "avgpool", "n_voco": 1}]


@pytest.mark.parametrize("shape", SHAPES)
def test_every_learning_parameter_is_in_one_group_and_only_matrices_are_decayed(shape):
    made = model(**shape)
    made.vision_tower.requires_grad_(False)
    groups = parameter_groups(made, Optimiser(lr=1e-3, weight_decay=0.1))
    placed = [id(p) for group in groups for p in group["params"]]
    assert sorted(placed) == sorted(id(p) for p in made.parameters() if p.requires_grad)
    matrices = {id(m.weight) for m in made.modules() if isinstance(m, nn.Linear | nn.Conv2d)}
    for group in groups:
        assert {id(p) in matrices for p in group["params"]} == {group["weight_decay"] == 0.1}


def test_embeddings_of_all_sorts_are_not_decayed():
    made = model(compressor="qformer")
    groups = parameter_groups(made, Optimiser(lr=1e-3, weight_decay=0.1))
    kept = {id(p) for group in groups if not group["weight_decay"] for p in group["params"]}
    assert {id(made.get_input_embeddings().weight), id(made.compressor.queries)} <= kept


def test_a_tied_head_is_an_embedding_and_comes_once():
    text = config().text_config
    text.tie_word_embeddings = True
    made = VocoForConditionalGeneration(preset("tiny", text_config=text))
    tied = made.get_input_embeddings().weight
    assert tied is made.get_output_embeddings().weight
    groups = parameter_groups(made, Optimiser(lr=1e-3, weight_decay=0.1))
    assert [g["weight_decay"] for g in groups for p in g["params"] if p is tied] == [0.0]


def test_parts_have_their_own_rates(tmp_path):
    made = model()
    freeze(made, recipe(tmp_path, tmp_path))
    optimiser = make_optimiser(made, Optimiser(lr=1e-3, lr_of={"voco": 5e-3, "projector": 2e-3}))
    rates = {group["part"]: group["lr"] for group in optimiser.param_groups}
    assert rates == {"voco": 5e-3, "projector": 2e-3, "language": 1e-3}


def test_a_rate_for_what_does_not_learn_is_refused(tmp_path):
    made = model()
    freeze(made, recipe(tmp_path, tmp_path, stage="align"))
    with pytest.raises(VocoError, match="a rate for tower, which does not learn"):
        parameter_groups(made, Optimiser(lr=1e-3, lr_of={"tower": 1e-4}))
