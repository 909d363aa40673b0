"""Conversations and pictures to batches: templates, labels, blocks, truncation, and every bad input."""

import io

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from tests.voco_model.worlds import model
from voco_model.config import preset
from voco_model.errors import VocoError
from voco_model.processing.pictures import best_grid, open_picture, squares
from voco_model.processing.processor import VocoProcessor
from voco_model.processing.tokenizer import SPECIAL, byte_tokenizer
from voco_model.segments import Kind, find_blocks

RED, BLUE = Image.new("RGB", (50, 30), (200, 10, 10)), Image.new("RGB", (40, 80), (20, 10, 210))
TOKENIZER = byte_tokenizer()


def processor(template="short", **options) -> VocoProcessor:
    overrides = {
        k: options.pop(k) for k in ("positions", "n_voco", "vision_suffix_ids", "compressor") if k in options
    }
    return VocoProcessor.for_model(preset("tiny", **overrides), TOKENIZER, template=template, **options)


def said(batch, row=0, kinds=(Kind.TEXT,)) -> str:
    """The text of a row's positions of some kinds."""
    here = sum((batch["kinds"][row] == kind for kind in kinds), torch.tensor(False)).bool()
    return TOKENIZER.decode(batch["input_ids"][row][here])


def learned(batch, row=0) -> str:
    labels = batch["labels"][row]
    return TOKENIZER.decode(labels[labels != -100])


def chat(*turns: str) -> list[dict]:
    return [{"from": "human" if k % 2 == 0 else "gpt", "value": text} for k, text in enumerate(turns)]


def layout(batch, row=0) -> str:
    """Kinds of a row as run-lengths: P1 v16 V4 t9."""
    names = {Kind.PAD: ".", Kind.PREFIX: "P", Kind.VISION: "v", Kind.VOCO: "V", Kind.TEXT: "t"}
    out: list = []
    for kind, image in zip(batch["kinds"][row].tolist(), batch["images"][row].tolist(), strict=True):
        if out and out[-1][0] == (kind, image):
            out[-1][1] += 1
        else:
            out.append([(kind, image), 1])
    return " ".join(f"{names[Kind(kind)]}{count}" for (kind, _), count in out)


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


@given(st.integers(1, 90), st.sampled_from(["layout", "compact"]))
@settings(max_examples=80, deadline=None)
def test_truncation_never_cuts_a_block(limit, positions):
    made = processor("vicuna_v1", positions=positions)
    template = "short"
    conversation = [chat("see <image> and", "yes", "then <image>\nwhat", "long answer")]
    whole = made(conversation, [[RED, BLUE]], labels=True, template=template)
    cut = made(
        conversation,
        [[RED, BLUE]],
        labels=True,
        template=template,
        max_length=limit,
        truncation=True,
        return_truncated=True,
    )
    n = cut["input_ids"].shape[1]
    for name in ("input_ids", "kinds", "images", "labels"):
        assert torch.equal(cut[name], whole[name][:, :n]), "a beginning of the whole"
    counted = cut["kinds"] != Kind.VISION if positions == "compact" else torch.ones_like(cut["kinds"])
    assert int(counted.sum()) <= limit
    assert bool(cut["truncated"][0]) == (n < whole["input_ids"].shape[1])
    blocks = find_blocks(cut["kinds"].numpy(), cut["images"].numpy())
    assert all((len(b.vision), len(b.voco)) == (16, 4) for b in blocks)
    assert len(cut.get("pixel_values", [])) == len(blocks)


def test_truncation_inside_a_long_answer_leaves_the_model_its_place():
    """The reference finds its tokens by counting from the end, which truncation moves."""
    made, pro = model(n_voco=4), processor()
    long, short = (
        pro([chat("<image>\nq", "a" * 50)], [[RED]], labels=True, max_length=limit, truncation=True)
        for limit in (200, 30)
    )
    n = int((short["labels"] != -100).sum())
    with torch.no_grad():
        of_long, of_short = (
            made(
                x["input_ids"], x["kinds"], x["images"], pixel_values=x["pixel_values"], labels=x["labels"]
            ).logits
            for x in (long, short)
        )
    torch.testing.assert_close(of_short, of_long[:n], rtol=1e-10, atol=1e-10)


def test_a_truncated_batch_is_one_that_the_model_takes():
    made, pro = model(n_voco=4), processor()
    batch = pro([chat("<image>\nq", "a" * 50)], [[RED]], labels=True, max_length=30, truncation=True)
    assert float(made(**batch).loss) > 0
    nothing_left = pro([chat("<image>\nq", "a" * 50)], [[RED]], labels=True, max_length=8, truncation=True)
    assert float(made(**nothing_left).loss) == 0
    with pytest.raises(VocoError, match="limit of 0 positions"):
        pro(["q"], max_length=0)


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


# Pictures


def test_pad_keeps_the_whole_picture_and_square_its_middle():
    wide = Image.new("RGB", (90, 30), (0, 0, 0))
    wide.paste((255, 255, 255), (30, 0, 60, 30))
    (padded,) = squares(wide, "pad", 30, (1, 2, 3))
    assert padded.getpixel((15, 0)) == (1, 2, 3)
    assert padded.getpixel((2, 15)) == (0, 0, 0)
    (cropped,) = squares(wide, "square", 30, (1, 2, 3))
    assert cropped.getpixel((1, 1)) == (255, 255, 255)
    assert cropped.getpixel((28, 28)) == (255, 255, 255)


def test_tiles_of_a_high_resolution_picture():
    """672 x 672 at 336-pixel tiles: four tiles and the overview, 2,880 vision tokens."""
    picture = Image.new("RGB", (672, 672))
    for k, colour in enumerate([(250, 0, 0), (0, 250, 0), (0, 0, 250), (250, 250, 0)]):
        picture.paste(colour, (k % 2 * 336, k // 2 * 336, k % 2 * 336 + 336, k // 2 * 336 + 336))
    tiles = squares(picture, "tiles", 336, (0, 0, 0))
    assert [t.size for t in tiles] == [(336, 336)] * 5
    assert [t.getpixel((100, 100)) for t in tiles[1:]] == [
        (250, 0, 0),
        (0, 250, 0),
        (0, 0, 250),
        (250, 250, 0),
    ]
    assert 576 * len(tiles) == 2880 == preset("llava-7b-336").n_vision * 5
    batch = VocoProcessor.for_model(preset("tiny"), TOKENIZER, template="short", aspect="tiles")(
        ["<image>\nq"], [[picture]]
    )
    assert layout(batch).startswith("P1 " + "v16 V4 " * 5)


@pytest.mark.parametrize(
    ("size", "grid"),
    [((672, 672), (2, 2)), ((1008, 336), (3, 1)), ((300, 900), (1, 3)), ((600, 300), (2, 1))],
)
def test_the_grid_fits_the_picture(size, grid):
    assert best_grid(size, 336) == grid


def test_pictures_are_upright_and_rgb():
    picture = Image.new("L", (20, 10), 7)
    picture.getexif()[0x0112] = 6  # rotate by a quarter when shown
    out = io.BytesIO()
    picture.save(out, "JPEG", exif=picture.getexif())
    opened = open_picture(out.getvalue())
    assert opened.mode == "RGB"
    assert opened.size == (10, 20)


def encoded(picture=RED, kind="PNG") -> bytes:
    out = io.BytesIO()
    picture.save(out, kind)
    return out.getvalue()


@pytest.mark.parametrize(
    "content", [b"", b"no picture", encoded()[:60], encoded(kind="JPEG")[:200], b"GIF89a\0\0"], ids=repr
)
def test_what_does_not_decode_is_named(tmp_path, content):
    path = tmp_path / "broken.png"
    path.write_bytes(content)
    with pytest.raises(VocoError, match=r"broken\.png: cannot be decoded as an image"):
        processor()(["<image>\nq"], [[path]])
    with pytest.raises(VocoError, match="conversation 0, image 0: cannot be decoded"):
        processor()(["<image>\nq"], [[content]])
    with pytest.raises(VocoError, match="no such image file"):
        processor()(["<image>\nq"], [[tmp_path / "absent.png"]])


def test_sixteen_bits_are_scaled_and_what_is_transparent_is_white():
    import numpy as np

    ramp = Image.fromarray(np.linspace(0, 65535, 256, dtype=np.uint16).reshape(16, 16))
    shown = np.asarray(open_picture(encoded(ramp)))[..., 0].ravel()
    assert shown[0] == 0
    assert abs(int(shown[128]) - 128) < 3
    assert shown[-1] == 255
    clear = Image.new("RGBA", (4, 4), (200, 10, 10, 0))
    assert open_picture(encoded(clear)).getpixel((0, 0)) == (255, 255, 255)
    with pytest.raises(VocoError, match="mode F has no range"):
        open_picture(Image.new("F", (4, 4)))


def test_a_decompression_bomb_is_refused(monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    with pytest.raises(VocoError, match="cannot be decoded as an image"):
        open_picture(encoded())


# Bad input


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
