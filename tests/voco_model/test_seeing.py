"""Images looked at a few at a time, without gradient, or where there are none: the same numbers each time."""

import time

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import distributed, multiprocessing
from torch.multiprocessing.reductions import StorageWeakRef
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from tests.voco_model.test_two_phase import labelled
from tests.voco_model.worlds import MIXED, MIXED_PADS, model, rows
from voco_model import seeing
from voco_model.segments import Kind

SEEING = ("vision_tower.", "projector.", "compressor.")


def video(made, n_frames=7, n_voco=2, questions=2):
    """Questions on one clip, and a row of text alone."""
    frames = [("i", k, n_voco) for k in range(n_frames)]
    specs = [[("p", 1), *frames, ("t", 4 + k)] for k in range(questions)]
    batch = rows([*specs, [("p", 1), ("t", 3)]], made.config.n_vision)
    batch.input_ids[:, 0] = 256
    return batch


def text_only(made):
    return rows([[("p", 1), ("t", 6)], [("p", 1), ("t", 4)]], made.config.n_vision)


def learned(made, batch, labels=None, **options):
    """Loss, and every parameter's gradient."""
    made.zero_grad()
    labels = labelled(batch) if labels is None else labels
    out = made(*batch, pixel_values=batch.pixel_values.to(made.dtype), labels=labels, **options)
    out.loss.backward()
    return out.loss.detach(), {n: p.grad.clone() for n, p in made.named_parameters() if p.grad is not None}


def assert_equal(found, expected):
    (loss, gradients), (expected_loss, expected_gradients) = found, expected
    torch.testing.assert_close(loss, expected_loss, rtol=1e-12, atol=0)
    assert gradients.keys() == expected_gradients.keys()
    largest = max(float(g.abs().max()) for g in expected_gradients.values())
    for name, gradient in expected_gradients.items():
        assert float((gradients[name] - gradient).abs().max()) <= 1e-12 * largest, name


@pytest.mark.parametrize("options", [{}, {"compressor": "qformer"}, {"vision_suffix_ids": [10, 11]}], ids=str)
@pytest.mark.parametrize("frames_at_once", [1, 3, 7, 50])
def test_a_few_frames_at_once_teach_the_same(options, frames_at_once):
    made = model(n_voco=2, **options)
    batch = video(made)
    whole = learned(made, batch)
    assert whole[0] > 0.1
    made.frames_at_once = frames_at_once
    assert_equal(learned(made, batch), whole)


@pytest.mark.parametrize("positions", ["layout", "compact"])
def test_so_do_images_of_a_mixed_batch(positions):
    """Shared images, unequal token counts, and labels right after images."""
    made = model(n_voco=4, positions=positions)
    batch = rows(MIXED, made.config.n_vision, MIXED_PADS)
    text_or_after = batch.input_ids.masked_fill((batch.kinds != Kind.TEXT), -100)
    text_or_after[:, :4] = -100
    whole = learned(made, batch, text_or_after)
    made.frames_at_once = 2
    assert_equal(learned(made, batch, text_or_after), whole)


def test_dropout_is_drawn_again_as_it_was():
    made = model(n_voco=2).train()
    made.language_model.config.attention_dropout = 0.5
    for layer in made.get_decoder().layers:
        layer.self_attn.attention_dropout = 0.5
    batch = video(made)
    made.frames_at_once = 50
    torch.manual_seed(1)
    once = learned(made, batch)
    made.frames_at_once = None
    torch.manual_seed(1)
    assert_equal(once, learned(made, batch))
    assert learned(made, batch)[0] != once[0]


class LiveBytes(TorchDispatchMode):
    """The most bytes of tensors that are alive at once, of those made while it is on."""

    def __init__(self):
        super().__init__()
        self.alive, self.now, self.most = {}, 0, 0

    def __torch_dispatch__(self, function, types, arguments=(), keywords=None):
        made = function(*arguments, **(keywords or {}))
        for tensor in tree_leaves(made):
            if isinstance(tensor, torch.Tensor):
                storage = StorageWeakRef(tensor.untyped_storage())
                self.alive[storage.cdata] = storage, tensor.untyped_storage().nbytes()
                self.now += tensor.untyped_storage().nbytes()
        if self.now > self.most:  # perhaps: some may be gone by now, or counted twice
            self.alive = {key: held for key, held in self.alive.items() if not held[0].expired()}
            self.now = sum(n_bytes for _, n_bytes in self.alive.values())
            self.most = max(self.most, self.now)
        return made


def peak(made, n_frames, frames_at_once):
    """The most bytes of a step, which also makes the weights' gradients."""
    made.zero_grad()
    made.frames_at_once = frames_at_once
    batch = video(made, n_frames, 1, questions=1)
    labels, pixels = labelled(batch), batch.pixel_values.to(made.dtype)
    with LiveBytes() as live:
        made(*batch, pixel_values=pixels, labels=labels).loss.backward()
    return live.most


def test_memory_is_bounded_by_the_frames_at_once():
    """What a step needs beside its frames, such as the weights' gradients, is left out by subtracting."""
    made = model(n_voco=1)
    growth = peak(made, 18, None) - peak(made, 6, None)
    hidden_states = 12 * (1 + made.config.n_vision + 1) * made.config.text_config.hidden_size * 8
    assert growth > 10 * hidden_states, "all at once, every frame keeps its activations"
    assert peak(made, 18, 3) - peak(made, 6, 3) < growth / 20, "in parts, little more than the caches is added"


def test_without_gradient_at_the_caches_only_the_reading_learns():
    made = model(n_voco=2)
    batch = video(made)
    loss, gradients = learned(made, batch)
    made.stop_gradient_at_caches = True
    stopped_loss, stopped = learned(made, batch)
    assert stopped_loss == loss
    assert any(name.startswith(SEEING) for name in gradients)
    assert stopped
    assert not any(name.startswith(SEEING) for name in stopped)
    made.frames_at_once = 3
    assert_equal(learned(made, batch), (loss, stopped))


@pytest.mark.parametrize("options", [
    {},
    {"reading": "causal"},
    {"compressor": "avgpool", "n_voco": 1},
    {"compressor": "qformer"},
    {"compressor": "none", "n_voco": 0, "reading": "causal"},
], ids=str)  # fmt: skip
@pytest.mark.parametrize("frames_at_once", [None, 2])
def test_text_alone_sees_to_no_effect(options, frames_at_once):
    made = model(**({"n_voco": 2} | options))
    batch = text_only(made)
    loss, gradients = learned(made, batch)
    assert not any(name.startswith(SEEING) for name in gradients)
    made.always_see, made.frames_at_once = True, frames_at_once
    seen_loss, seen = learned(made, batch)
    assert seen_loss == loss
    assert seen.keys() == learned(made, video(made, 2, made.config.n_voco))[1].keys()
    assert all(not gradient.any() for name, gradient in seen.items() if name.startswith(SEEING))
    for name, gradient in gradients.items():
        torch.testing.assert_close(seen[name], gradient, rtol=0, atol=0)


def calls(made, batch, **options):
    """The modules that a step runs, in order, in the forward and again in the backward."""
    called = []
    hooks = [
        module.register_forward_pre_hook(lambda *_, name=name: called.append(name))
        for name, module in made.named_modules()
        if not list(module.children())
    ]
    try:
        learned(made, batch, **options)
    finally:
        for hook in hooks:
            hook.remove()
    return called


@pytest.mark.parametrize("reading", ["rule", "causal"])
@pytest.mark.parametrize("frames_at_once", [None, 2])
def test_every_batch_runs_the_same_modules(reading, frames_at_once, monkeypatch):
    made = model(n_voco=2, reading=reading)
    made.always_see, made.same_passes, made.frames_at_once = True, True, frames_at_once
    monkeypatch.setattr(seeing, "_largest_anywhere", lambda number, device: max(number, 3))
    pictures = video(made, n_frames=5)
    text = text_only(made)
    captions = rows([[("p", 1), ("i", 0, 2), ("t", 4)]], made.config.n_vision)
    after_image = torch.where(captions.kinds == Kind.TEXT, captions.input_ids, -100)
    nothing = torch.full_like(pictures.input_ids, -100)
    expected = calls(made, pictures)
    assert len(expected) > 50
    for batch, labels in ((text, None), (captions, after_image), (pictures, nothing)):
        assert calls(made, batch, labels=labels) == expected


def test_one_process_shares_an_image_among_its_questions_however_it_reads():
    made = model(n_voco=2, reading="causal")
    batch = video(made, n_frames=1, questions=3)
    apart = learned(made, batch)
    made.always_see = True
    lengths = []
    hook = made.language_model.model.layers[0].register_forward_pre_hook(
        lambda _, args: lengths.append(args[0].shape)
    )
    shared = learned(made, batch)
    hook.remove()
    assert_equal(shared, apart)
    assert sum(rows * length for rows, length, _ in lengths) < 2 * batch.input_ids.shape[1]


def test_a_batch_with_pictures_learns_the_same_beside_blank_ones(monkeypatch):
    made = model(n_voco=2)
    batch = video(made, n_frames=3)
    plain = learned(made, batch)
    made.always_see, made.frames_at_once = True, 2
    monkeypatch.setattr(seeing, "_largest_anywhere", lambda number, device: 5)
    assert_equal(learned(made, batch), plain)


def test_nothing_to_learn_still_gives_every_weight_a_zero():
    made = model(n_voco=2)
    made.always_see = True
    batch = video(made)
    loss, gradients = learned(made, batch, torch.full_like(batch.input_ids, -100))
    assert loss == 0
    assert gradients.keys() == learned(made, batch)[1].keys()
    assert not any(gradient.any() for gradient in gradients.values())


def one_of_two(rank, rendezvous, out):
    """A process with text alone, and one with a clip that takes three passes; both write their gradients."""
    torch.set_num_threads(1)
    distributed.init_process_group("gloo", init_method=f"file://{rendezvous}", rank=rank, world_size=2)
    made = model(n_voco=2)
    made.vision_tower.requires_grad_(False)
    made.always_see, made.same_passes, made.frames_at_once = True, True, 2
    batch = text_only(made) if rank == 0 else video(made, n_frames=5)
    pixels = batch.pixel_values.to(made.dtype)
    both = torch.nn.parallel.DistributedDataParallel(made)
    both(*batch, pixel_values=pixels, labels=labelled(batch)).loss.backward()
    save_file({n: p.grad for n, p in made.named_parameters() if p.requires_grad}, out / f"{rank}.safetensors")
    distributed.destroy_process_group()


@pytest.mark.integration
def test_two_processes_with_different_batches_share_their_gradients(tmp_path):
    workers = multiprocessing.spawn(one_of_two, (tmp_path / "rendezvous", tmp_path), nprocs=2, join=False)
    deadline = time.monotonic() + 240
    try:
        while not workers.join(timeout=5):
            assert time.monotonic() < deadline, "the two wait for each other"
    finally:
        for worker in workers.processes:
            worker.kill()
    made = model(n_voco=2)
    made.vision_tower.requires_grad_(False)
    text, clip = (learned(made, batch)[1] for batch in (text_only(made), video(made, n_frames=5)))
    for rank in range(2):
        found = load_file(tmp_path / f"{rank}.safetensors")
        assert found.keys() == clip.keys()
        for name, gradient in found.items():
            mean = (clip[name] + text.get(name, torch.zeros_like(clip[name]))) / 2
            torch.testing.assert_close(gradient, mean, rtol=1e-10, atol=1e-10)
