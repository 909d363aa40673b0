"""The price table: what an hour of each kind of node costs."""

import datetime
import os
from pathlib import Path
from typing import Annotated

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from pipelines.resources import Resources
from voco_model.errors import VocoError

SHIPPED = Path(__file__).parents[1] / "prices.yaml"
Above0 = Annotated[float, Field(gt=0, allow_inf_nan=False)]


class Node(BaseModel):
    """One kind of node."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    instance: str
    hour: Above0
    cpus: Annotated[int, Field(ge=1)]
    gpus: Annotated[int, Field(ge=0)] = 0


class Prices(BaseModel):
    """The table with where it comes from and when."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    source: str
    date: datetime.date
    currency: str
    spot_share: Annotated[float, Field(gt=0, le=1)] = 1.0
    nodes: dict[str, Node]

    def hour(self, resources: Resources) -> float:
        """Of a task: by its share of its nodes' GPUs, or of a CPU node's processors."""
        kind = resources.selector().get("voco/gpu") or ("cpu" if resources.pool == "cpu" else None)
        if kind is None or kind not in self.nodes:
            raise VocoError(
                f"no price of {kind or 'any GPU'}; there are {', '.join(self.nodes)}: add it (--prices)"
            )
        node = self.nodes[kind]
        share = resources.gpus / node.gpus if resources.gpus else _cpus(resources.cpu) / node.cpus
        spot = self.spot_share if resources.capacity == "spot" else 1.0
        return node.hour * min(1.0, share) * resources.nodes * spot


def load_prices(path: Path | None = None) -> Prices:
    """A file, else that of VOCO_PRICES, else the shipped one."""
    chosen = path or Path(os.environ.get("VOCO_PRICES") or SHIPPED)
    try:
        return Prices.model_validate(yaml.safe_load(chosen.read_text("utf-8")))
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"])) or "the file"
        raise VocoError(f"{chosen}: {place}: {first['msg']}; see {SHIPPED.name} in pipelines/") from None
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise VocoError(f"{chosen}: cannot be read as prices ({error})") from None


def _cpus(text: str) -> float:
    return float(text[:-1]) / 1000 if text.endswith("m") else float(text)
