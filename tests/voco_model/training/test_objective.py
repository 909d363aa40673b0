"""The objective against its equations, written out by hand on tiny models in double precision."""

from collections import Counter

import pytest
import torch
from torch.nn import functional as F

from tests.voco_model.worlds import model, rows
from voco_model.segments import NO_IMAGE, Kind
from voco_model.training.objective import IGNORED, Objective, divergence, weight_at
from voco_model.training.recipe import Distillation
from voco_model.training.recipe import Objective as Settings

SPECS = [[("p", 1), ("i", 0, 4), ("t", 5)], [("p", 1), ("i", 1, 4), ("t", 3)], [("p", 1), ("t", 4)]]


def batch() -> dict:
    made = rows(SPECS, n_vision=16, seed=3)
    labels = made.input_ids.masked_fill(made.kinds != Kind.TEXT, IGNORED)
    return vars(made) | {"labels": labels}


def objective(steps: int = 10, elastic: dict | None = None, teacher=None, **distillation) -> Objective:
    settings = Settings(distillation=Distillation(**distillation), elastic=elastic or {})
    return Objective(settings, seed=1, steps=steps, teacher=teacher)


def without_voco(inputs: dict) -> dict:
    """The same batch with every VoCo column taken out, as a sequence that never had one."""
    voco = inputs["kinds"] == Kind.VOCO
    return inputs | {
        "kinds": inputs["kinds"].masked_fill(voco, Kind.PAD),
        "images": inputs["images"].masked_fill(voco, NO_IMAGE),
    }


def test_without_distillation_it_is_cross_entropy():
    trained, inputs = model(), batch()
    loss = objective()(trained, inputs, step=0)
    assert loss.total.item() == pytest.approx(trained(**inputs, mode="one_pass").loss.item(), rel=1e-12)
    assert set(loss.parts) == {"ce"}


@pytest.mark.parametrize("temperature", [1.0, 2.5])
def test_the_second_loss_is_kl_to_the_same_weights_reading_the_vision_tokens(temperature):
    trained, inputs = model(), batch()
    loss = objective(weight=0.7, temperature=temperature)(trained, inputs, step=0)
    student = trained(**inputs, mode="one_pass")
    teacher = trained(**without_voco(inputs), reading="causal", mode="one_pass").logits.detach()
    p = F.softmax(teacher / temperature, -1)
    q = F.softmax(student.logits / temperature, -1)
    kl = (p * (p.log() - q.log())).sum(-1).mean() * temperature**2
    assert kl > 1e-3
    assert loss.parts["kl"].item() == pytest.approx(kl.item(), rel=1e-9)
    assert loss.total.item() == pytest.approx((student.loss + 0.7 * kl).item(), rel=1e-9)


def test_no_gradient_flows_into_the_teacher():
    trained, inputs = model(), batch()
    objective(weight=1.0)(trained, inputs, step=0).total.backward()
    shared = {name: p.grad.clone() for name, p in trained.named_parameters() if p.grad is not None}
    trained.zero_grad()
    other = model()  # the same weights, but not the same tensors
    objective(weight=1.0, teacher=other)(trained, inputs, step=0).total.backward()
    assert all(p.grad is None for p in other.parameters())
    for name, p in trained.named_parameters():
        if p.grad is not None:
            torch.testing.assert_close(p.grad, shared[name], rtol=1e-9, atol=1e-12)


def test_the_tower_looks_once_for_both_readings():
    trained, inputs, looks = model(), batch(), []
    trained.vision_tower.tower.register_forward_hook(lambda *_: looks.append(1))
    objective(weight=1.0)(trained, inputs, step=0)
    assert len(looks) == 1


def test_micro_batches_add_up_to_the_whole():
    trained, inputs = model(), batch()
    items = int((inputs["labels"] != IGNORED).sum())
    whole = objective(weight=0.5)(trained, inputs, step=0).total
    parts = 0.0
    for row in range(len(SPECS)):
        alone = {k: v[row : row + 1] for k, v in inputs.items() if k != "pixel_values"}
        shown = alone["images"].max()
        if shown > 0:
            alone["images"] = alone["images"].masked_fill(alone["images"] == shown, 0)
        alone["pixel_values"] = inputs["pixel_values"][shown : shown + 1] if shown >= 0 else None
        parts += objective(weight=0.5)(trained, alone, step=0, num_items=items).total
    torch.testing.assert_close(parts, whole, rtol=1e-10, atol=1e-12)


def test_elastic_draws_depend_on_seed_and_step_alone_and_follow_the_weights():
    drawn = [objective(elastic={1: 1, 2: 2, 4: 5}).tokens_at(step) for step in range(2000)]
    assert drawn == [objective(elastic={1: 1, 2: 2, 4: 5}).tokens_at(step) for step in range(2000)]
    counts = Counter(drawn)
    for tokens, weight in {1: 1, 2: 2, 4: 5}.items():
        assert abs(counts[tokens] / 2000 - weight / 8) < 0.04
    assert drawn != [Objective(Settings(elastic={1: 1, 2: 2, 4: 5}), 2, 10).tokens_at(s) for s in range(2000)]


def test_an_elastic_step_reads_as_many_tokens_as_were_drawn():
    trained, inputs = model(), batch()
    loss = objective(elastic={2: 1})(trained, inputs, step=0).total
    assert loss.item() == pytest.approx(trained(**inputs, n_voco=2).loss.item(), rel=1e-12)
    assert loss.item() != pytest.approx(trained(**inputs).loss.item(), rel=1e-6)


def test_lambda_over_the_run():
    constant, rising, falling = (
        [weight_at(Distillation(weight=2, schedule=name), step, 4) for step in range(4)]
        for name in ("constant", "rising", "falling")
    )
    assert constant == [2, 2, 2, 2]
    assert rising == [0.5, 1, 1.5, 2]
    assert falling == [2, 1.5, 1, 0.5]


def test_equal_distributions_do_not_diverge():
    logits = torch.randn(5, 7, dtype=torch.float64)
    assert abs(divergence(logits, logits + 3, 1.7).item()) < 1e-12  # a constant shifts no distribution


def test_a_batch_whose_answers_were_cut_away_costs_nothing():
    trained, inputs = model(), batch()
    inputs["labels"] = torch.full_like(inputs["labels"], IGNORED)
    loss = objective(weight=1.0)(trained, inputs, step=0, num_items=1).total
    loss.backward()
    assert loss.item() == 0
