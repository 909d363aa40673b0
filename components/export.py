"""Export: the model as others load it, with what it is worth and what it consists of.

exported/
  MLmodel, answering.py, code/   an MLflow model made from code: pictures and questions to answers
  model/                         weights as safetensors, configuration, processor
  onnx/                          the same in two ONNX graphs, and how far their numbers are from the model's
  tables/ efficiency/            what evaluation and profiling found
  README.md                      the model card
  manifest.json                  every file by its sha256
"""

import json
import shutil
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path

from components.exporting import pyfunc
from components.exporting.card import card, markdown
from components.exporting.manifest import Manifest, write_manifest
from components.promoting.evidence import GRAPHS
from components.stepping.digests import files_below
from components.stepping.job import Done, Job
from voco_model.errors import VocoError

PICKLES = frozenset({".bin", ".pt", ".pth", ".pkl", ".pickle", ".ckpt", ".joblib"})
NEEDED = ("config.json", "processor_config.json", "tokenizer_config.json")
CARD = "README.md"


@dataclass(frozen=True)
class ExportConfig:
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
    onnx: bool = False
    """Whether ONNX graphs are made too, and held to the model."""


def export(config: ExportConfig) -> Manifest:
    """Write `out`, whole or not at all."""
    check_model(config.model)
    check_same(config)
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


def check_same(config: ExportConfig) -> None:
    """Refuse tables and an efficiency that were measured on different models."""
    told: dict[str, Path] = {}
    for folder, pattern in ((config.tables, "benchmarks/*/result.json"), (config.efficiency, "efficiency.json")):
        for path in sorted(folder.glob(pattern)) if folder else ():
            found = json.loads(path.read_text("utf-8"))
            if digest := found.get("model") or found.get("about", {}).get("model"):
                told.setdefault(str(digest), path)
    if len(told) > 1:
        (one, here), (other, there) = list(told.items())[:2]
        raise VocoError(
            f"{here} is about model {one[:12]}, {there} about {other[:12]}; evaluate and profile the same one"
        )


def _write(config: ExportConfig, out: Path) -> Manifest:
    pyfunc.save(config.model, out)
    for name, folder in (("tables", config.tables), ("efficiency", config.efficiency)):
        if folder is not None:
            shutil.copytree(folder, out / name)
    tables, efficiency = markdown(config.tables, "tables"), markdown(config.efficiency, "efficiency")
    (out / CARD).write_text(card(config.model, config.name, tables, efficiency), "utf-8")
    if config.onnx:
        _write_graphs(out)
    if config.check:
        pyfunc.ask(out)
    _remove_caches(out)
    return write_manifest(out)


def _write_graphs(out: Path) -> None:
    """The graphs, and how far ONNX Runtime's numbers are from the model's."""
    from voco_model.assistant import Assistant
    from voco_model.portable.graphs import write_graphs
    from voco_model.portable.parity import measure, write_parity
    from voco_model.portable.reading import OnnxReader

    assistant = Assistant.from_pretrained(out / pyfunc.MODEL)
    write_graphs(assistant.model, assistant.processor, out / GRAPHS)
    write_parity(measure(assistant, OnnxReader(out / GRAPHS, assistant.processor)), out / GRAPHS)


def _remove_caches(out: Path) -> None:
    """Asking compiles the code that lies in the export; what comes of that is no part of it."""
    for folder in list(out.rglob("__pycache__")):
        shutil.rmtree(folder)


def step(job: Job) -> Done:
    """As a pipeline runs it: `model`, `tables`, `efficiency` in, `exported` out."""
    job.check_settings({"name", "check", "onnx"})
    out = job.outputs["exported"]
    config = ExportConfig(
        model=job.input("model"),
        out=out,
        name=str(job.setting("name", ExportConfig.name)),
        tables=job.inputs.get("tables"),
        efficiency=job.inputs.get("efficiency"),
        check=bool(job.setting("check", True)),
        onnx=bool(job.setting("onnx", False)),
    )
    manifest = export(config)
    size = sum(path.stat().st_size for path in files_below(out))
    weights = sum(path.stat().st_size for path in (out / "model").glob("*.safetensors"))
    figures = {"files": float(len(manifest.files)), "bytes": float(size), "weight_bytes": float(weights)}
    if config.onnx:
        from voco_model.portable.parity import read_parity

        parity = asdict(read_parity(out / GRAPHS))
        figures |= {f"onnx.{name}": float(value) for name, value in parity.items()}
    return Done(figures, {"sha256": manifest.sha256}, (out / CARD,))
