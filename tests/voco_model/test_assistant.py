"""Pictures and questions in, caches and answers out: the way a person uses the library."""

import av
import numpy as np
import pytest
import torch
from PIL import Image

from tests.voco_model.worlds import model
from voco_model.assistant import Assistant
from voco_model.cache import VocoCache
from voco_model.errors import VocoError
from voco_model.processing.processor import VocoProcessor
from voco_model.processing.tokenizer import byte_tokenizer
from voco_model.store import VocoCacheStore

RED, BLUE = Image.new("RGB", (50, 30), (200, 10, 10)), Image.new("RGB", (40, 80), (20, 10, 210))
TEMPLATES = ["short", "voco", "vicuna_v1", "chatml"]


def assistant(template="short", store=None, tokenizer=None, **options) -> Assistant:
    made = model(n_voco=4, **options)
    processor = VocoProcessor.for_model(made.config, tokenizer or byte_tokenizer(), template=template)
    return Assistant(made, processor, store)


def directly(made: Assistant, images: list, question: str) -> str:
    """The answer with the pictures read anew, no cache involved."""
    batch = made.processor(["<image>" * len(images) + f"\n{question}"], [images])
    out = made.model.generate(**batch, max_new_tokens=12, do_sample=False)
    return made._text(out[0, batch["input_ids"].shape[1] :])


@pytest.mark.parametrize("template", TEMPLATES)
@pytest.mark.parametrize("positions", ["layout", "compact"])
def test_an_answer_from_the_cache_is_the_answer_to_the_picture(template, positions):
    made = assistant(template, positions=positions)
    cache = made.compress(RED)
    for question in ("what?", "and\nwhy is that so?"):
        assert made.answer(cache, question, max_new_tokens=12) == directly(made, [RED], question)


def test_a_tokenizer_without_a_beginning_token_gives_no_prefix():
    tokenizer = byte_tokenizer()
    tokenizer.bos_token = None
    made = assistant("chatml", tokenizer=tokenizer)
    assert made.model.config.text_config.bos_token_id == 256, "the model's own idea of it does not count"
    assert made.answer(made.compress(RED), "what?", max_new_tokens=12) == directly(made, [RED], "what?")


@pytest.mark.parametrize("positions", ["layout", "compact"])
def test_several_pictures_in_one_cache(positions):
    made = assistant(positions=positions)
    cache = made.compress([RED, BLUE])
    assert cache.blocks[0] != cache.blocks[1]
    assert made.answer(cache, "which?", max_new_tokens=12) == directly(made, [RED, BLUE], "which?")


def test_batches_over_images_and_questions():
    made = assistant()
    red, blue = made.compress(RED), made.compress(BLUE)
    single = [made.answer(red, "short?"), made.answer(blue, "a longer question?")]
    assert made.answer([red, blue], ["short?", "a longer question?"]) == single
    assert made.answer(red, ["short?", "a longer question?"])[0] == single[0]
    assert made.answer([red, blue], "short?")[0] == single[0]
    with pytest.raises(VocoError, match="2 caches for 3 questions"):
        made.answer([red, blue], ["a", "b", "c"])


def test_a_conversation_goes_on():
    made = assistant()
    turns = [
        {"role": "user", "content": "what?"},
        {"role": "assistant", "content": "red"},
        {"role": "user", "content": "sure?"},
    ]
    assert isinstance(made.answer(made.compress(RED), turns, max_new_tokens=4), str)


def test_streaming_gives_the_answer_in_pieces_and_passes_errors_on():
    made = assistant()
    cache = made.compress(RED)
    assert "".join(made.stream(cache, "what?", max_new_tokens=12)).strip() == made.answer(
        cache, "what?", max_new_tokens=12
    )
    with pytest.raises(VocoError, match="an answer cannot hold"):
        list(
            made.stream(
                cache, [{"role": "user", "content": "<image>"}, {"role": "assistant", "content": "<image>"}]
            )
        )


def test_stopping_at_a_string():
    made = assistant()
    cache = made.compress(RED)
    whole = made.answer(cache, "what?", max_new_tokens=12)
    stop = next(letter for letter in whole if letter.isascii())
    assert made.answer(cache, "what?", max_new_tokens=12, stop_strings=[stop]) == whole[: whole.index(stop) + 1]


def test_a_saved_assistant_answers_the_same(tmp_path):
    made = assistant()
    made.save_pretrained(tmp_path)
    again = Assistant.from_pretrained(tmp_path)
    assert not list(tmp_path.glob("*.bin"))
    assert again.model.dtype == torch.float64
    cache = VocoCache.load(made.compress(RED).save(tmp_path / "red.cache"))
    assert again.answer(cache, "what?") == made.answer(cache, "what?")


def test_a_cache_of_another_model_is_refused():
    made, other = assistant(), assistant(voco_embedding="shared")
    with pytest.raises(VocoError, match=r"the cache was made by model [0-9a-f]{12}.*compress the image again"):
        other.answer(made.compress(RED), "what?")


def test_more_tokens_than_the_cache_has_are_not_made_up():
    made = assistant()
    fewer = made.compress(RED, n_voco=2)
    assert fewer.n_tokens == 2
    assert isinstance(made.answer(fewer, "what?", max_new_tokens=3), str)
    batch = made.processor(["<image>\nq"], [[made.compress(RED)]])
    with pytest.raises(VocoError, match="its cache has 2"):
        made.model(**(batch | {"voco_caches": [fewer]}))
    for n_voco in (0, 5, -1):
        with pytest.raises(VocoError, match=f"n_voco is {n_voco}"):
            made.compress(RED, n_voco=n_voco)


def test_the_store_answers_without_encoding_again(monkeypatch):
    made = assistant(store=VocoCacheStore())
    first = made.compress([RED, BLUE])
    monkeypatch.setattr(made.model, "embed_images", None)  # any encoding would fail now
    again = made.compress([RED, BLUE])
    assert torch.equal(first.tensors()[0], again.tensors()[0])
    assert made.store.stats().hits_memory == 2


def test_a_changed_model_is_not_served_old_entries():
    made = assistant(store=VocoCacheStore())
    before = made.compress(RED)
    with torch.no_grad():
        made.model.projector[0].weight.mul_(2)
    after = made.compress(RED)
    assert after.model != before.model
    assert not torch.equal(after.tensors()[1], before.tensors()[1])


@pytest.fixture
def video(tmp_path):
    """Twelve frames of slowly changing grey, four per second."""
    path = tmp_path / "grey.mp4"
    with av.open(str(path), "w") as out:
        stream = out.add_stream("mpeg4", rate=4)
        stream.width = stream.height = 64
        for k in range(12):
            frame = av.VideoFrame.from_ndarray(np.full((64, 64, 3), 20 * k, dtype=np.uint8), format="rgb24")
            out.mux(stream.encode(frame))
        out.mux(stream.encode())
    return path


def test_a_video_is_its_frames_in_time_order(video):
    made = assistant()
    cache = made.compress_video(video, fps=2, n_voco=2, chunk=4)
    assert [n for _, n in cache.blocks] == [2] * 6
    assert cache.positions.tolist() == list(range(1, 13))
    from voco_model.video import sample_frames

    frames = [frame.image for frame in sample_frames(video, fps=2)]
    together = made.compress(frames, n_voco=2)
    assert cache.blocks == together.blocks
    torch.testing.assert_close(cache.tensors(), together.tensors(), rtol=1e-10, atol=1e-10)
    assert isinstance(made.answer(cache, "what changes?", max_new_tokens=3), str)


def test_only_a_chunk_of_frames_is_in_memory_at_once():
    made, most = assistant(), 0
    original = made.model.embed_images

    def counting(pixels, *args):
        nonlocal most
        most = max(most, len(pixels))
        return original(pixels, *args)

    made.model.embed_images = counting
    made.compress_frames((RED for _ in range(10)), chunk=3)
    assert most == 3


def test_what_shapes_an_entry_is_in_its_key():
    """Another beginning token, or other normalisation, is another entry of the same store."""
    store = VocoCacheStore()
    made = assistant(store=store)
    first = made.compress(RED)
    tokenizer = byte_tokenizer()
    tokenizer.bos_token = "</s>"
    other = Assistant(made.model, VocoProcessor.for_model(made.model.config, tokenizer, template="short"), store)
    assert other.compress(RED).prefix == (257,)
    plain = Assistant(
        made.model, VocoProcessor.for_model(made.model.config, byte_tokenizer(), template="short"), store
    )
    plain.processor.image_processor.do_normalize = False
    assert not torch.equal(plain.compress(RED).tensors()[1], first.tensors()[1])
    assert store.stats().hits_memory == 0


def test_a_processor_of_another_model_is_refused():
    made = assistant()
    with pytest.raises(VocoError, match="the processor has positions layout, the model compact"):
        Assistant(
            made.model, VocoProcessor.for_model(model(n_voco=4, positions="layout").config, byte_tokenizer())
        )


@pytest.mark.parametrize("damage", ["missing", "unexpected", "mismatched", "cut"])
def test_weights_that_are_not_whole_are_refused(tmp_path, damage):
    from safetensors.torch import load_file, save_file

    assistant().save_pretrained(tmp_path)
    path = tmp_path / "model.safetensors"
    weights = load_file(path)
    name = "compressor.embedding.weight"
    if damage == "missing":
        del weights[name]
    elif damage == "unexpected":
        weights["stranger"] = torch.ones(1)
    elif damage == "mismatched":
        weights[name] = weights[name][:1].clone()
    save_file(weights, path, metadata={"format": "pt"})
    if damage == "cut":
        path.write_bytes(path.read_bytes()[:5000])
    with pytest.raises(VocoError, match=r"save (it|the model) again"):
        Assistant.from_pretrained(tmp_path)


def test_a_pickle_is_never_loaded(tmp_path):
    made = assistant()
    made.save_pretrained(tmp_path)
    (tmp_path / "model.safetensors").unlink()
    torch.save(made.model.state_dict(), tmp_path / "pytorch_model.bin")
    with pytest.raises(OSError, match="safetensors"):
        type(made.model).from_pretrained(tmp_path)


def test_nothing_to_compress_is_said(tmp_path):
    made = assistant()
    with pytest.raises(VocoError, match="no image to compress"):
        made.compress([])
    with pytest.raises(VocoError, match="no frames"):
        made.compress_frames([])
    with pytest.raises(VocoError, match=r"config\.json is missing"):
        Assistant.from_pretrained(tmp_path)
