"""The test scenes and clips that all benchmarks draw from, and their files."""

import io
import json
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, Literal

from PIL import Image

from data.world.benchmarks.clip_facts import clip_facts
from data.world.benchmarks.facts import Fact, image_facts
from data.world.drawing import draw, write_mp4
from data.world.scenes import LEVELS, Clip, Scene, make_clip, make_scene
from voco_model.files import whole_file

JPEG = {"quality": 95, "subsampling": 0}


class Pool:
    """Scenes and clips of the test split with all their facts; each picture is made at most once."""

    def __init__(self, seed: int, level: int, n_scenes: int, n_clips: int) -> None:
        self.size = (LEVELS[level].pixels, LEVELS[level].pixels)
        self.scenes = [make_scene(seed, "test", i, level) for i in range(n_scenes)]
        self.clips = [make_clip(seed, "test", i, level) for i in range(n_clips)]
        self._facts = _by_kind(fact for scene in self.scenes for fact in image_facts(scene))
        self._clip_facts = _by_kind(fact for clip in self.clips for fact in clip_facts(clip))
        self._number = {scene.name: i for i, scene in enumerate(self.scenes)}
        self._number |= {clip.name: i for i, clip in enumerate(self.clips)}
        self._pictures: dict[str, Image.Image] = {}
        self._encoded: dict[tuple[str, str], bytes] = {}

    def number(self, about: Scene | Clip) -> int:
        """Its place in the pool."""
        return self._number[about.name]

    def facts(self, *kinds: str) -> list[Fact]:
        """All that is asked about scenes, of some kinds."""
        return [fact for kind in kinds for fact in self._facts.get(kind, [])]

    def clip_facts(self, *kinds: str) -> list[Fact]:
        """The same about clips."""
        return [fact for kind in kinds for fact in self._clip_facts.get(kind, [])]

    def picture(self, scene: Scene) -> Image.Image:
        """The scene as drawn."""
        if scene.name not in self._pictures:
            self._pictures[scene.name] = draw(scene)
        return self._pictures[scene.name]

    def image(self, scene: Scene, form: Literal["JPEG", "PNG"] = "JPEG") -> bytes:
        """The bytes of the scene's picture file."""
        key = (scene.name, form)
        if key not in self._encoded:
            buffer = io.BytesIO()
            self.picture(scene).save(buffer, form, **(JPEG if form == "JPEG" else {}))
            self._encoded[key] = buffer.getvalue()
        return self._encoded[key]

    def video(self, clip: Clip) -> bytes:
        """The bytes of the clip's mp4 file."""
        key = (clip.name, "mp4")
        if key not in self._encoded:
            with tempfile.TemporaryDirectory() as folder:
                path = Path(folder) / "clip.mp4"
                write_mp4(clip, path)
                self._encoded[key] = path.read_bytes()
        return self._encoded[key]

    def save_images(self, facts: Iterable[Fact], path_of: Callable[[Fact], Path]) -> None:
        """Each fact's picture at `path_of(fact)`; those of one path are written once."""
        for path, fact in {path_of(fact): fact for fact in facts}.items():
            write_bytes(path, self.image(fact.about))


def _by_kind(facts: Iterable[Fact]) -> dict[str, list[Fact]]:
    kinds: dict[str, list[Fact]] = {}
    for fact in facts:
        kinds.setdefault(fact.kind, []).append(fact)
    return kinds


def write_bytes(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)


def write_text(path: Path, text: str) -> None:
    """UTF-8 with plain line feeds, wherever it runs."""
    with whole_file(path) as temporary:
        temporary.write_bytes(text.encode())


def write_json(path: Path, value: Any, indent: int | None = None) -> None:
    write_text(path, json.dumps(value, ensure_ascii=False, indent=indent))
