"""VoCo-LLaMA as a library: an image compressed into a few tokens inside the language model.

Names are imported on first use, so that `import voco_model` costs nothing.
"""

from importlib import import_module
from typing import Any

_HOMES = {
    "Assistant": "assistant",
    "VocoCache": "cache",
    "VocoCacheStore": "store",
    "VocoConfig": "config",
    "VocoError": "errors",
    "VocoForConditionalGeneration": "model",
    "VocoProcessor": "processing.processor",
    "preset": "config",
    "sample_frames": "video",
}
__all__ = sorted(_HOMES)


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"voco_model has no {name}; it has {', '.join(__all__)}")
    return getattr(import_module(f"voco_model.{_HOMES[name]}"), name)
