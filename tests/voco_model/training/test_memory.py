"""The memory estimate, held to the tensors of real steps; what ZeRO spreads; the verdict and its ways out."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from tests.voco_model.worlds import rows
from voco_model.config import preset
from voco_model.errors import VocoError
from voco_model.flops import executed
from voco_model.model import VocoForConditionalGeneration
from voco_model.training.gpus import GPUS, gpu_named
from voco_model.training.memory import Need, PartSize, activation_need, part_sizes, state_need, verdict
from voco_model.training.recipe import Device, Recipe
from voco_model.training.stages import freeze, reading_of
from voco_model.training.step_trace import MicroBatch, _traced, trace_step


def recipe(stage="instruct", variant="voco", device=None, **more) -> Recipe:
    data = {"folders": ["a"], "batch_size": 32, "n_frames": 2} | more.pop("data", {})
    base = {"stage": stage, "variant": variant, "out": "x", "steps": 1, "start": {"preset": "tiny"}}
    return Recipe.model_validate(base | {"data": data, "optimiser": {"lr": 1e-3}, "device": device or {}} | more)


@pytest.mark.parametrize("size", ["tiny", "small"])
@pytest.mark.parametrize("stage", ["align", "instruct"])
def test_weights_gradients_and_optimiser_are_exact(size, stage):
    asked = recipe(stage)
    model = VocoForConditionalGeneration(preset(size))
    with torch.device("meta"):
        sizes = part_sizes(VocoForConditionalGeneration(preset(size)), asked)
    freeze(model, asked)
    trained = [p for p in model.parameters() if p.requires_grad]
    optimiser = torch.optim.AdamW(trained, foreach=False)
    for parameter in trained:
        parameter.grad = torch.zeros_like(parameter)
    optimiser.step()
    moments = [state[name] for state in optimiser.state.values() for name in ("exp_avg", "exp_avg_sq")]
    assert state_need(sizes, Device()).gpu == {
        "weights": sum(p.nbytes for p in model.parameters()),
        "gradients": sum(p.grad.nbytes for p in trained),
        "optimiser": sum(m.nbytes for m in moments),
    }


def kept_by(model, asked: Recipe, batch: MicroBatch) -> tuple[int, int]:
    """Bytes that a real forward keeps for the backward, weights left out, and operations of both."""
    n_voco = 0 if asked.stage == "align" else model.config.n_voco

    def row(group: int) -> list:
        shown = range(group * batch.pictures, (group + 1) * batch.pictures)
        return [("p", 1), *(("i", image, n_voco) for image in shown), ("t", batch.text - 1)]

    specs = [row(group) for group in range(batch.groups) for _ in range(batch.questions)]
    made = rows(specs, model.config.n_vision, size=model.config.vision_config.image_size)
    made.input_ids[:, 0] = 256  # one prefix, so that a group's questions share its compression
    labels = torch.full_like(made.input_ids, -100)
    labels[:, -batch.labels :] = 3
    known = {p.untyped_storage().data_ptr() for p in model.parameters()}
    total = 0

    def pack(tensor):
        nonlocal total
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in known:
            known.add(storage.data_ptr())
            total += storage.nbytes()
        return tensor

    def step():
        model(*made, pixel_values=made.pixel_values, labels=labels, reading=reading_of(asked)).loss.backward()

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        operations = executed(step)
    return total, operations


@pytest.mark.parametrize(
    ("stage", "batch"),
    [
        ("align", MicroBatch(3, 1, 1, 24, 8)),
        ("instruct", MicroBatch(2, 3, 1, 16, 4)),
        ("continue_video", MicroBatch(1, 2, 5, 30, 10)),
    ],
)
def test_activations_and_operations_are_those_of_a_real_step(stage, batch):
    asked, config = recipe(stage), preset("tiny")
    torch.manual_seed(0)
    model = VocoForConditionalGeneration(config).train()
    freeze(model, asked)
    kept, operations = kept_by(model, asked, batch)
    trace = trace_step(asked, config, batch)
    logits = 2 * 4 * batch.rows * batch.labels * config.text_config.vocab_size
    estimate = trace.whole.pictures + trace.whole.text + logits
    assert 0.9 < estimate / kept < 1.2
    assert trace.whole.operations == pytest.approx(operations, rel=0.02)


def test_two_depths_give_every_other():
    config, batch, asked = preset("tiny"), MicroBatch(2, 2, 1, 12, 4), recipe()
    config.text_config.num_hidden_layers = 6
    whole, direct = trace_step(asked, config, batch).whole, _traced(asked, config, batch, 6)
    assert (whole.pictures, whole.text, whole.operations) == (direct.pictures, direct.text, direct.operations)


def test_checkpointing_and_chunks_of_frames_keep_less():
    config, batch = preset("small"), MicroBatch(1, 1, 8, 32, 8)
    plain = recipe("continue_video")
    trace = trace_step(plain, config, batch)

    def activations(**more) -> int:
        return activation_need(recipe("continue_video", **more), config, batch, trace)["activations"]

    chunks = activations(objective={"frames_at_once": 2})
    again = activations(device={"gradient_checkpointing": True})
    assert chunks < 0.4 * activations()
    assert again < 0.4 * activations()
    assert activations(objective={"stop_gradient": True}) < chunks


SIZES = {"tower": PartSize(300, 0), "language": PartSize(7_000, 7_000)}


@given(st.integers(1, 8), st.integers(1, 4))
def test_zero_never_needs_more_when_it_spreads_more(per_node, nodes):
    def state(**more) -> Need:
        return state_need(SIZES, Device(precision="bf16", gpus_per_node=per_node, nodes=nodes, **more))

    def spread(need: Need) -> int:
        return sum(size for name, size in need.gpu.items() if "buffers" not in name)

    one, two, three = (state(zero=stage) for stage in (1, 2, 3))
    assert spread(one) >= spread(two) >= spread(three)
    ranks = per_node * nodes
    # Every byte is somewhere: the ranks' shares make up the whole, rounded up for each.
    whole = 2 * 7_300 + 2 * 7_000 + 12 * 7_000
    assert whole <= spread(three) * ranks < whole + 3 * ranks
    off = state(zero=3, offload="all")
    assert "weights" not in off.gpu
    assert off.host * nodes == spread(three) * ranks


def test_the_verdict_names_what_to_change():
    gpu = gpu_named("H100-80GB")
    assert verdict(Need({"weights": int(70e9)}, 0), gpu, recipe()).fits
    asked = recipe(device={"gpus_per_node": 8, "gpu": "H100-80GB"})
    said = verdict(Need({"weights": int(90e9)}, 0), gpu, asked).says
    assert said.startswith("does not fit on a H100-80GB by 1")
    assert "data.micro_batch=2 or device.gradient_checkpointing=true or device.zero=3" in said
    last = recipe(
        device={
            "gpus_per_node": 32,
            "zero": 3,
            "offload": "all",
            "gradient_checkpointing": True,
            "precision": "bf16",
        }
    )
    assert "take a larger GPU" in verdict(Need({"weights": int(90e9)}, 0), gpu, last).says


def test_an_unknown_gpu_is_named():
    with pytest.raises(VocoError, match=r"device.gpu is H1000; give one of .*H100-80GB"):
        gpu_named("H1000")
    assert all(gpu.memory > 20e9 and gpu.bf16 > 1e13 for gpu in GPUS.values())
