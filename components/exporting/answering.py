"""The exported model as MLflow runs it: pictures and questions in, answers out.

A copy of this file lies in every export, and MLflow executes it there; nothing is pickled.
"""

import base64
import binascii
import os
from pathlib import Path
from typing import Any

import pandas
from mlflow.models import set_model
from mlflow.pyfunc import PythonModel

from voco_model.assistant import Assistant
from voco_model.data.paths import safe_media_path
from voco_model.errors import VocoError

ENCODED = {"iVBORw0KGgo": "a PNG", "/9j/": "a JPEG"}
"""How pictures begin in base64."""
MEDIA_ROOT = "VOCO_MEDIA_ROOT"
"""Where it is set, paths are relative to this folder and cannot leave it; a server that strangers ask sets it."""
AT_ONCE = 32


class VocoAnswers(PythonModel):
    """Columns `image` (a path, or a PNG or JPEG in base64) and `question`; an answer for each row."""

    def load_context(self, context: Any) -> None:
        """Read the model that lies beside this file."""
        import torch

        device = "cuda" if torch.cuda.is_available() else "cpu"
        self.assistant = Assistant.from_pretrained(context.artifacts["model"], device=device)

    def predict(
        self, context: Any, model_input: pandas.DataFrame, params: dict[str, Any] | None = None
    ) -> list[str]:
        """The answers, in order. A picture that several rows show is compressed once.

        params: `max_new_tokens`, and `n_voco`, how many VoCo tokens are read of a picture (0: all).
        """
        wanted = {"max_new_tokens": 64, "n_voco": 0} | dict(params or {})
        images, questions = list(model_input["image"]), [str(text) for text in model_input["question"]]
        answers: list[str] = []
        for start in range(0, len(images), AT_ONCE):
            shown = images[start : start + AT_ONCE]
            n_voco = int(wanted["n_voco"]) or None
            caches = {one: self.assistant.compress(source(one), n_voco) for one in dict.fromkeys(shown)}
            answers += self.assistant.answer(
                [caches[one] for one in shown],
                questions[start : start + AT_ONCE],
                max_new_tokens=int(wanted["max_new_tokens"]),
            )
        return answers


def source(image: str) -> bytes | str:
    """A picture's bytes, or where it lies."""
    text = image.split(",", 1)[1] if image.startswith("data:image/") and "," in image else image
    for beginning, kind in ENCODED.items():
        if text.startswith(beginning):
            try:
                return base64.b64decode(text, validate=True)
            except binascii.Error as error:
                if text is image and os.path.exists(image):
                    break  # a path that begins like one
                raise VocoError(f"image: begins as {kind} in base64, but is not base64 ({error})") from None
    root = os.environ.get(MEDIA_ROOT)
    if not root:
        return image
    return str(safe_media_path(Path(root), image))


set_model(VocoAnswers())
