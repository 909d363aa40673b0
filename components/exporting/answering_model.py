"""The exported model as MLflow loads it: this file is copied into the export and run there, nothing is unpickled.

Input: a table with `image` (a PNG or JPEG as base64, or a picture's path) and `question`; output: the answers.
Where others send requests, set VOCO_IMAGE_ROOT: paths are then looked for below that folder only.
"""

import base64
import binascii
import os
import sys
from pathlib import Path
from typing import Any

import mlflow
from mlflow.pyfunc import PythonModel

ROOT = "VOCO_IMAGE_ROOT"
BATCH = 32
MAGIC = (b"\x89PNG", b"\xff\xd8\xff")
"""How PNG and JPEG files begin."""
LONGEST_PATH = 4096


class AnsweringModel(PythonModel):
    """Questions about pictures, answered from VoCo tokens alone."""

    def load_context(self, context: Any) -> None:
        # The export shall stay what its manifest says: no compiled copies of its code beside it.
        before, sys.dont_write_bytecode = sys.dont_write_bytecode, True
        try:
            import torch

            from voco_model.assistant import Assistant
            from voco_model.data.paths import MediaRoot
        finally:
            sys.dont_write_bytecode = before
        root = os.environ.get(ROOT)
        self.root = MediaRoot(Path(root)) if root else None
        device = "cuda" if torch.cuda.is_available() else "cpu"
        self.assistant = Assistant.from_pretrained(context.artifacts["model"], device=device)

    # Without types: MLflow would take them for the input's schema, which the signature states.
    def predict(self, context, model_input, params=None):  # noqa: ANN001, ANN201
        """One answer for each row; the same picture in several rows is compressed once."""
        given = params or {}
        n_voco = given.get("n_voco") or None
        pictures = [self._picture(image) for image in model_input["image"]]
        questions = [str(question) for question in model_input["question"]]
        known = {one: self.assistant.compress(one, n_voco) for one in dict.fromkeys(pictures)}
        answers: list[str] = []
        for start in range(0, len(questions), BATCH):
            part = slice(start, start + BATCH)
            answers += self.assistant.answer(
                [known[one] for one in pictures[part]],
                questions[part],
                max_new_tokens=int(given.get("max_new_tokens", 64)),
            )
        return answers

    def _picture(self, told: str | bytes) -> bytes | Path:
        """The bytes that a text stands for, or the path that it is."""
        if isinstance(told, bytes):
            return told
        try:
            data = base64.b64decode(told, validate=True)
        except (binascii.Error, ValueError):
            data = b""
        if data.startswith(MAGIC):
            return data
        if len(told) <= LONGEST_PATH:
            path = self.root.path(told) if self.root else Path(told)
            if path.is_file():
                return path
        raise ValueError(f"image {told[:60]!r} is neither a PNG or JPEG as base64 nor a picture's path")


mlflow.models.set_model(AnsweringModel())
