"""A small processor, conversations for it, and what its batches say."""

import io

import torch
from PIL import Image

from voco_model.config import preset
from voco_model.processing.processor import VocoProcessor
from voco_model.processing.tokenizer import byte_tokenizer
from voco_model.segments import Kind

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


def encoded(picture=RED, kind="PNG") -> bytes:
    out = io.BytesIO()
    picture.save(out, kind)
    return out.getvalue()
