"""What each stage trains, how the model reads in it, and what must have come before."""

from typing import Any, get_args

from torch import nn

from voco_model.errors import VocoError
from voco_model.training.recipe import Part, Recipe, Stage, Variant

ORDER: tuple[Stage, ...] = get_args(Stage)
BY_DECODER: tuple[Variant, ...] = ("voco", "upper")
"""Variants whose images are vision tokens in the decoder; the others compress before it."""


def check_order(recipe: Recipe, history: list[dict[str, Any]]) -> None:
    """Refuse a stage that comes too early or too late for what a checkpoint has been through."""
    done = [entry["stage"] for entry in history]
    later = [stage for stage in done if ORDER.index(stage) > ORDER.index(recipe.stage)]
    if later:
        raise VocoError(
            f"{recipe.start.checkpoint}: has been through {later[-1]}, and {recipe.stage} comes before that;"
            f" start {recipe.stage} from an earlier checkpoint"
        )
    if recipe.stage != "continue_video":
        return
    if "instruct" not in done:
        been = ", ".join(done) or "no stage"
        where = recipe.start.checkpoint or "the start"
        raise VocoError(
            f"{where}: has been through {been}, and continue_video goes on from instruct;"
            " give start.checkpoint the folder that instruct left"
        )
    if history[-1]["variant"] != recipe.variant:
        raise VocoError(
            f"{recipe.start.checkpoint}: was instructed as variant {history[-1]['variant']}, not {recipe.variant};"
            " give that variant, or its own instruct checkpoint"
        )


def shows_voco(recipe: Recipe) -> bool:
    """Whether sequences have VoCo places: not in alignment, where text reads the picture itself."""
    return recipe.stage != "align" or recipe.variant not in BY_DECODER


def reading_of(recipe: Recipe) -> str | None:
    """How the model is to read instead of as its configuration says."""
    return None if shows_voco(recipe) else "causal"


def parts_of(model: nn.Module) -> dict[Part, nn.Module]:
    """A VoCo model's parts by name."""
    own: Any = model
    parts: dict[Part, nn.Module] = {"tower": own.vision_tower}
    if own.projector is not None:
        parts["projector"] = own.projector
    if own.compressor is not None:
        parts["voco" if own.config.compressor == "voco" else "compressor"] = own.compressor
    return parts | {"language": own.language_model}


def trained_parts(recipe: Recipe) -> tuple[Part, ...]:
    """The parts that learn: the recipe's choice, or the stage's."""
    if recipe.trained is not None:
        return recipe.trained
    inner = recipe.variant in BY_DECODER
    if recipe.stage == "align":
        return ("projector",) if inner else ("compressor",)
    return ("projector", "voco", "language") if inner else ("compressor", "language")


def freeze(model: nn.Module, recipe: Recipe) -> None:
    """Let the trained parts learn, and nothing else."""
    parts, chosen = parts_of(model), trained_parts(recipe)
    if missing := [part for part in chosen if part not in parts]:
        raise VocoError(
            f"trained names {', '.join(missing)}, which variant {recipe.variant} does not have;"
            f" it has {', '.join(parts)}"
        )
    for name, part in parts.items():
        part.requires_grad_(name in chosen)
    if recipe.language_layers is not None and "language" in chosen:
        _only_last_layers(parts["language"], recipe.language_layers)
    if not any(p.requires_grad for p in model.parameters()):
        raise VocoError("trained is empty, so nothing would learn; name at least one part")


def _only_last_layers(language_model: Any, n: int) -> None:
    layers = language_model.get_decoder().layers
    if n > len(layers):
        raise VocoError(f"language_layers is {n}; this language model has {len(layers)}")
    language_model.requires_grad_(False)
    for layer in layers[-n:]:
        layer.requires_grad_(True)


def frozen_modules(model: nn.Module) -> list[nn.Module]:
    """The parts in which nothing learns; they are run without dropout."""
    return [part for part in parts_of(model).values() if not any(p.requires_grad for p in part.parameters())]
