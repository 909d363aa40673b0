"""Videos made once for all tests here."""

from pathlib import Path

import pytest

from tests.voco_model.video.clips import CLIPS, make


@pytest.fixture(scope="session")
def clips(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("clips")
    for name, (codec, ticks, options) in CLIPS.items():
        rate = 25 if name.endswith(".ts") else 10
        make(folder / name, ticks, rate, codec, **options)
    return folder
