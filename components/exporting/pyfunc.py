"""An export as an MLflow model made from code: signature, example, requirements, and no trace of when or where."""

import base64
import io
import logging
import os
import shutil
import tempfile
import warnings
from importlib import metadata
from pathlib import Path
from typing import Any

import yaml

import voco_model

CODE = Path(__file__).with_name("answering_model.py")
REQUIRED = (
    "mlflow",
    "torch",
    "transformers",
    "tokenizers",
    "safetensors",
    "numpy",
    "pillow",
    "av",
    "filelock",
    "pyarrow",
    "pydantic",
    "pyyaml",
    "pandas",
)
MODEL = "model"


def add_pyfunc(folder: Path, identity: str) -> None:
    """Make `folder`, which holds the saved model in `model/`, loadable by mlflow.pyfunc.

    identity: 32 hexadecimal digits that name the model, so that the same model is the same export.
    """
    with tempfile.TemporaryDirectory() as name:
        work = Path(name)
        stand_in = work / MODEL  # MLflow copies what it is given, and a model of many gigabytes is here already
        stand_in.mkdir()
        (stand_in / "config.json").write_text("{}")
        made = work / "made"
        _save(made, stand_in, _code(work))
        shutil.rmtree(made / "artifacts")
        _tidy(made / "MLmodel", identity)
        for path in sorted(made.iterdir()):
            shutil.move(path, folder / path.name)


def _save(made: Path, model: Path, code: Path) -> None:
    os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
    import mlflow

    logging.getLogger("mlflow").setLevel(logging.WARNING)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="(?s).*type hint")
        mlflow.pyfunc.save_model(
            str(made),
            python_model=str(CODE),
            artifacts={MODEL: str(model)},
            code_paths=[str(code)],
            pip_requirements=requirements(),
            signature=_signature(),
            input_example=_example(),
        )


def requirements() -> list[str]:
    """What is installed here, without a build's suffix such as +cpu."""
    return [f"{name}=={metadata.version(name).split('+')[0]}" for name in REQUIRED]


def _code(work: Path) -> Path:
    """The library's sources alone."""
    assert voco_model.__file__
    target = work / "voco_model"
    shutil.copytree(Path(voco_model.__file__).parent, target, ignore=shutil.ignore_patterns("__pycache__"))
    return target


def _signature() -> Any:
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, ParamSchema, ParamSpec, Schema

    asked = Schema([ColSpec("string", "image"), ColSpec("string", "question")])
    params = ParamSchema([ParamSpec("max_new_tokens", "long", 64), ParamSpec("n_voco", "long", 0)])
    return ModelSignature(asked, Schema([ColSpec("string")]), params)


def _example() -> Any:
    import pandas
    from PIL import Image

    buffer = io.BytesIO()
    Image.new("RGB", (32, 32), (200, 30, 30)).save(buffer, "PNG")
    shown = base64.b64encode(buffer.getvalue()).decode()
    return pandas.DataFrame({"image": [shown], "question": ["What colour is it?"]})


def _tidy(path: Path, identity: str) -> None:
    """The saved model lies beside MLmodel and not in a copy; nothing says when and where it was exported."""
    about = yaml.safe_load(path.read_text("utf-8"))
    about["flavors"]["python_function"]["artifacts"] = {MODEL: {"path": MODEL, "uri": MODEL}}
    about["flavors"]["python_function"]["model_code_path"] = CODE.name
    about["model_uuid"] = identity
    for key in ("utc_time_created", "model_id", "model_size_bytes", "run_id", "artifact_path"):
        about.pop(key, None)
    path.write_text(yaml.safe_dump(about, sort_keys=True), "utf-8")
