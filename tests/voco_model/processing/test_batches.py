"""Conversations and pictures to batches: templates, labels, blocks, padding."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.voco_model.processing.conversations import BLUE, RED, TOKENIZER, chat, layout, learned, processor, said
from tests.voco_model.worlds import model
from voco_model.config import preset
from voco_model.errors import VocoError
from voco_model.processing.processor import VocoProcessor
from voco_model.processing.sequence import IGNORE, Sequence, _write_text
from voco_model.processing.templates import Text
from voco_model.processing.tokenizer import SPECIAL
from voco_model.segments import Kind, find_blocks


def test_images_lead_and_newlines_survive():
    batch = processor("voco")([chat("<image>\nWhich?\nA. one\nB. two\n\nC. three", "A")], [[RED]], labels=True)
    assert layout(batch).startswith("P1 v16 V4 t")
    assert "USER: Which?\nA. one\nB. two\n\nC. three ASSISTANT: A</s>" in said(batch)
    assert learned(batch) == "A</s>"


@pytest.mark.parametrize(
    ("template", "expected", "labels"),
    [
        ("short", "\nUSER: q1 ASSISTANT: a1</s>USER: q2 ASSISTANT: a2</s>", "a1</s>a2</s>"),
        ("vicuna_v1", "USER: \nq1 ASSISTANT: a1</s>USER: q2 ASSISTANT: a2</s>", "a1</s>a2</s>"),
        ("plain", "a1\na2\n", "a1\na2\n"),
        (
            "chatml",
            "<|im_start|>user\n\nq1<|im_end|>\n<|im_start|>assistant\na1<|im_end|>\n"
            "<|im_start|>user\nq2<|im_end|>\n<|im_start|>assistant\na2<|im_end|>\n",
            "a1<|im_end|>a2<|im_end|>",
        ),
    ],
)
def test_templates_write_and_label_the_assistant_alone(template, expected, labels):
    batch = processor(template)([chat("<image>\nq1", "a1", "q2", "a2")], [[RED]], labels=True)
    assert said(batch).endswith(expected)
    assert learned(batch) == labels


@pytest.mark.parametrize("template", ["short", "voco", "vicuna_v1", "chatml"])
def test_a_conversation_that_ends_with_the_user_is_ready_for_the_answer(template):
    texts = said(processor(template)(["hello"]))
    assert texts.rstrip("\n").endswith(("ASSISTANT:", "assistant"))


def test_the_words_before_an_answer_are_those_that_generation_starts_from():
    """What the model learned to continue and what it is asked to continue are the same tokens."""
    for template in ("short", "voco", "vicuna_v1", "chatml"):
        made = processor(template)
        asked = made(["<image>\nq"], [[RED]])
        taught = made([chat("<image>\nq", "a")], [[RED]], labels=True)
        ids = taught["input_ids"][0].tolist()
        n = asked["input_ids"].shape[1]
        assert ids[:n] == asked["input_ids"][0].tolist()
        assert (taught["labels"][0, :n] == -100).all()


def test_images_stand_where_their_tags_stand():
    batch = processor("vicuna_v1")(
        [chat("one <image> two <image>", "ok", "and <image>?", "yes")], [[RED, BLUE, RED]], labels=True
    )
    kinds = layout(batch).split()
    assert [k for k in kinds if k[0] in "vV"] == ["v16", "V4"] * 3
    assert len(batch["pixel_values"]) == 3, "an image shown twice in one row has two numbers"
    assert torch.equal(batch["pixel_values"][0], batch["pixel_values"][2])
    assert [b.image for b in find_blocks(batch["kinds"].numpy(), batch["images"].numpy())] == [0, 1, 2]


def test_an_image_of_several_rows_is_one_image(tmp_path):
    RED.save(tmp_path / "red.png")
    path = tmp_path / "red.png"
    made = processor()
    batch = made(["<image>\na", "<image>\nb", "c", "<image>\nd"], [[RED], [RED], [], [BLUE]])
    assert len(batch["pixel_values"]) == 2
    assert len(made(["<image>\na", "<image>\nb"], [[path], [str(path)]])["pixel_values"]) == 1


@pytest.mark.parametrize("side", ["left", "right"])
def test_padding_is_on_the_side_asked_for(side):
    batch = processor()(["<image>\nlonger question", "hm"], [[RED], []], padding_side=side)
    real = batch["kinds"][1] != Kind.PAD
    assert real[-1 if side == "left" else 0]
    assert not real[0 if side == "left" else -1]
    assert torch.equal(batch["attention_mask"].bool(), batch["kinds"] != Kind.PAD)
    assert (batch["input_ids"][1][~real] == TOKENIZER.pad_token_id).all()


def test_text_alone_has_no_prefix_to_hide():
    batch = processor()(["hello"])
    assert layout(batch)[0] == "t"
    assert "pixel_values" not in batch


@given(st.text(max_size=40))
@settings(max_examples=60, deadline=None)
def test_nothing_a_user_types_becomes_a_control_token(text):
    text = text.replace("<image>", "").replace("<video>", "")
    for special in SPECIAL:
        batch = processor()([chat(f"{text}{special}", f"{special}{text}")], labels=True)
        ids = batch["input_ids"][0].tolist()
        assert sum(token >= 256 for token in ids) == 2, "the beginning and the end, nothing else"
        assert (batch["kinds"] == Kind.TEXT).all()
        assert f"{text}{special} ASSISTANT: {special}{text}" in said(batch)


def test_a_system_turn_does_not_keep_images_from_leading():
    turns = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "<image>\nq"}]
    batch = processor()([turns], [[RED]])
    assert layout(batch).startswith("P1 v16 V4 t")
    assert "Be brief. USER: q" in said(batch)


def test_a_text_only_row_beside_an_image_row():
    made, pro = model(n_voco=4), processor()
    mixed = pro([chat("<image>\nq", "a"), chat("two plus two", "four")], [[RED], []], labels=True)
    alone = pro([chat("two plus two", "four")], labels=True)
    with torch.no_grad():
        together = made(**{k: mixed[k] for k in ("input_ids", "kinds", "images", "pixel_values", "labels")}).logits
        single = made(**{k: alone[k] for k in ("input_ids", "kinds", "images", "labels")}).logits
    torch.testing.assert_close(together[-len(single) :], single, rtol=1e-10, atol=1e-10)


def test_a_video_is_a_list_of_frames_behind_one_tag():
    batch = processor()(["<video>\nwhat moves?"], [[[RED, BLUE, RED]]])
    assert layout(batch).startswith("P1 " + "v16 V4 " * 3)
    assert len(batch["pixel_values"]) == 3


def test_elastic_batches_have_fewer_places():
    assert layout(processor()(["<image>\nq"], [[RED]], n_voco=2)).startswith("P1 v16 V2 t")


def test_without_a_compressor_there_are_vision_tokens_alone():
    config = preset("tiny", compressor="none", n_voco=0, reading="causal")
    batch = VocoProcessor.for_model(config, TOKENIZER, template="short")(["<image>\nq"], [[RED]])
    assert layout(batch).startswith("P1 v16 t")


def test_the_suffix_closes_the_vision_tokens():
    batch = processor(vision_suffix_ids=[10, 11])(["<image>\nq"], [[RED]])
    assert layout(batch).startswith("P1 v18 V4 t")
    assert batch["input_ids"][0, 17:19].tolist() == [10, 11]


@pytest.mark.parametrize(
    ("conversation", "images", "message"),
    [
        ("<image> <image>", [RED], r"conversation 0: 2 image tags \(<image>\), but 1 images"),
        ("no tag", [RED], "0 image tags"),
        ([{"from": "robot", "value": "x"}], [], "conversation 0, turn 0: needs 'from'"),
        ([{"from": "human"}], [], "turn 0: needs 'from'"),
        ([{"from": "human", "value": 3}], [], "turn 0: needs 'from'"),
        (chat("a", "b")[1:], [], "the user speaks first"),
        (chat("a") * 2, [], "the turns alternate"),
        ([], [], "the user speaks first"),
        (chat("a", "<image>"), [RED], "an answer cannot hold an image tag"),
    ],
)
def test_conversations_that_are_none_are_refused(conversation, images, message):
    with pytest.raises(VocoError, match=message):
        processor()([conversation], [images])


def test_other_bad_input_is_named():
    made = processor()
    with pytest.raises(VocoError, match="ends without an answer"):
        made(["q"], labels=True)
    with pytest.raises(VocoError, match="n_voco is 9; this model takes 1 to 4"):
        made(["<image>"], [[RED]], n_voco=9)
    with pytest.raises(VocoError, match="2 conversations, but 1 lists of images"):
        made(["q", "q"], [[]])
    with pytest.raises(VocoError, match="padding_side is 'middle'"):
        made(["q"], padding_side="middle")
    with pytest.raises(VocoError, match=r"past the limit of 10 positions.*truncation=True"):
        made(["<image>\nq"], [[RED]], max_length=10)
    with pytest.raises(VocoError, match="unknown chat template 'x'; there are"):
        made(["q"], template="x")
    with pytest.raises(VocoError, match="unknown aspect 'x'"):
        processor(aspect="x")


def test_the_processor_is_saved_with_its_options(tmp_path):
    made = processor("chatml", aspect="tiles", positions="layout")
    made.save_pretrained(tmp_path)
    again = VocoProcessor.from_pretrained(tmp_path)
    first, second = (p(["<image>\nq"], [[RED]]) for p in (made, again))
    assert first.keys() == second.keys()
    assert all(torch.equal(first[k], second[k]) for k in first)
    assert (again.positions, again.aspect, again.template) == ("layout", "tiles", "chatml")


def test_an_array_is_a_square_of_bytes_or_refused():
    own = processor()
    for array in (np.zeros((own.size, own.size, 3)), np.zeros((own.size, 5, 3), np.uint8)):
        with pytest.raises(VocoError, match=r"conversation 0, image 0: an array of .* is no square"):
            own(["<image>\nq"], [[array]])


@pytest.mark.parametrize(
    ("pieces", "learned"),
    [
        ([Text("ab"), Text("cd", answer=True), Text("e")], [False, True, True, False, False]),
        ([Text("ab"), Text("", answer=True), Text("cde")], [False] * 5),
        ([Text("a"), Text("b", answer=True), Text("cde")], [False, True, False, False, False]),
    ],
)
def test_a_token_is_learned_where_it_covers_any_of_an_answer(pieces, learned):
    """The tokens: a, bc, d, one that covers nothing, e."""
    offsets = [(0, 1), (1, 3), (3, 4), (4, 4), (4, 5)]
    sequence = Sequence()
    _write_text(sequence, pieces, {"abcde": ([5, 6, 7, 8, 9], offsets)})
    assert [label != IGNORE for label in sequence.labels] == learned
