"""What is generated from the cache equals, token by token, the one masked pass re-run in full for every token."""

import pytest
import torch
from transformers import TextStreamer
from transformers.generation import StoppingCriteria

from tests.voco_model.worlds import DECODERS, MIXED, model, rows
from voco_model.errors import VocoError
from voco_model.processing.batching import collate
from voco_model.processing.sequence import Sequence
from voco_model.segments import NO_IMAGE, Kind


def left_padded(batch):
    """The same rows, padded on the left, as a prompt is."""
    sequences = []
    for row in range(len(batch.kinds)):
        real = batch.kinds[row] != Kind.PAD
        ids, kinds, images = (x[row][real].tolist() for x in batch)
        sequences.append(Sequence(ids, kinds, images, ids))
    packed = collate(sequences, 258, "left", labels=False)
    return packed["input_ids"], packed["kinds"], packed["images"]


def rerun_in_full(made, prompt, pixels, n_tokens, **options):
    """Greedy decoding the slow way: the whole masked pass over everything, for every new token."""
    ids, kinds, images = prompt
    for _ in range(n_tokens):
        with torch.no_grad():
            logits = made(ids, kinds, images, pixel_values=pixels, mode="one_pass", **options).logits[:, -1]
        logits[:, made.config.voco_token_id] = -torch.inf
        ids = torch.cat([ids, logits.argmax(-1, keepdim=True)], 1)
        kinds = torch.cat([kinds, torch.full_like(kinds[:, :1], Kind.TEXT)], 1)
        images = torch.cat([images, torch.full_like(images[:, :1], NO_IMAGE)], 1)
    return ids[:, -n_tokens:]


def generated(made, prompt, n_tokens, **options):
    ids, kinds, images = prompt
    made.generation_config.eos_token_id = None
    out = made.generate(
        ids, kinds=kinds, images=images, attention_mask=(kinds != Kind.PAD).long(),
        max_new_tokens=n_tokens, do_sample=False, pad_token_id=258, **options,
    )  # fmt: skip
    return out[:, ids.shape[1] :]


@pytest.mark.parametrize("decoder", DECODERS)
@pytest.mark.parametrize("positions", ["layout", "compact"])
@pytest.mark.parametrize("prefix_visible", [True, False])
def test_a_batch_of_images_and_questions(decoder, positions, prefix_visible):
    made = model(decoder, n_voco=4, positions=positions, prefix_visible=prefix_visible)
    batch = rows(MIXED, made.config.n_vision)
    prompt, pixels = left_padded(batch), batch.pixel_values.double()
    expected = rerun_in_full(made, prompt, pixels, 8)
    assert len(expected.unique()) > 8, "different answers"
    assert torch.equal(generated(made, prompt, 8, pixel_values=pixels), expected)


@pytest.mark.parametrize("options", [
    {"positions": "layout"},
    {"positions": "compact"},
    {"prefix_visible": False},
    {"compressor": "avgpool", "n_voco": 1},
    {"compressor": "qformer"},
], ids=str)  # fmt: skip
def test_from_caches_of_each_image(options):
    made = model(**({"n_voco": 4} | options))
    n = made.config.n_voco
    specs = [[("p", 1), ("i", k, n), ("t", text)] for k, text in ((0, 3), (1, 6), (0, 4))]
    batch = rows(specs, made.config.n_vision)
    batch.input_ids[:, 0] = 256
    prompt, pixels = left_padded(batch), batch.pixel_values.double()
    caches = [made.compress(pixels[k : k + 1]) for k in range(2)]
    expected = rerun_in_full(made, prompt, pixels, 10)
    assert torch.equal(generated(made, prompt, 10, voco_caches=caches), expected)


@pytest.mark.parametrize("positions", ["layout", "compact"])
def test_from_the_cache_of_a_video(positions):
    made = model(n_voco=2, positions=positions)
    batch = rows([[("p", 1), *[("i", k, 2) for k in range(9)], ("t", 5)]], made.config.n_vision)
    batch.input_ids[:, 0] = 256
    pixels = batch.pixel_values.double()
    cache = made.compress(pixels, chunk=4)
    expected = rerun_in_full(made, list(batch), pixels, 8)
    assert torch.equal(generated(made, list(batch), 8, voco_caches=cache.split()), expected)


@pytest.mark.parametrize("options", [
    {"compressor": "avgpool", "n_voco": 1},
    {"compressor": "qformer", "n_voco": 4},
    {"compressor": "none", "n_voco": 0, "reading": "causal"},
    {"reading": "causal", "n_voco": 4},
], ids=str)  # fmt: skip
def test_baselines_and_bounds(options):
    made = model(**options)
    n_voco = made.config.n_voco
    specs = [
        [("p", 1), ("t", 2), ("i", 0, n_voco), ("t", 3)],
        [("p", 1), ("i", 1, n_voco), ("t", 2)],
        [("p", 1), ("t", 3)],
    ]
    batch = rows(specs, made.config.n_vision)
    prompt, pixels = left_padded(batch), batch.pixel_values.double()
    assert torch.equal(generated(made, prompt, 6, pixel_values=pixels), rerun_in_full(made, prompt, pixels, 6))


@pytest.mark.parametrize("n_voco", [1, 3])
def test_an_elastic_model_with_fewer_tokens(n_voco):
    made = model(n_voco=4)
    batch = rows(
        [[("p", 1), ("i", 0, 4), ("t", 3)], [("p", 1), ("t", 2), ("i", 1, 4), ("t", 1)]], made.config.n_vision
    )
    prompt, pixels = left_padded(batch), batch.pixel_values.double()
    expected = rerun_in_full(made, prompt, pixels, 6, n_voco=n_voco)
    assert torch.equal(generated(made, prompt, 6, pixel_values=pixels, n_voco=n_voco), expected)


def test_beams_find_what_the_slow_way_scores_best():
    made = model(n_voco=4)
    batch = rows([[("p", 1), ("i", 0, 4), ("t", 3)], [("p", 1), ("i", 1, 4), ("t", 3)]], made.config.n_vision)
    pixels = batch.pixel_values.double()
    out = generated(made, list(batch), 4, pixel_values=pixels, num_beams=3, num_return_sequences=3)
    assert out.shape == (6, 4)
    scores = [full_score(made, batch, pixels, k // 3, out[k]) for k in range(6)]
    greedy = [
        full_score(made, batch, pixels, row, rerun_in_full(made, list(batch), pixels, 4)[row]) for row in (0, 1)
    ]
    for row in (0, 1):
        beams = scores[3 * row : 3 * row + 3]
        assert beams == sorted(beams, reverse=True)
        assert beams[0] >= greedy[row] - 1e-9


def full_score(made, batch, pixels, row, answer):
    """Log-probability of an answer by the one masked pass."""
    ids, kinds, images = (x[row : row + 1] for x in batch)
    n = len(answer)
    ids = torch.cat([ids, answer[None]], 1)
    kinds = torch.cat([kinds, torch.full((1, n), int(Kind.TEXT))], 1)
    images = torch.cat([images, torch.full((1, n), NO_IMAGE)], 1)
    labels = torch.full_like(ids, -100)
    labels[:, -n:] = answer
    with torch.no_grad():
        logits = made(ids, kinds, images, pixel_values=pixels, labels=labels, mode="one_pass").logits
    logits[:, made.config.voco_token_id] = -torch.inf
    return float(logits.float().log_softmax(-1).gather(1, answer[:, None]).sum())


def test_sampling_follows_its_seed():
    made = model(n_voco=4)
    batch = rows([[("p", 1), ("i", 0, 4), ("t", 3)]], made.config.n_vision)
    options = {
        "pixel_values": batch.pixel_values.double(),
        "max_new_tokens": 12,
        "do_sample": True,
        "pad_token_id": 258,
    }
    outs = []
    for seed in (0, 0, 1):
        torch.manual_seed(seed)
        outs.append(made.generate(batch.input_ids, kinds=batch.kinds, images=batch.images, **options).tolist())
    assert outs[0] == outs[1] != outs[2]


def test_an_end_token_stops_its_row_and_not_the_others():
    made = model(n_voco=4)
    batch = rows([[("p", 1), ("i", 0, 4), ("t", 3)], [("p", 1), ("i", 1, 4), ("t", 5)]], made.config.n_vision)
    prompt, pixels = left_padded(batch), batch.pixel_values.double()
    free = rerun_in_full(made, prompt, pixels, 8)
    end = int(free[0, 2])
    out = generated(made, prompt, 8, pixel_values=pixels, eos_token_id=end)
    for row in (0, 1):
        stop = free[row].tolist().index(end) + 1 if end in free[row] else 8
        assert out[row, :stop].tolist() == free[row, :stop].tolist()
        assert set(out[row, stop:].tolist()) <= {258}


def test_custom_stopping_and_streaming_are_the_library_s():
    made = model(n_voco=4)
    batch = rows([[("p", 1), ("i", 0, 4), ("t", 3)]], made.config.n_vision)

    class Second(StoppingCriteria):
        def __call__(self, ids, scores, **_):
            return torch.full((ids.shape[0],), ids.shape[1] >= batch.input_ids.shape[1] + 2)

    class Collect(TextStreamer):
        def __init__(self):
            self.tokens = []

        def put(self, value):
            self.tokens.append(value)

        def end(self):
            self.ended = True

    streamer = Collect()
    out = generated(
        made,
        list(batch),
        8,
        pixel_values=batch.pixel_values.double(),
        stopping_criteria=[Second()],
        streamer=streamer,
    )
    assert out.shape == (1, 2)
    assert torch.equal(torch.cat([t.view(-1) for t in streamer.tokens[1:]]), out[0])
    assert streamer.ended


def test_the_voco_token_is_never_spoken():
    made = model(n_voco=4)
    with torch.no_grad():
        made.language_model.lm_head.weight[made.config.voco_token_id] *= 1000
    batch = rows([[("p", 1), ("t", 3)]], made.config.n_vision)
    assert made.config.voco_token_id not in generated(made, list(batch), 12)


def test_a_prefix_is_computed_once_for_the_same_weights():
    made = model(n_voco=4)
    batch = rows([[("p", 2), ("i", 0, 4), ("t", 3)], [("p", 1), ("t", 2)]], made.config.n_vision)
    prompt, pixels = left_padded(batch), batch.pixel_values.double()
    caches = [made.compress(pixels, prefix_ids=batch.input_ids[0, :2].tolist())]
    expected = rerun_in_full(made, prompt, pixels, 6)
    for _ in range(2):
        assert torch.equal(generated(made, prompt, 6, voco_caches=caches), expected)
    before = made.prefix_keys((5,))
    assert made.prefix_keys((5,)) is before
    with torch.no_grad():
        made.get_input_embeddings().weight[5] += 1
    assert not torch.equal(made.prefix_keys((5,))[0][0], before[0][0])


def test_rows_may_read_different_numbers_of_one_cached_image_s_tokens():
    made = model(n_voco=4)
    batch = rows([[("p", 1), ("i", 0, 2), ("t", 3)], [("p", 1), ("i", 0, 4), ("t", 3)]], made.config.n_vision)
    batch.input_ids[:, 0] = 256
    prompt, pixels = left_padded(batch), batch.pixel_values.double()
    caches = [made.compress(pixels)]
    expected = rerun_in_full(made, prompt, pixels, 6)
    assert torch.equal(generated(made, prompt, 6, voco_caches=caches), expected)


def test_what_cannot_be_continued_is_said():
    made = model(n_voco=4)
    batch = rows([[("p", 1), ("i", 0, 4)]], made.config.n_vision)
    batch.input_ids[:, 0] = 256
    pixels = batch.pixel_values.double()
    with pytest.raises(VocoError, match="a cached image ends a row"):
        made(*batch, voco_caches=[made.compress(pixels)])
    with pytest.raises(VocoError, match="keeps no cache to go on from"):
        generated(made, list(batch), 3, pixel_values=pixels, mode="one_pass")
    with pytest.raises(VocoError, match="mode 'x' is unknown"):
        made(*batch, pixel_values=pixels, mode="x")
    with pytest.raises(VocoError, match="neither pixel_values nor voco_caches"):
        made(*batch)
    with pytest.raises(VocoError, match="shows image 0, but 0 caches"):
        made(*batch, voco_caches=[])
    with pytest.raises(VocoError, match="make the batch with the processor"):
        made(batch.input_ids)
    with pytest.raises(VocoError, match="takes 16 vision places"):
        made(*rows([[("i", 0, 4), ("t", 1)]], 9), pixel_values=pixels)
    with pytest.raises(VocoError, match="2 images, but 1 digests"):
        made.compress(pixels.repeat(2, 1, 1, 1), image_digests=["one"])


def test_caches_that_do_not_fit_a_row_are_refused():
    made = model(n_voco=4)
    batch = rows([[("p", 1), ("i", 0, 4), ("t", 2)]], made.config.n_vision)
    batch.input_ids[:, 0] = 256
    pixels = batch.pixel_values.double()
    with pytest.raises(VocoError, match=r"compressed behind \[\]"):
        made(*batch, voco_caches=[made.compress(pixels, prefix_ids=[])])
    with pytest.raises(VocoError, match="holds 2 images; give one for each"):
        made(*batch, voco_caches=[made.compress(pixels.repeat(2, 1, 1, 1))])
    with pytest.raises(VocoError, match="reads pictures, not caches"):
        made(*batch, voco_caches=[made.compress(pixels)], mode="one_pass")


def test_an_attention_that_would_misread_the_masks_is_refused():
    made = model(n_voco=4)
    batch = rows([[("p", 1), ("i", 0, 4), ("t", 2)]], made.config.n_vision)
    made.language_model.set_attn_implementation("eager")
    with pytest.raises(VocoError, match="'eager' would misread"):
        made(*batch, pixel_values=batch.pixel_values.double())


def test_an_image_alone_can_be_continued():
    made = model(n_voco=4)
    batch = rows([[("i", 0, 4)]], made.config.n_vision)
    pixels = batch.pixel_values.double()
    expected = rerun_in_full(made, list(batch), pixels, 4)
    assert torch.equal(generated(made, list(batch), 4, pixel_values=pixels), expected)


def test_an_answer_past_the_window_is_an_error_and_not_noise():
    made = model(n_voco=4)
    made.config.text_config.max_position_embeddings = 12
    batch = rows([[("p", 1), ("i", 0, 4), ("t", 3)]], made.config.n_vision)
    with pytest.raises(VocoError, match="end of the model's window of 12"):
        generated(made, list(batch), 8, pixel_values=batch.pixel_values.double())


def test_four_thousand_frames_fit_a_16k_window():
    made = model(dtype=torch.float32, layers=2, n_voco=2, positions="compact")
    assert made.config.window == 16384
    frame = torch.randn(64, 3, 32, 32)
    cache = made.compress(frame.repeat(64, 1, 1, 1), image_digests=[str(k) for k in range(4096)], chunk=512)
    assert cache.n_tokens == 8192
    assert int(cache.positions[-1]) == 8192
    row = rows([[("p", 1), *[("i", k, 2) for k in range(4096)], ("t", 4)]], n_vision=0)
    row.input_ids[:, 0] = 256
    out = made.generate(
        row.input_ids,
        kinds=row.kinds,
        images=row.images,
        voco_caches=cache.split(),
        max_new_tokens=2,
        pad_token_id=258,
    )
    assert out.shape[1] - row.input_ids.shape[1] <= 2
    with pytest.raises(VocoError, match="past the model's window"):
        made.compress(frame.repeat(130, 1, 1, 1), image_digests=[str(k) for k in range(8320)], chunk=8320)
