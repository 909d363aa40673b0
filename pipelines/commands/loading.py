"""Loading a saved model for a command: quietly, since a command's output is its answer."""

from pathlib import Path

from voco_model.assistant import Assistant


def quiet() -> None:
    """No progress bars and no advice from the libraries; errors still show."""
    from transformers.utils import logging

    logging.disable_progress_bar()
    logging.set_verbosity_error()


def load_assistant(folder: Path) -> Assistant:
    """The model and processor of a folder, on the GPU where there is one."""
    import torch

    quiet()
    return Assistant.from_pretrained(folder, device="cuda" if torch.cuda.is_available() else "cpu")
