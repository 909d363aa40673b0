"""Two phases give the numbers of the one masked pass: logits and gradients, in every shape of batch."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.voco_model.worlds import DECODERS, MIXED, MIXED_PADS, model, rows
from voco_model.segments import Kind

EXACT = {torch.float64: 1e-12, torch.float32: 1e-5}


def results(made, batch, mode, labels=None, **options):
    """Logits, and the gradients of a loss over them, of parameters and pixels."""
    made.zero_grad()
    pixels = batch.pixel_values.to(made.dtype).requires_grad_()
    out = made(*batch, pixel_values=pixels, mode=mode, labels=labels, **options)
    weights = torch.linspace(-1, 1, out.logits.numel(), dtype=out.logits.dtype).view_as(out.logits)
    loss = (out.logits * weights).sum() if labels is None else out.loss
    loss.backward()
    gradients = {n: p.grad.clone() for n, p in made.named_parameters() if p.grad is not None}
    return out.logits.detach(), gradients | ({} if pixels.grad is None else {"pixels": pixels.grad})


def assert_same(made, batch, **options):
    """One pass and two phases, to the precision of the type."""
    tolerance = EXACT[made.dtype]
    plain_logits, plain = results(made, batch, "one_pass", **options)
    logits, gradients = results(made, batch, "two_phase", **options)
    assert plain_logits.abs().max() > 0.1
    assert (logits - plain_logits).abs().max() <= tolerance * plain_logits.abs().max()
    assert gradients.keys() == plain.keys()
    largest = max(float(g.abs().max()) for g in plain.values())
    for name, expected in plain.items():
        # A gradient that cancels altogether is the rounding of what cancelled. A key's bias moves all of a
        # query's scores alike: its gradient is rounding alone, as large as its weight's.
        like = name.replace("k_proj.bias", "k_proj.weight").replace("key.bias", "key.weight")
        scale = max(float(expected.abs().max()), float(plain[like].abs().max()), 1e-3 * largest)
        assert float((gradients[name] - expected).abs().max()) <= tolerance * scale, name


def everywhere(batch):
    return batch.kinds != Kind.PAD


@pytest.mark.parametrize("decoder", DECODERS)
@pytest.mark.parametrize("positions", ["layout", "compact"])
@pytest.mark.parametrize("prefix_visible", [True, False])
def test_every_position_of_a_mixed_batch(decoder, positions, prefix_visible):
    made = model(decoder, n_voco=4, positions=positions, prefix_visible=prefix_visible)
    batch = rows(MIXED, made.config.n_vision, MIXED_PADS)
    assert_same(made, batch, logits_at=everywhere(batch))


@pytest.mark.parametrize("decoder", DECODERS)
def test_text_positions_alone_skip_rows_and_stay_equal(decoder):
    made = model(decoder, n_voco=4)
    batch = rows(MIXED[:3], made.config.n_vision, MIXED_PADS[:3])
    assert_same(made, batch, logits_at=batch.kinds == Kind.TEXT)


@pytest.mark.parametrize("positions", ["layout", "compact"])
def test_float32(positions):
    made = model(dtype=torch.float32, n_voco=4, positions=positions)
    batch = rows(MIXED, made.config.n_vision, MIXED_PADS)
    assert_same(made, batch, logits_at=everywhere(batch))


@pytest.mark.parametrize("layers", [1, 2, 3])
def test_decoders_too_shallow_to_skip_much(layers):
    made = model(layers=layers, n_voco=4)
    batch = rows(MIXED, made.config.n_vision, MIXED_PADS)
    assert_same(made, batch, logits_at=everywhere(batch))
    assert_same(made, batch, logits_at=batch.kinds == Kind.TEXT)


@pytest.mark.parametrize("n_voco", [1, 2, 16, 128])
def test_any_number_of_voco_tokens(n_voco):
    made = model(n_voco=n_voco)
    batch = rows(
        [[("p", 1), ("i", 0, n_voco), ("t", 3)], [("t", 2), ("i", 1, n_voco), ("t", 3)]], made.config.n_vision
    )
    assert_same(made, batch, logits_at=batch.kinds == Kind.TEXT)


@pytest.mark.parametrize("options", [
    {"reading": "causal"},
    {"voco_embedding": "shared"},
    {"projector": "linear"},
    {"vision_feature_select_strategy": "full"},
    {"vision_suffix_ids": [10, 11]},
    {"compressor": "none", "n_voco": 0, "reading": "causal"},
    {"compressor": "avgpool", "n_voco": 1},
    {"compressor": "qformer", "n_voco": 4},
], ids=str)  # fmt: skip
def test_every_option_and_baseline(options):
    made = model(**({"n_voco": 4} | options))
    n_voco = made.config.n_voco
    specs = [
        [("p", 1), ("t", 2), ("i", 0, n_voco), ("t", 3), ("i", 1, n_voco), ("t", 2)],
        [("p", 1), ("t", 4)],
    ]
    batch = rows(specs, made.config.n_vision)
    assert_same(made, batch, logits_at=batch.kinds == Kind.TEXT)


def test_a_video_of_many_frames():
    made = model(n_voco=2)
    batch = rows(
        [[("p", 1), *[("i", k, 2) for k in range(24)], ("t", 4)], [("p", 1), ("t", 3)]], made.config.n_vision
    )
    assert_same(made, batch, logits_at=batch.kinds == Kind.TEXT)


def labelled(batch, share=0.4, seed=0):
    """Labels on some text tokens that something stands before."""
    first = (batch.kinds != Kind.PAD).long().cumsum(1) == 1
    chosen = torch.rand(batch.kinds.shape, generator=torch.Generator().manual_seed(seed)) < share
    return batch.input_ids.masked_fill(~((batch.kinds == Kind.TEXT) & chosen & ~first), -100)


@pytest.mark.parametrize("decoder", DECODERS)
def test_the_training_forward(decoder):
    made = model(decoder, n_voco=4)
    batch = rows(MIXED, made.config.n_vision, MIXED_PADS)
    assert_same(made, batch, labels=labelled(batch))


def test_a_label_right_after_an_image_is_predicted_from_its_last_token():
    made = model(n_voco=4)
    batch = rows([[("p", 1), ("i", 0, 4), ("t", 3)], [("p", 1), ("i", 0, 4), ("t", 2)]], made.config.n_vision)
    labels = torch.full_like(batch.input_ids, -100)
    first_text = 1 + made.config.n_vision + 4
    labels[:, first_text] = 7
    assert_same(made, batch, labels=labels)


def test_logits_come_at_labels_only_and_in_order():
    made = model(n_voco=4)
    batch = rows(MIXED, made.config.n_vision, MIXED_PADS)
    labels = labelled(batch)
    with torch.no_grad():
        out = made(*batch, pixel_values=batch.pixel_values.double(), labels=labels)
    n_labels = int((labels != -100).sum())
    assert out.logits.shape == (n_labels, made.config.text_config.vocab_size)
    by_hand = torch.nn.functional.cross_entropy(out.logits, labels[labels != -100])
    torch.testing.assert_close(out.loss, by_hand)


def test_gradient_checkpointing_changes_nothing():
    made = model(n_voco=4)
    batch = rows(MIXED, made.config.n_vision, MIXED_PADS)
    labels = labelled(batch)
    logits, gradients = results(made, batch, "two_phase", labels=labels)
    made.train()
    made.activation_checkpointing_enable()
    again_logits, again = results(made, batch, "two_phase", labels=labels)
    assert made.decoder.checkpointing
    torch.testing.assert_close(again_logits, logits, rtol=0, atol=0)
    for name, expected in gradients.items():
        torch.testing.assert_close(again[name], expected, rtol=1e-12, atol=1e-12)


def shapes_run(made, batch, **reading):
    """(rows, length) of everything that goes through the decoder's first layer."""
    seen = []
    layer = made.language_model.get_decoder().layers[0]
    hook = layer.register_forward_pre_hook(lambda _, arguments: seen.append(tuple(arguments[0].shape[:2])))
    with torch.no_grad():
        made(*batch, pixel_values=batch.pixel_values.double(), logits_at=batch.kinds == Kind.TEXT, **reading)
    hook.remove()
    return seen


@pytest.mark.parametrize("reading", ["rule", "causal"])
def test_questions_on_one_image_share_it(reading):
    made = model(n_voco=4)
    n_vision = made.config.n_vision
    shared = rows([[("p", 1), ("i", 0, 4), ("t", k)] for k in (2, 5, 3, 4)], n_vision)
    shared.input_ids[:, 0] = 256
    assert_same(made, shared, logits_at=shared.kinds == Kind.TEXT, reading=reading)
    once, then = shapes_run(made, shared, reading=reading)
    assert once == (1, 1 + n_vision + 4), "one phase 1 for the four questions"
    assert then == (4, 6)


def test_read_causally_an_image_behind_text_is_not_shared():
    made = model(n_voco=4)
    behind = rows([[("p", 1), ("t", 1), ("i", 0, 4), ("t", k)] for k in (2, 3)], made.config.n_vision)
    assert_same(made, behind, logits_at=everywhere(behind), reading="causal")
    assert len(shapes_run(made, behind, reading="causal")) == 1


@st.composite
def batches(draw):
    specs, pads = [], []
    for _ in range(draw(st.integers(1, 3))):
        spec = [("p", draw(st.integers(0, 2)))]
        for image in draw(st.lists(st.integers(0, 3), max_size=3, unique=True)):
            spec += [("t", draw(st.integers(0, 3))), ("i", image, draw(st.integers(1, 5)))]
        specs.append([*spec, ("t", draw(st.integers(1, 4)))])
        pads.append((draw(st.integers(0, 3)), draw(st.integers(0, 3))))
    return specs, pads


MODELS: dict = {}


@settings(max_examples=40, deadline=None)
@given(
    batches(),
    st.sampled_from(["voco", "qformer"]),
    st.sampled_from(["layout", "compact"]),
    st.booleans(),
    st.sampled_from(["rule", "causal"]),
)
def test_any_batch(batch, compressor, positions, prefix_visible, reading):
    made = MODELS.get(compressor) or MODELS.setdefault(compressor, model(n_voco=5, compressor=compressor))
    made.config.positions, made.config.prefix_visible = positions, prefix_visible
    specs, pads = batch
    drawn = rows(specs, made.config.n_vision, pads)
    assert_same(made, drawn, logits_at=everywhere(drawn), reading=reading)


@pytest.mark.parametrize("n_voco", [1, 2, 3])
def test_fewer_tokens_at_call_time_equal_a_batch_made_with_fewer(n_voco):
    made = model(n_voco=4)
    long = rows([[("p", 1), ("i", 0, 4), ("t", 3)]], made.config.n_vision)
    short = rows([[("p", 1), ("i", 0, n_voco), ("t", 3)]], made.config.n_vision)
    short.input_ids[:, -3:], short.pixel_values = long.input_ids[:, -3:], long.pixel_values
    short.input_ids[:, :1] = long.input_ids[:, :1]
    with torch.no_grad():
        fewer, made_so = (
            made(*b, pixel_values=long.pixel_values.double(), logits_at=b.kinds == Kind.TEXT, n_voco=n).logits
            for b, n in ((long, n_voco), (short, None))
        )
    torch.testing.assert_close(fewer, made_so, rtol=1e-12, atol=1e-12)


def test_rows_whose_lengths_coincide_with_what_is_kept():
    """A row of VoCo tokens alone beside one with a prefix: as many positions as there are tokens to keep."""
    made = model(n_voco=2, compressor="qformer")
    batch = rows([[("i", 0, 2), ("t", 3)], [("p", 1), ("i", 1, 1), ("t", 3)]], made.config.n_vision)
    assert_same(made, batch, logits_at=batch.kinds == Kind.TEXT)


@pytest.mark.parametrize("compressor", ["voco", "qformer"])
def test_an_image_s_first_tokens_do_not_depend_on_how_many_others_read(compressor):
    made = model(n_voco=4, compressor=compressor)
    n_vision = made.config.n_vision
    alone = rows([[("p", 1), ("i", 0, 2), ("t", 3)]], n_vision)
    beside = rows([[("p", 1), ("i", 0, 2), ("t", 3)], [("p", 1), ("i", 1, 4), ("t", 3)]], n_vision)
    beside.pixel_values[:1] = alone.pixel_values
    with torch.no_grad():
        one, two = (
            made(*b, pixel_values=b.pixel_values.double(), logits_at=b.kinds == Kind.TEXT).logits[:3]
            for b in (alone, beside)
        )
    torch.testing.assert_close(two, one, rtol=1e-12, atol=1e-12)


def test_a_batch_without_labels_teaches_nothing_and_breaks_nothing():
    made = model(n_voco=4)
    batch = rows(MIXED, made.config.n_vision, MIXED_PADS)
    nothing = torch.full_like(batch.input_ids, -100)
    out = made(*batch, pixel_values=batch.pixel_values.double(), labels=nothing)
    assert float(out.loss) == 0
    out.loss.backward()
    assert all(p.grad is not None and not p.grad.any() for p in made.parameters() if p.requires_grad)


def test_the_library_s_trainer_trains_it(tmp_path):
    """Accumulated steps weigh every label alike: the trainer hands the number of labels to the forward."""
    from transformers import Trainer, TrainingArguments

    made = model(n_voco=4, dtype=torch.float32).train()
    batch = rows(MIXED, made.config.n_vision, MIXED_PADS)
    labels = labelled(batch)
    items = [{"row": k} for k in range(4)]
    seen = []

    def collate(chosen):
        index = [item["row"] for item in chosen]
        return {
            "input_ids": batch.input_ids[index], "kinds": batch.kinds[index], "images": batch.images[index],
            "pixel_values": batch.pixel_values, "labels": labels[index],
        }  # fmt: skip

    forward = made.forward

    def watched(*args, num_items_in_batch=None, **options):
        seen.append(num_items_in_batch)
        return forward(*args, num_items_in_batch=num_items_in_batch, **options)

    made.forward = watched
    arguments = TrainingArguments(
        str(tmp_path), per_device_train_batch_size=2, gradient_accumulation_steps=2, num_train_epochs=1,
        report_to=[], save_strategy="no", logging_strategy="no", remove_unused_columns=False, use_cpu=True,
        disable_tqdm=True,
    )  # fmt: skip
    Trainer(made, arguments, train_dataset=items, data_collator=collate).train()
    assert [int(n) for n in seen] == [int((labels != -100).sum())] * 2


def test_flex_attention_gives_the_same():
    made = model(n_voco=4)
    batch = rows(MIXED, made.config.n_vision, MIXED_PADS)
    with torch.no_grad():
        plain, flex = (
            made(*batch, pixel_values=batch.pixel_values.double(), logits_at=everywhere(batch), mode=mode).logits
            for mode in ("one_pass", "one_pass_flex")
        )
    torch.testing.assert_close(flex, plain, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("implementation", ["eager", "sdpa"])
def test_the_library_s_own_attention_gives_the_same(implementation):
    made = model(n_voco=4, prefix_visible=False)
    batch = rows(MIXED, made.config.n_vision, MIXED_PADS)
    with torch.no_grad():
        ours = made(*batch, pixel_values=batch.pixel_values.double(), logits_at=everywhere(batch)).logits
        made.language_model.set_attn_implementation(implementation)
        theirs = made(
            *batch, pixel_values=batch.pixel_values.double(), logits_at=everywhere(batch), mode="one_pass"
        ).logits
    torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-5)
