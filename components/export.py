<<<<<<< HEAD
"""Export: the model as others load it, with what it is worth and what it consists of.

exported/
  MLmodel, answering.py, code/   an MLflow model made from code: pictures and questions to answers
  model/                         weights as safetensors, configuration, processor
  tables/ efficiency/            what evaluation and profiling found
  README.md                      the model card
  manifest.json                  every file by its sha256
"""

import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

from components.exporting.card import card, markdown
from components.exporting.manifest import Manifest, write_manifest
from components.stepping.digests import files_below
from components.stepping.job import Done, Job
from voco_model.errors import VocoError

PICKLES = frozenset({".bin", ".pt", ".pth", ".pkl", ".pickle", ".ckpt", ".joblib"})
NEEDED = ("config.json", "processor_config.json", "tokenizer_config.json")
CARD = "README.md"
=======
"""Export: the model as others load it, with what it is worth.

FOLDER/
  model/           the Hugging Face folder with its processor
  MLmodel, ...     an MLflow model made from code: answering_model.py, code/, requirements, signature, example
  tables/          what it scored    efficiency/  what it saves    README.md  the model card
  manifest.json    sha256 of every file
"""

import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from components.stepping.digests import content_of, files_below
from components.stepping.job import Done, Job
from voco_model.errors import VocoError
from voco_model.files import whole_folder

MANIFEST = "manifest.json"
FORMAT = 1
>>>>>>> late2


@dataclass(frozen=True)
class ExportConfig:
<<<<<<< HEAD
    """What is exported to where."""

    model: Path
    """A folder that training left."""
    out: Path
    name: str = "voco-llama"
    """What the model card calls it."""
    tables: Path | None = None
    """What `summarise` made."""
    efficiency: Path | None = None
    """What `profile` made."""
    check: bool = True
    """Whether the export is loaded and asked a question before it appears."""


def export(config: ExportConfig) -> Manifest:
    """Write `out`, whole or not at all."""
    check_model(config.model)
    if config.out.exists():
        raise VocoError(f"{config.out}: is there already; give another folder, or remove it")
    config.out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{config.out.name}.", dir=config.out.parent) as folder:
        made = Path(folder) / "made"
        manifest = _write(config, made)
        made.rename(config.out)
    return manifest


def check_model(model: Path) -> None:
    """Refuse a folder that is no whole model, or that holds a pickle."""
    for name in NEEDED:
        if not (model / name).is_file():
            raise VocoError(f"{model}: {name} is missing; give a model's folder as training leaves it")
    if not list(model.glob("*.safetensors")):
        raise VocoError(f"{model}: no weights as safetensors in it; save the model with save_pretrained")
    for path in files_below(model):
        if path.suffix.lower() in PICKLES:
            raise VocoError(f"{path}: may be a pickle, which whoever loads it would run; remove it from the model")


def _write(config: ExportConfig, out: Path) -> Manifest:
    from components.exporting import pyfunc

    pyfunc.save(config.model, out)
    for name, folder in (("tables", config.tables), ("efficiency", config.efficiency)):
        if folder is not None:
            shutil.copytree(folder, out / name)
    tables, efficiency = markdown(config.tables, "tables"), markdown(config.efficiency, "efficiency")
    (out / CARD).write_text(card(config.model, config.name, tables, efficiency), "utf-8")
    if config.check:
        pyfunc.ask(out)
    _remove_caches(out)
    return write_manifest(out)


def _remove_caches(out: Path) -> None:
    """Asking compiles the code that lies in the export; what comes of that is no part of it."""
    for folder in list(out.rglob("__pycache__")):
        shutil.rmtree(folder)


def step(job: Job) -> Done:
    """As a pipeline runs it: `model`, `tables`, `efficiency` in, `exported` out."""
    job.check_settings({"name", "check"})
    out = job.outputs["exported"]
    config = ExportConfig(
        model=job.input("model"),
        out=out,
        name=str(job.setting("name", ExportConfig.name)),
        tables=job.inputs.get("tables"),
        efficiency=job.inputs.get("efficiency"),
        check=bool(job.setting("check", True)),
    )
    manifest = export(config)
    size = sum(path.stat().st_size for path in files_below(out))
    weights = sum(path.stat().st_size for path in (out / "model").glob("*.safetensors"))
    figures = {"files": float(len(manifest.files)), "bytes": float(size), "weight_bytes": float(weights)}
    return Done(figures, {"sha256": manifest.sha256}, (out / CARD,))
=======
    """What is exported."""

    model: Path
    tables: Path
    efficiency: Path
    out: Path
    name: str = "voco-llama"
    """As the card calls it."""


def step(job: Job) -> Done:
    """As a pipeline runs it: `model`, `tables` and `efficiency` in, `exported` out."""
    job.check_settings({"name"})
    inputs = (job.input(name) for name in ("model", "tables", "efficiency"))
    manifest = export(ExportConfig(*inputs, job.outputs["exported"], **job.settings))
    out = job.outputs["exported"]
    figures = {"files": float(len(manifest["files"])), "parameters": float(manifest["parameters"])}
    figures["bytes"] = float(sum((out / name).stat().st_size for name in manifest["files"]))
    return Done(figures, {"model": manifest["model"]}, (out / "README.md",))


def export(config: ExportConfig) -> dict[str, Any]:
    """Write `config.out`, and return its manifest."""
    from components.exporting.card import card
    from components.exporting.pyfunc import add_pyfunc
    from voco_model.assistant import Assistant

    model = Assistant.from_pretrained(config.model).model
    digest, parameters = model.digest(), sum(p.numel() for p in model.parameters())
    _check_same(config, digest)
    with whole_folder(config.out) as folder:
        shutil.copytree(config.model, folder / "model")
        shutil.copytree(config.tables, folder / "tables")
        shutil.copytree(config.efficiency, folder / "efficiency")
        add_pyfunc(folder, digest[:32])
        tables = (config.tables / "tables.md").read_text("utf-8")
        efficiency = (config.efficiency / "efficiency.md").read_text("utf-8")
        text = card(config.name, model.config, digest, parameters, config.model, tables, efficiency)
        (folder / "README.md").write_text(text, "utf-8")
        files = {path.relative_to(folder).as_posix(): content_of(path).sha256 for path in files_below(folder)}
        manifest = {"format": FORMAT, "model": digest, "parameters": parameters, "files": files}
        (folder / MANIFEST).write_text(json.dumps(manifest, indent=1, sort_keys=True) + "\n", "utf-8")
    return manifest


def check_manifest(folder: Path) -> dict[str, Any]:
    """The manifest, if every file that it names is there and unchanged."""
    path = folder / MANIFEST
    try:
        manifest: dict[str, Any] = json.loads(path.read_text("utf-8"))
        files = dict(manifest["files"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise VocoError(f"{path}: not an export's manifest ({error}); export the model again") from None
    for name, sha256 in files.items():
        if not (folder / name).is_file():
            raise VocoError(f"{folder}: {name} is missing; export the model again")
        if content_of(folder / name).sha256 != sha256:
            raise VocoError(f"{folder}: {name} is not what {MANIFEST} says; export the model again")
    return manifest


def _check_same(config: ExportConfig, digest: str) -> None:
    """Tables and efficiency of another model are refused."""
    from voco_model.evaluation.summary import outcomes_of
    from voco_model.profiling.profile import JSON

    measured = {f"{config.tables}: {name}": one.about["model"] for name, one in outcomes_of(config.tables).items()}
    measured[str(config.efficiency)] = json.loads((config.efficiency / JSON).read_text("utf-8"))["model"]
    for where, other in measured.items():
        if other != digest:
            raise VocoError(
                f"{where} is about model {other[:12]}, this is {digest[:12]}; evaluate and profile this one"
            )
>>>>>>> late2
