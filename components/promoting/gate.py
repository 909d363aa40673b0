"""The gate as its file states it: thresholds, checked when they are read."""

from pathlib import Path
from typing import Annotated, Literal

import yaml
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from components.stepping.digests import text_digest
from voco_model.errors import VocoError
from voco_model.evaluation.benchmarks import names

SHIPPED = Path(__file__).parents[2] / "pipelines" / "gate.yaml"
Number = Annotated[float, Field(allow_inf_nan=False)]


def _known(name: str) -> str:
    if name not in names():
        raise ValueError(f"no benchmark {name!r}; known: {', '.join(names())}")
    return name


Known = Annotated[str, AfterValidator(_known)]
"""A benchmark's name."""


class _Wanted(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class RetentionWanted(_Wanted):
    """How much of the uncompressed reading is left, by default on average over the benchmarks that have bounds."""

    n_voco: Annotated[int, Field(gt=0)]
    at_least: Number
    """Percent."""
    by: Literal["value", "low"] = "low"
    """Whether the figure itself must reach it, or the lower end of its interval."""
    benchmark: Known | None = None
    """On this one alone."""


class CacheWanted(_Wanted):
    """How little is kept for an image."""

    n_voco: Annotated[int, Field(gt=0)]
    at_most_share: Annotated[float, Field(gt=0, le=1)]
    """Of the bytes that the whole picture's keys and values take."""


class ChampionWanted(_Wanted):
    """How the challenger stands against the champion on each benchmark, question by question."""

    n_voco: Annotated[int, Field(gt=0)]
    margin: Annotated[float, Field(ge=0, allow_inf_nan=False)]
    """Points by which it may be worse."""
    margins: dict[Known, Annotated[float, Field(ge=0, allow_inf_nan=False)]] = Field(default_factory=dict)
    """The same for single benchmarks, where they are asked for more or less."""
    by: Literal["value", "low"] = "low"
    """`low`: the difference's whole interval lies above -margin; `value`: the difference itself does."""


class OnnxWanted(_Wanted):
    """How far the exported graphs in ONNX Runtime may be from the model; their answers must be the same."""

    at_most: Annotated[float, Field(gt=0, allow_inf_nan=False)]
    """Of any logit, absolute."""
    required: bool = True
    """Whether a model that was exported without graphs fails."""


class Gate(_Wanted):
    """Everything that is asked for."""

    retention: Annotated[tuple[RetentionWanted, ...], Field(strict=False)] = ()
    cache: CacheWanted | None = None
    validation: bool = True
    """Whether every data set must have kept its contract."""
    champion: ChampionWanted | None = None
    onnx: OnnxWanted | None = None
    audit: bool = False
    """Whether everything that an audit looks at must be right: in a run, the exported files; later, all of it."""

    @property
    def sha256(self) -> str:
        """What this gate is called; one from before ONNX could be asked for keeps its name."""
        said = self.model_dump(mode="json")
        if self.onnx is None:
            del said["onnx"]
        return text_digest(said)


def load_gate(path: Path = SHIPPED) -> Gate:
    """A gate file; one that asks for nothing, or for something unknown, is refused."""
    try:
        gate = Gate.model_validate(yaml.safe_load(path.read_text("utf-8")))
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "the file"
        raise VocoError(f"{path}: {where}: {first['msg']}; see {SHIPPED.name} for what can be asked") from None
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise VocoError(f"{path}: no gate can be read there ({' '.join(str(error).split())[:200]})") from None
    if not (gate.retention or gate.cache or gate.validation or gate.champion or gate.onnx or gate.audit):
        raise VocoError(f"{path}: asks for nothing, so every model would pass; state at least one criterion")
    return gate
