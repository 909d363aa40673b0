"""Two benchmarks of a few questions about noise, in their official files, and a model."""

from pathlib import Path

import numpy as np
import torch
from PIL import Image

from tests.voco_model.evaluation.writing import write
from tests.voco_model.video.clips import make
from tests.voco_model.worlds import model
from voco_model.assistant import Assistant
from voco_model.processing.processor import VocoProcessor
from voco_model.processing.tokenizer import byte_tokenizer

PICTURES, CLIPS = 3, 2
ASKED = ("What?", "What colour is the thing that lies on the left?", "Is it big?", "Where is it?")


def assistant(seed: int = 0, dtype: torch.dtype = torch.float64, **options) -> Assistant:
    torch.manual_seed(seed)
    made = model(n_voco=4, dtype=dtype, **options)
    if seed:
        with torch.no_grad():
            for parameter in made.parameters():
                parameter.add_(0.1 * torch.randn_like(parameter))
    return Assistant(made, VocoProcessor.for_model(made.config, byte_tokenizer(), template="short"))


def baseline(n_voco: int = 1, **options) -> Assistant:
    """Another model, such as one with compressor="avgpool"."""
    torch.manual_seed(2)
    made = model(n_voco=n_voco, dtype=torch.float32, **options)
    return Assistant(made, VocoProcessor.for_model(made.config, byte_tokenizer(), template="short"))


def gqa(folder: Path) -> Path:
    """Twelve questions about three pictures, those about one picture not side by side."""
    questions = {}
    for number in range(PICTURES * len(ASKED)):
        picture = number % PICTURES
        questions[f"{number:03d}"] = {
            "imageId": str(picture),
            "question": ASKED[number // PICTURES],
            "answer": "yes" if number % 2 else "red",
            "isBalanced": True,
            "types": {"structural": "query", "semantic": "attr", "detailed": "colour"},
            "semantic": [{"operation": "select", "argument": "thing", "dependencies": []}],
            "groups": {"global": None, "local": "1"},
            "entailed": [],
        }
    write(folder / "testdev_balanced_questions.json", questions)
    (folder / "images").mkdir()
    chance = np.random.default_rng(0)
    for picture in range(PICTURES):
        noise = chance.integers(0, 255, (40, 50, 3), dtype=np.uint8)
        Image.fromarray(noise).save(folder / "images" / f"{picture}.jpg")
    return folder


def msvd_qa(folder: Path) -> Path:
    """Two questions about each of two clips."""
    folder.mkdir(parents=True)
    questions = [
        {"id": number, "video_id": number % CLIPS, "question": ASKED[number], "answer": "dog"}
        for number in range(2 * CLIPS)
    ]
    write(folder / "test_qa.json", questions)
    (folder / "YouTubeClips").mkdir()
    for clip in range(CLIPS):
        make(folder / "YouTubeClips" / f"vid{clip}.mp4", range(6 + clip))
    return folder
