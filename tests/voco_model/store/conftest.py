"""A store's folder, and the size of an entry."""

from pathlib import Path

import pytest

from tests.voco_model.store.entries import cache_of, key_of


@pytest.fixture
def file_bytes(tmp_path: Path) -> int:
    return cache_of(key_of(0)).save(tmp_path / "one entry").stat().st_size


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "store"
