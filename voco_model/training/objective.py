"""What is minimised: cross-entropy on answers, and the divergence from a teacher that sees the picture itself."""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from voco_model.embedding import PICTURE_DIM
from voco_model.segments import NO_IMAGE, Kind
from voco_model.training.ranks import ranks
from voco_model.training.recipe import Distillation
from voco_model.training.recipe import Objective as Settings

IGNORED = -100


@dataclass(frozen=True)
class Loss:
    """One batch's loss, and what it is made of."""

    total: Tensor
    parts: dict[str, Tensor]
    """Detached, by name: ce, and kl where a teacher is asked."""


class Objective:
    """Called with a model and a batch in each step; everything drawn depends on seed and step alone."""

    def __init__(self, settings: Settings, seed: int, steps: int, teacher: nn.Module | None = None) -> None:
        """steps: of the whole run, for λ's schedule. teacher: another model; None is the trained one itself."""
        self.settings, self.seed, self.steps, self.teacher = settings, seed, steps, teacher

    def __call__(
        self, model: nn.Module, inputs: dict[str, Any], step: int, num_items: Tensor | int | None = None
    ) -> Loss:
        """The loss of one micro batch, as its share of the `num_items` labels of the whole step."""
        weight = weight_at(self.settings.distillation, step, self.steps)
        drawn = self.tokens_at(step)
        chosen = {} if drawn is None else {"n_voco": drawn}
        if not weight:
            out = model(**inputs, **chosen, num_items_in_batch=num_items)
            return Loss(out.loss, {"ce": out.loss.detach()})
        inputs = self._seen_once(model, inputs)
        taught = self._teacher_logits(model, inputs)
        out = model(**inputs, **chosen, num_items_in_batch=num_items)
        if out.logits is None:  # truncation cut all answers
            return Loss(out.loss, {"ce": out.loss.detach()})
        items = out.logits.shape[0] if num_items is None else num_items
        kl = divergence(taught, out.logits, self.settings.distillation.temperature) / items
        return Loss(out.loss + weight * kl, {"ce": out.loss.detach(), "kl": kl.detach()})

    def tokens_at(self, step: int) -> int | None:
        """How many VoCo tokens this step reads: the same on all ranks and in all micro batches."""
        elastic = self.settings.elastic
        if not elastic:
            return None
        chance = torch.Generator().manual_seed(_mixed(self.seed, step))
        weights = torch.tensor(list(elastic.values()), dtype=torch.float64)
        return list(elastic)[int(torch.multinomial(weights, 1, generator=chance))]

    def _seen_once(self, model: nn.Module, inputs: dict[str, Any]) -> dict[str, Any]:
        """The batch with the tower's features in its pixels' place: both readings share one look.

        Not on several ranks: one without pictures runs the tower in each reading, and all run the same modules.
        """
        pixels = inputs.get("pixel_values")
        own: Any = getattr(model, "module", model)
        each_looks = self.teacher is not None or ranks() > 1
        if pixels is None or pixels.dim() != PICTURE_DIM or each_looks:
            return inputs
        return inputs | {"pixel_values": own.vision_features(pixels)}

    @torch.no_grad()
    def _teacher_logits(self, model: nn.Module, inputs: dict[str, Any]) -> Tensor | None:
        """Logits at the labels, by a model that reads all vision tokens and no VoCo token."""
        kinds, images = inputs["kinds"], inputs["images"]
        voco = kinds == Kind.VOCO
        bare = {
            "kinds": kinds.masked_fill(voco, Kind.PAD),
            "images": images.masked_fill(voco, NO_IMAGE),
        }
        teacher = model if self.teacher is None else self.teacher
        return teacher(**inputs | bare, reading="causal").logits


def divergence(teacher: Tensor | None, student: Tensor, temperature: float) -> Tensor:
    """KL(teacher ‖ student) summed over positions, both softened, scaled so that gradients keep their size."""
    if teacher is None:
        return student.sum() * 0
    wide = torch.promote_types(student.dtype, torch.float32)
    aims, says = (F.log_softmax(logits.to(wide) / temperature, -1) for logits in (teacher, student))
    return F.kl_div(says, aims, reduction="sum", log_target=True) * temperature**2


def weight_at(settings: Distillation, step: int, steps: int) -> float:
    """λ in a step, counted from 0."""
    done = min(1.0, (step + 1) / steps)
    share = {"constant": 1.0, "rising": done, "falling": 1 - step / steps}[settings.schedule]
    return settings.weight * max(0.0, share)


def _mixed(seed: int, step: int) -> int:
    """One number for both, far from those of neighbouring steps."""
    return (seed * 0x9E3779B97F4A7C15 + step * 0xBF58476D1CE4E5B9) % 2**63
