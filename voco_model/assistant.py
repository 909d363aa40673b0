"""The model and its processor together: pictures and questions in, caches and answers out."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from threading import Thread
from typing import Any

import torch
from PIL import Image
from safetensors import SafetensorError
from transformers import TextIteratorStreamer

from voco_model.cache import VocoCache
from voco_model.errors import VocoError
from voco_model.model import VocoForConditionalGeneration
from voco_model.processing.pictures import Source
from voco_model.processing.processor import Item, VocoProcessor
from voco_model.processing.templates import IMAGE_TAGS
from voco_model.store import StoreKey, VocoCacheStore
from voco_model.video import sample_frames

Question = str | list[dict[str, str]]
"""A question, or the turns of a conversation that ends with one."""


class Assistant:
    """Compress once, ask often.

    >>> assistant = Assistant.from_pretrained("runs/demo/model")     # doctest: +SKIP
    >>> cache = assistant.compress("picture.png")                    # doctest: +SKIP
    >>> assistant.answer(cache, "What colour is it?")                # doctest: +SKIP
    """

    def __init__(
        self,
        model: VocoForConditionalGeneration,
        processor: VocoProcessor,
        store: VocoCacheStore | None = None,
    ) -> None:
        _check_fit(model, processor)
        self.model = model.eval()
        self.processor = processor
        self.store = store

    @classmethod
    def from_pretrained(
        cls,
        folder: Path | str,
        *,
        device: str | torch.device | None = None,
        dtype: torch.dtype | None = None,
        store: VocoCacheStore | None = None,
    ) -> "Assistant":
        """Read a saved model and its processor from a local folder."""
        if not (Path(folder) / "config.json").is_file():
            raise VocoError(
                f"{folder}: no model here (config.json is missing); give a folder that save_pretrained wrote"
            )
        model = _load_whole(Path(folder), dtype)
        return cls(model.to(device or "cpu"), VocoProcessor.from_pretrained(folder), store)

    def save_pretrained(self, folder: Path | str) -> None:
        """Write model and processor to one folder, weights as safetensors."""
        self.model.save_pretrained(folder)
        self.processor.save_pretrained(folder)

    def compress(self, images: Source | Sequence[Source], n_voco: int | None = None) -> VocoCache:
        """One cache of an image, or of several in the order in which a conversation opens with them.

        With a store, images are looked up one by one and moved to their places; without, they are
        compressed there.
        """
        pictures = [images] if isinstance(images, Source) else list(images)
        squares = [square for picture in pictures for square in self.processor.squares(picture)]
        if not squares:
            raise VocoError("there is no image to compress")
        if self.store is not None:
            return VocoCache.concat([self._stored(square, n_voco) for square in squares])
        return self._compress(squares, n_voco)

    def compress_video(
        self,
        path: Path | str,
        *,
        fps: float | None = None,
        count: int | None = None,
        n_voco: int | None = None,
        chunk: int = 32,
    ) -> VocoCache:
        """One cache of a video: sampled frames, each compressed on its own, in time order.

        Only `chunk` frames are in memory at once.
        """
        frames = (frame.image for frame in sample_frames(path, fps=fps, count=count))
        return self.compress_frames(frames, n_voco=n_voco, chunk=chunk)

    def compress_frames(
        self, frames: Iterable[Image.Image], *, n_voco: int | None = None, chunk: int = 32
    ) -> VocoCache:
        """`compress_video` for frames that are at hand or come from elsewhere."""
        digests: list[str] = []

        def pixels() -> Iterator[torch.Tensor]:
            squares = (square for frame in frames for square in self.processor.squares(frame, "frame"))
            while some := list(islice(squares, chunk)):
                digests.extend(self.processor.digests(some))
                yield self.processor.pixels(some)

        parts = list(self.model.compress_chunks(pixels(), n_voco, digests, **self.where()))
        if not parts:
            raise VocoError("the video gave no frames to compress")
        return VocoCache.concat(parts)

    def compress_squares(self, squares: list[Image.Image], n_voco: int | None = None) -> VocoCache:
        """One cache of squares that are one picture or clip, in their order."""
        return self._compress(squares, n_voco)

    def compress_apart(self, squares: list[Image.Image], n_voco: int | None = None) -> list[VocoCache]:
        """A cache for each square, as `compress` makes one of a picture alone, but of many at once."""
        digests = self.processor.digests(squares)
        return self.model.compress_apart(self.processor.pixels(squares), n_voco, digests, **self.where())

    def _compress(self, squares: list[Image.Image], n_voco: int | None) -> VocoCache:
        return self.model.compress(
            self.processor.pixels(squares),
            n_voco,
            self.processor.digests(squares),
            **self.where(),
        )

    def where(self) -> dict[str, Any]:
        """The place that a conversation's first image has, and what it sees before it."""
        return {"place": self.processor.first_place(), "prefix_ids": self.processor.prefix_ids}

    def _stored(self, square: Image.Image, n_voco: int | None) -> VocoCache:
        assert self.store is not None
        key = StoreKey(self.model.digest(), self.processor.digests([square])[0], self.model.check_n_voco(n_voco))
        found = self.store.get_or_compute(key, lambda: self._compress([square], n_voco))
        return found.to(self.model.device)

    def answer(
        self,
        caches: VocoCache | Sequence[VocoCache],
        questions: Question | Sequence[Question],
        **generation: Any,
    ) -> Any:
        """The answer to a question about a cached image; lists of either give a list of answers.

        `generation`: what Hugging Face's `generate` takes (max_new_tokens, do_sample, stop_strings, ...).
        """
        one = isinstance(questions, str) or (bool(questions) and isinstance(questions[0], dict))
        asked: list[Any] = [questions] if one else list(questions)
        shown = [caches] * len(asked) if isinstance(caches, VocoCache) else list(caches)
        if one and len(shown) > 1:
            asked = asked * len(shown)
        if not asked or len(shown) != len(asked):
            raise VocoError(f"{len(shown)} caches for {len(asked)} questions; give one for each, or one for all")
        answers = self.read([[cache] for cache in shown], asked, **generation)
        return answers[0] if one and isinstance(caches, VocoCache) else answers

    def read(self, shown: Sequence[Sequence[Item]], questions: Sequence[Question], **generation: Any) -> list[str]:
        """Answers to questions, each about its own pictures, lists of frames, or caches, or about none.

        A picture that several questions show is looked at once. `generation` as for `answer`; `reading="causal"`
        lets text see all vision tokens of pictures.
        """
        return [self._text(ids) for ids in self._generate(shown, questions, **generation)]

    def stream(self, cache: VocoCache, question: Question, **generation: Any) -> Iterator[str]:
        """The answer piece by piece, as it is made."""
        streamer = TextIteratorStreamer(self.processor.tokenizer, skip_prompt=True, skip_special_tokens=True)
        failed: list[Exception] = []

        def work() -> None:
            try:
                self._generate([[cache]], [question], streamer=streamer, **generation)
            except Exception as error:
                failed.append(error)
                streamer.end()

        thread = Thread(target=work, daemon=True)
        thread.start()
        yield from (piece for piece in streamer if piece)
        thread.join()
        if failed:
            raise failed[0]

    def _generate(
        self, shown: Sequence[Sequence[Item]], questions: Sequence[Question], **generation: Any
    ) -> list[torch.Tensor]:
        template = generation.pop("template", None)
        conversations = [_with_tag(q) if items else q for q, items in zip(questions, shown, strict=True)]
        batch = self.processor(conversations, shown, padding_side="left", template=template)
        batch = batch.to(self.model.device)
        generation = {"max_new_tokens": 64, "do_sample": False} | generation
        if "stop_strings" in generation:
            generation["tokenizer"] = self.processor.tokenizer
        with torch.no_grad():
            out = self.model.generate(**batch, **generation)
        return list(out[:, batch["input_ids"].shape[1] :])

    def _text(self, ids: torch.Tensor) -> str:
        return self.processor.tokenizer.decode(ids, skip_special_tokens=True).strip()


def _with_tag(question: Question) -> Question:
    """A question about a cached image names it once; one that names none gets the image in front."""
    turns = [{"role": "user", "content": question}] if isinstance(question, str) else [dict(t) for t in question]
    first = next((turn for turn in turns if turn.get("role", turn.get("from")) in ("user", "human")), None)
    if first is None:
        raise VocoError("the conversation has no turn of the user")
    key = "content" if "content" in first else "value"
    if not any(tag in str(turn.get("content", turn.get("value"))) for turn in turns for tag in IMAGE_TAGS):
        first[key] = f"{IMAGE_TAGS[0]}\n{first[key]}"
    return turns


def _load_whole(folder: Path, dtype: torch.dtype | None) -> VocoForConditionalGeneration:
    """A saved model with every weight that it needs, and none that it does not know."""
    try:
        model, report = VocoForConditionalGeneration.from_pretrained(
            folder, dtype=dtype or "auto", output_loading_info=True
        )
    except (OSError, RuntimeError, SafetensorError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise VocoError(f"{folder}: the model cannot be loaded ({reason}); save it again") from None
    for what in ("missing_keys", "unexpected_keys", "mismatched_keys", "error_msgs"):
        if report.get(what):
            names = sorted(str(name) for name in report[what])
            shown = ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
            raise VocoError(f"{folder}: {what.replace('_', ' ')} in the weights: {shown}; save the model again")
    return model


def _check_fit(model: VocoForConditionalGeneration, processor: VocoProcessor) -> None:
    """A processor that lays out sequences in another way than the model was made for is refused."""
    config = model.config
    for name in ("n_voco", "n_vision", "vision_suffix_ids", "positions", "window"):
        ours, theirs = getattr(config, name), getattr(processor, name)
        if ours != theirs:
            raise VocoError(
                f"the processor has {name} {theirs}, the model {ours}; make it by VocoProcessor.for_model"
            )
