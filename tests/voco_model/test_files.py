"""Folders that appear under their names only when they are whole."""

import pytest

from voco_model.files import whole_folder


def test_a_folder_takes_the_place_of_what_was_there(tmp_path):
    for text in ("first", "second"):
        with whole_folder(tmp_path / "above/out") as folder:
            (folder / text).write_text(text)
            assert not (tmp_path / "above/out" / text).exists()
    assert [path.name for path in (tmp_path / "above").rglob("*")] == ["out", "second"]


def test_a_block_that_fails_leaves_everything_as_it_was(tmp_path):
    with whole_folder(tmp_path / "out") as folder:
        (folder / "old").write_text("")

    def fail() -> None:
        with whole_folder(tmp_path / "out") as folder:
            (folder / "new").write_text("")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["old", "out"]
