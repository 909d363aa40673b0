"""A plug-in for lmms-eval, another evaluation harness: its tasks ask our checkpoints.

    pip install lmms-eval
    lmms-eval --model voco --model_args pretrained=runs/voco/model,n_voco=1 --tasks gqa,pope --batch_size 16

Its registry (0.7 and newer) finds `manifest` by this package's entry point in the group `lmms_eval.models`, and by
that the class `Voco`, which is made when it is first asked for: nothing else here needs lmms-eval. Its 0.7.3 wants
an older av than this project pins, so an environment of their own is best for the two.
"""

from functools import lru_cache
from typing import Any

from voco_model.errors import VocoError
from voco_model.harness.answering import Answering

NAME = "voco"
CLASS = "Voco"


def manifest() -> Any:
    """What the harness's registry wants to know of us."""
    registry = _harness("lmms_eval.models.registry_v2")
    return registry.ModelManifest(model_id=NAME, simple_class_path=f"{__name__}.{CLASS}")


@lru_cache
def model_class() -> type:
    """Our answers behind the harness's own base class, registered under our name."""
    base = _harness("lmms_eval.api.model").lmms
    made = type(CLASS, (Answering, base), {"__doc__": Answering.__doc__, "__module__": __name__})
    _harness("lmms_eval.api.registry").register_model(NAME)(made)
    return made


def _harness(module: str) -> Any:
    from importlib import import_module

    try:
        return import_module(module)
    except ImportError as error:
        raise VocoError(
            f"lmms-eval cannot be imported ({error}); install it beside this package: pip install 'lmms-eval>=0.7'"
        ) from None


def __getattr__(name: str) -> Any:
    if name == CLASS:
        return model_class()
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
