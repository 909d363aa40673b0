"""Pictures and questions in ONNX Runtime, without a forward in torch.

>>> reader = OnnxReader("exported/onnx", VocoProcessor.from_pretrained("exported/model"))   # doctest: +SKIP
>>> cache = reader.compress("picture.png")                                                  # doctest: +SKIP
>>> reader.answer(cache, "What colour is it?")                                              # doctest: +SKIP

A cache made here is read by the model in torch, and the other way round.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from voco_model.cache import VocoCache
from voco_model.errors import VocoError
from voco_model.plan import Batch
from voco_model.portable.graphs import ABOUT, COMPRESS, READ
from voco_model.processing.pictures import Source
from voco_model.processing.processor import VocoProcessor
from voco_model.processing.templates import IMAGE_TAGS
from voco_model.segments import Kind

CPU = ("CPUExecutionProvider",)


class OnnxReader:
    """Both graphs of a folder that `write_graphs` left."""

    def __init__(self, folder: Path | str, processor: VocoProcessor, providers: Sequence[str] = CPU) -> None:
        folder = Path(folder)
        if not (folder / ABOUT).is_file():
            raise VocoError(
                f"{folder}: {ABOUT} is missing; give the folder of graphs of an export made with onnx=true"
            )
        self.about: dict[str, Any] = json.loads((folder / ABOUT).read_text("utf-8"))
        self.processor = processor
        self._compress, self._read = (_session(folder / name, providers) for name in (COMPRESS, READ))

    def compress(self, picture: Source) -> VocoCache:
        """A picture's cache, in the place that a conversation's first image has."""
        squares = self.processor.squares(picture)
        if len(squares) != 1:
            raise VocoError(f"this picture is {len(squares)} squares; compress each, and join their caches")
        keys, values = self._compress.run(None, {"pixel_values": self.processor.pixels(squares).numpy()})
        n_voco = keys.shape[3]
        return VocoCache(
            keys=torch.from_numpy(keys[:, 0]),
            values=torch.from_numpy(values[:, 0]),
            positions=self.about["place"] + torch.arange(n_voco),
            blocks=((self.processor.digests(squares)[0], n_voco),),
            model=self.about["model"],
            inverse_frequencies=torch.tensor(self.about["inverse_frequencies"]),
            gap=self.about["gap"],
            prefix=tuple(self.about["prefix"]),
        )

    def answer(self, cache: VocoCache, question: str, max_new_tokens: int = 64) -> str:
        """The likeliest answer, token by token."""
        tokens = self.answer_tokens(cache, question, max_new_tokens)
        return str(self.processor.tokenizer.decode(tokens, skip_special_tokens=True)).strip()

    def answer_tokens(self, cache: VocoCache, question: str, max_new_tokens: int) -> list[int]:
        """The same as ids, without the one that ends it."""
        ids, positions = self._text(cache, question)
        keys, values = (x.numpy() for x in cache.tensors())
        told: list[int] = []
        for _ in range(max_new_tokens):
            logits, keys, values = self._step(ids, positions, keys, values)
            logits[0, -1, self.about["never"]] = -np.inf
            best = int(logits[0, -1].argmax())
            if best == self.processor.tokenizer.eos_token_id:
                break
            told.append(best)
            ids, positions = np.array([[best]]), positions[:, -1:] + 1
        return told

    def logits(self, cache: VocoCache, question: str) -> np.ndarray:
        """(tokens, vocabulary) of every token of the question."""
        keys, values = (x.numpy() for x in cache.tensors())
        found: np.ndarray = self._step(*self._text(cache, question), keys, values)[0][0]
        return found

    def _text(self, cache: VocoCache, question: str) -> tuple[np.ndarray, np.ndarray]:
        """The question's own tokens behind the picture, and their positions."""
        if cache.model != self.about["model"]:
            raise VocoError(
                f"the cache was made by model {cache.model[:12]}, these graphs are of {self.about['model'][:12]};"
                " compress the picture again"
            )
        inputs = self.processor([f"{IMAGE_TAGS[0]}\n{question}"], [[cache]])
        segments = inputs["input_ids"], inputs["kinds"], inputs["images"]
        batch = Batch.of(*segments, self.processor.positions, self.processor.window)
        text = batch.columns(0, Kind.TEXT)
        return inputs["input_ids"].numpy()[:, text], batch.positions.numpy()[:, text]

    def _step(self, ids: np.ndarray, positions: np.ndarray, keys: np.ndarray, values: np.ndarray) -> Any:
        """Logits, and the keys and values with these tokens' own behind them."""
        given = {"input_ids": ids, "positions": positions, "keys": keys, "values": values}
        logits, new_keys, new_values = self._read.run(None, given)
        return logits, np.concatenate([keys, new_keys], 2), np.concatenate([values, new_values], 2)


def _session(path: Path, providers: Sequence[str]) -> Any:
    try:
        import onnxruntime
    except ImportError:
        raise VocoError("ONNX Runtime is not installed; install the extra `onnx` or `onnx-gpu`") from None
    try:
        session = onnxruntime.InferenceSession(str(path), providers=list(providers))
    except Exception as error:  # ONNX Runtime's errors have no common class
        raise VocoError(f"{path}: cannot be read ({str(error).splitlines()[0]}); export the model again") from None
    if missing := [one for one in providers if one not in session.get_providers()]:
        raise VocoError(f"ONNX Runtime has no {missing[0]} here; install the extra `onnx-gpu`, or name another")
    return session
