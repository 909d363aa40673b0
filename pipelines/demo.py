"""The method on one picture, with a model of random weights: what the cache saves, and that it is exact."""

import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import torch
from PIL import Image, ImageDraw

from pipelines.commands.loading import quiet
from voco_model.assistant import Assistant
from voco_model.cache import VocoCache
from voco_model.config import preset
from voco_model.flops import executed
from voco_model.mask_picture import as_image, example_row, mask_of
from voco_model.model import VocoForConditionalGeneration
from voco_model.processing.processor import VocoProcessor
from voco_model.processing.tokenizer import byte_tokenizer, voco_id

QUESTIONS = (
    "What shape is in the middle?",
    "How many colours are there?",
    "Is the square left of the circle?",
)
NEW_TOKENS = 8


def demonstrate(out: Path, seed: int) -> None:
    """Write the model, a picture, its cache and the mask under `out`; print the comparison."""
    quiet()
    assistant = random_assistant(seed)
    out.mkdir(parents=True, exist_ok=True)
    picture = out / "picture.png"
    draw_picture().save(picture)
    assistant.save_pretrained(out / "model")
    as_image(row := example_row("p1 v8 c2 t3 v8 c2 t4"), mask_of(row), out / "mask.png")

    assistant.compress(picture)  # the first call of anything is slow
    seconds, cache = timed(lambda: assistant.compress(picture))
    cache.save(out / "picture.safetensors")
    config = assistant.model.config
    n_parameters = sum(p.numel() for p in assistant.model.parameters())
    print(
        f"A model of random weights: {n_parameters / 1e6:.0f} M parameters, {config.n_vision} vision tokens"
        f" per picture, {config.n_voco} VoCo token.\nIts answers are noise; what is shown is what the cache"
        " saves, and that it changes nothing.\n"
    )
    print(f"compressed {picture} in {seconds * 1e3:.0f} ms, saved {out / 'picture.safetensors'}\n")
    ask(assistant, VocoCache.load(out / "picture.safetensors"), picture)
    print_savings(assistant, cache, picture)
    print(f"\nlook at {picture}, {out / 'mask.png'}; ask more:")
    print(f"  {sys.argv[0]} ask --model {out / 'model'} --cache {out / 'picture.safetensors'} 'What is there?'")


def random_assistant(seed: int) -> Assistant:
    """The small preset on bytes, so that no tokenizer is needed from anywhere."""
    torch.manual_seed(seed)
    tokenizer = byte_tokenizer()
    config = preset("small", voco_token_id=voco_id(tokenizer))
    text = config.text_config
    text.vocab_size = len(tokenizer)
    text.bos_token_id, text.eos_token_id, text.pad_token_id = (
        tokenizer.bos_token_id,
        tokenizer.eos_token_id,
        tokenizer.pad_token_id,
    )
    model = VocoForConditionalGeneration(config).requires_grad_(False)
    return Assistant(model, VocoProcessor.for_model(config, tokenizer, template="short"))


def draw_picture() -> Image.Image:
    """A square left of a circle."""
    picture = Image.new("RGB", (640, 480), (236, 240, 244))
    draw = ImageDraw.Draw(picture)
    draw.rectangle((90, 150, 270, 330), (66, 133, 190))
    draw.ellipse((360, 140, 560, 340), (222, 119, 32))
    return picture


def ask(assistant: Assistant, cache: VocoCache, picture: Path) -> None:
    """Each question twice: from the cache, and with the picture encoded anew."""
    print(f"{'question':<36} {'from the cache':>15} {'picture anew':>13}   same answer")
    answer(assistant, cache, QUESTIONS[0])
    for question in QUESTIONS:
        fast, from_cache = timed(partial(answer, assistant, cache, question))
        slow, anew = timed(partial(answer, assistant, picture, question))
        same = "yes" if torch.equal(from_cache, anew) else "NO"
        print(f"{question:<36} {fast * 1e3:>12.0f} ms {slow * 1e3:>10.0f} ms   {same}, token by token")


def answer(assistant: Assistant, image: VocoCache | Path, question: str) -> torch.Tensor:
    batch = assistant.processor([f"<image>\n{question}"], [[image]], padding_side="left")
    with torch.no_grad():
        return assistant.model.generate(**batch, max_new_tokens=NEW_TOKENS, do_sample=False)[0, -NEW_TOKENS:]


def print_savings(assistant: Assistant, cache: VocoCache, picture: Path) -> None:
    config = assistant.model.config
    full = cache.nbytes // cache.n_tokens * config.n_vision
    int8 = cache.quantised().nbytes
    batches = [assistant.processor([f"<image>\n{QUESTIONS[0]}"], [[image]]) for image in (cache, picture)]
    with torch.no_grad():
        read, anew = (executed(partial(assistant.model, **batch)) for batch in batches)
    print(
        f"\nkept per picture   {cache.nbytes:,} bytes instead of {full:,} ({full // cache.nbytes} times less;"
        f" in int8 {int8:,})\nper question       {read / 1e9:.2f} GFLOPs instead of {anew / 1e9:.2f}"
        f" ({100 * (1 - read / anew):.1f} % less)"
    )


def timed(work: Callable[[], Any]) -> tuple[float, Any]:
    start = time.perf_counter()
    result = work()
    return time.perf_counter() - start, result
