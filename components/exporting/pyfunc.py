"""An MLflow model made from code around a saved model; the same content every time."""

import base64
import hashlib
import io
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any

import voco_model
from voco_model.errors import VocoError

MODEL = "model"
"""The folder of weights and processor inside an export."""
CODE = Path(__file__).with_name("answering.py")
NEEDED = ("mlflow", "torch", "transformers", "tokenizers", "safetensors", "numpy", "pillow", "av", "filelock")
QUESTION = "What is in the picture?"
SIDE = 16


def save(model: Path, out: Path) -> None:
    """Write the MLflow model `out` with a copy of the folder `model` and of this library's code in it."""
    from mlflow import pyfunc

    with _quiet():
        pyfunc.save_model(
            path=str(out),
            python_model=str(CODE),
            artifacts={MODEL: str(model)},
            code_paths=[str(Path(voco_model.__file__).parent)],
            pip_requirements=[f"{name}=={_release(name)}" for name in NEEDED],
            signature=_signature(),
            input_example=_example(),
        )
    _place_model(out)


def ask(exported: Path) -> str:
    """The answer to the example, by way of MLflow: an export that cannot be asked is none."""
    from mlflow import pyfunc
    from transformers.utils import logging

    logging.disable_progress_bar()
    try:
        with _quiet():
            answers = pyfunc.load_model(str(exported)).predict(_example()[0], params={"max_new_tokens": 4})
    except Exception as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise VocoError(
            f"{exported}: the export cannot be asked ({reason}); export a model that answers"
        ) from error
    return str(answers[0])


def _signature() -> Any:
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, ParamSchema, ParamSpec, Schema

    return ModelSignature(
        inputs=Schema([ColSpec("string", "image"), ColSpec("string", "question")]),
        outputs=Schema([ColSpec("string")]),
        params=ParamSchema([ParamSpec("max_new_tokens", "long", 64), ParamSpec("n_voco", "long", 0)]),
    )


def _example() -> tuple[Any, dict[str, int]]:
    """A small picture with a question, and the parameters."""
    import pandas
    from PIL import Image

    file = io.BytesIO()
    Image.new("RGB", (SIDE, SIDE), (200, 30, 30)).save(file, "PNG")
    image = base64.b64encode(file.getvalue()).decode()
    return pandas.DataFrame({"image": [image], "question": [QUESTION]}), {"max_new_tokens": 64, "n_voco": 0}


def _place_model(out: Path) -> None:
    """The model's folder beside `MLmodel`, and nothing in that which differs from one export to the next."""
    import yaml

    (copied,) = (out / "artifacts").iterdir()  # MLflow calls it as the folder that was given
    copied.rename(out / MODEL)
    (out / "artifacts").rmdir()
    path = out / "MLmodel"
    described: dict[str, Any] = yaml.safe_load(path.read_text("utf-8"))
    flavor = described["flavors"]["python_function"]
    flavor["artifacts"] = {MODEL: {"path": MODEL, "uri": MODEL}}
    flavor["model_code_path"] = CODE.name
    for changing in ("utc_time_created", "model_uuid", "model_id"):
        described.pop(changing, None)
    text = yaml.safe_dump(described, sort_keys=True)
    described["model_uuid"] = hashlib.sha256(text.encode()).hexdigest()[:32]
    path.write_text(yaml.safe_dump(described, sort_keys=True), "utf-8")


def _release(package: str) -> str:
    """The installed version, without the part that names a build for one machine."""
    return version(package).split("+")[0]


@contextmanager
def _quiet() -> Iterator[None]:
    """MLflow advises and shows its progress on stderr; errors still show."""
    import logging
    import os

    logger, bars = logging.getLogger("mlflow"), "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR"
    level, shown = logger.level, os.environ.get(bars)
    logger.setLevel(logging.ERROR)
    os.environ[bars] = "false"
    try:
        yield
    finally:
        logger.setLevel(level)
        os.environ.pop(bars, None)
        if shown is not None:
            os.environ[bars] = shown
