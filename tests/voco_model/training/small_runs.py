"""Small runs for the training tests: a data set, base models as Hugging Face saves them, and recipes."""

from functools import cache
from pathlib import Path

import torch
from transformers import CLIPVisionModel, LlamaForCausalLM

from tests.voco_model.data.small_sets import Item, clip, png, write
from tests.voco_model.worlds import config
from voco_model.processing.tokenizer import byte_tokenizer
from voco_model.training.recipe import Recipe


def pictures(folder: Path, n: int = 7) -> Path:
    """Pictures with two questions each, a validation split, and text alone, which makes a batch of its own."""
    items = [Item(media=png(k // 2), answer="y" * (1 + 5 * k % 17)) for k in range(n)]
    items += [Item(media=png(100 + k), answer="so", split="val") for k in range(2)]
    return write(folder, [*items, Item("text", answer="no picture"), Item("text", answer="nor here")])


def clips(folder: Path, scratch: Path) -> Path:
    """Two clips of a second or so."""
    made = [clip(10 + k, scratch / f"{k}.mp4") for k in range(2)]
    return write(folder, [Item("video", one, seconds=1.0 + k / 10) for k, one in enumerate(made)])


def bases(folder: Path, tied: bool = False) -> dict[str, Path]:
    """A vision tower and a language model, random, in folders of their own; its tokenizer has no VoCo token."""
    torch.manual_seed(7)
    shape = config(layers=2)
    shape.text_config.tie_word_embeddings = tied
    CLIPVisionModel(shape.vision_config).save_pretrained(folder / "vision")
    language = LlamaForCausalLM(shape.text_config)
    language.resize_token_embeddings(259)
    language.save_pretrained(folder / "language")
    _without_voco().save_pretrained(folder / "language")
    return {"vision": folder / "vision", "language": folder / "language"}


@cache
def _without_voco():
    from tokenizers import AddedToken, Tokenizer
    from transformers import PreTrainedTokenizerFast

    whole = byte_tokenizer().backend_tokenizer.to_str()
    bare = Tokenizer.from_str(whole[: whole.index('"added_tokens"')] + '"added_tokens":[],' + _after_added(whole))
    bare.add_special_tokens([AddedToken(name, special=True) for name in ("<s>", "</s>", "<pad>")])
    return PreTrainedTokenizerFast(tokenizer_object=bare, bos_token="<s>", eos_token="</s>", pad_token="<pad>")


def _after_added(whole: str) -> str:
    return whole[whole.index('"normalizer"') :]


def recipe(out: Path, *folders: Path, **changes) -> Recipe:
    """Four steps of `instruct` from a preset, unless told otherwise; a dictionary changes single keys."""
    base = {
        "stage": "instruct",
        "out": out,
        "steps": 4,
        "start": {"preset": "tiny", "n_voco": 1},
        "data": {"folders": folders, "batch_size": 4, "workers": 0, "questions_per_image": 2, "split": "train"},
        "optimiser": {"lr": 1e-3, "warmup": 0},
        "saving": {"report_every": 1},
    }
    for key, value in changes.items():
        merges = isinstance(value, dict) and isinstance(base.get(key), dict) and key != "start"
        base[key] = base[key] | value if merges else value
    return Recipe.model_validate(base)
