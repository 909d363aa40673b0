"""What a batch is made of changes no sample's loss, and the rule holds for gradients too."""

import pytest
import torch
from torch.nn import functional as F

from tests.voco_model.data.small_sets import Item, png, write
from tests.voco_model.worlds import model
from voco_model.data.collating import Reading
from voco_model.data.grouping import BatchPolicy
from voco_model.data.loading import TrainingLoader
from voco_model.processing.processor import VocoProcessor
from voco_model.processing.tokenizer import byte_tokenizer

SHAPES = {
    "voco": {"n_voco": 2},
    "upper": {"n_voco": 2, "reading": "causal"},
    "avgpool": {"compressor": "avgpool", "n_voco": 1},
    "qformer": {"compressor": "qformer", "n_voco": 2},
    "layout": {"n_voco": 2, "positions": "layout"},
}


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Three pictures with one to three questions, and text alone, of unequal lengths."""
    items = [Item(media=png(k // 2), answer="y" * (1 + 4 * k)) for k in range(5)]
    return write(tmp_path_factory.mktemp("samples") / "set", [*items, Item("text", answer="no picture at all")])


def batches(data, made, batch_size: int, questions: int, **reading):
    processor = VocoProcessor.for_model(made.config, byte_tokenizer(), template="short")
    policy = BatchPolicy(batch_size, questions)
    return TrainingLoader(data, processor, policy, Reading(**reading))


@torch.no_grad()
def losses(loader, made) -> dict[str, torch.Tensor]:
    """Each record's loss, by id."""
    found = {}
    for batch in loader:
        logits = made(**batch.inputs).logits
        rows = batch.inputs["labels"]
        each = F.cross_entropy(logits, rows[rows != -100], reduction="none")
        sizes = (rows != -100).sum(1).tolist()
        found |= {id: part.sum() for id, part in zip(batch.ids, each.split(sizes), strict=True)}
    return found


@pytest.mark.parametrize("shape", SHAPES)
def test_packing_and_grouping_change_no_samples_loss(data, shape):
    made = model(**SHAPES[shape])
    alone = losses(batches(data, made, 1, 1), made)
    assert len(alone) == 6
    for loader in (
        batches(data, made, 6, 3),
        batches(data, made, 2, 2),
        batches(data, made, 6, 3, padding_side="left"),
    ):
        together = losses(loader, made)
        assert together.keys() == alone.keys()
        assert all(abs(together[id] - alone[id]) < 1e-10 for id in alone)


def test_in_single_precision_too(data):
    made = model(dtype=torch.float32, **SHAPES["voco"])
    alone, together = losses(batches(data, made, 1, 1), made), losses(batches(data, made, 6, 3), made)
    assert all(abs(together[id] - alone[id]) < 1e-5 * max(1, abs(alone[id])) for id in alone)


@pytest.mark.parametrize(("reading", "reached"), [("rule", False), ("causal", True)])
def test_text_learns_of_a_picture_through_the_voco_tokens_alone(data, reading, reached):
    """With the VoCo tokens' keys and values held constant, nothing of the loss comes back to the picture."""
    made = model(n_voco=2, reading=reading).train()
    made.stop_gradient_at_caches = True
    batch = next(iter(batches(data, made, 6, 3)))
    made(**batch.inputs).loss.backward()
    gradients = [p.grad for p in made.projector.parameters()]
    assert any(g is not None and bool((g != 0).any()) for g in gradients) == reached


def test_the_picture_does_teach_the_projector_through_the_voco_tokens(data):
    made = model(n_voco=2).train()
    made(**next(iter(batches(data, made, 6, 3))).inputs).loss.backward()
    assert all(bool((p.grad != 0).any()) for p in made.projector.parameters())
