"""Data sets with damage: what can be read is read, the rest is named, and too much of it stops the run."""

from pathlib import Path

import pytest

from tests.voco_model.data.small_sets import Item, all_ids, damage, flat, ids, loader, png, write
from voco_model.data.collating import Reading
from voco_model.data.manifest import MANIFEST_NAME
from voco_model.errors import VocoError


def damaged(tmp_path: Path) -> Path:
    """Twelve pictures; of the records of one picture, r2 and r3, only r2's copy is damaged; r5 is a wrong one."""
    media = [png(n, (60, 60)) for n in range(12)]
    media[3] = media[2]
    items = [Item(media=data) for data in media]
    items[5].media = png(5, (60, 60))[:900]
    items[7].tag = "<image><image>"
    folder = write(tmp_path / "set", items)
    damage(folder, 2, "png")
    damage(folder, 8, "png")
    damage(folder, 11, "json")
    return folder


@pytest.mark.parametrize("workers", [0, 1])
def test_what_cannot_be_read_is_left_out_and_named(tmp_path, workers):
    batches = list(loader(damaged(tmp_path), batch_size=3, max_failed=0.5, workers=workers))
    failures = {failure.id: failure for batch in batches for failure in batch.failures}
    came = flat(ids(batches))
    assert sorted(came) == sorted(f"r{k}" for k in (0, 1, 2, 3, 4, 6, 9, 10))
    assert sorted(failures) == ["r11", "r5", "r7", "r8"]
    assert "cannot be decoded" in failures["r5"].reason
    assert "2 image tags" in failures["r7"].reason
    assert "differs from the manifest" in failures["r8"].reason
    assert "text of record 11 is damaged" in failures["r11"].reason
    assert failures["r11"].shard == "000002.tar"
    for batch in batches:
        assert len(batch.inputs["input_ids"]) == len(batch.ids)


def test_a_damaged_copy_of_a_picture_alone_is_left_out(tmp_path):
    batches = list(loader(damaged(tmp_path), batch_size=3, questions=1, max_failed=0.5))
    assert sorted(f.id for batch in batches for f in batch.failures) == ["r11", "r2", "r5", "r7", "r8"]


def test_past_the_share_the_run_stops_by_name(tmp_path):
    going = loader(damaged(tmp_path), batch_size=3, max_failed=0.25)
    with pytest.raises(VocoError, match=r"shards/00000\d\.tar: record r\d+ .*with it 4 failed.*max_failed=0.25"):
        list(going)
    with pytest.raises(VocoError, match=r"with it [12] failed, more than max_failed=0.0"):
        list(loader(tmp_path / "set", batch_size=3, max_failed=0.0))


def test_the_share_counts_anew_in_every_epoch(tmp_path):
    going = loader(damaged(tmp_path), batch_size=3, max_failed=0.34)
    assert [sum(len(batch.failures) for batch in going) for _ in range(3)] == [4, 4, 4]


@pytest.mark.parametrize("kept", [0, 700, 5000])
def test_a_shard_cut_short_loses_only_what_was_cut(tmp_path, kept):
    folder = write(tmp_path / "set", [Item(media=png(n)) for n in range(10)])
    path = folder / "shards" / "000001.tar"
    path.write_bytes(path.read_bytes()[:kept])
    batches = list(loader(folder, max_failed=0.5))
    lost = [f.id for batch in batches for f in batch.failures]
    assert sorted(lost + flat(ids(batches))) == all_ids(10)
    assert set(lost) <= {f"r{k}" for k in range(5, 10)}
    assert kept == 5000 or len(lost) == 5
    assert kept != 5000 or 1 <= len(lost) < 5


def test_a_shard_of_another_version_is_noticed(tmp_path):
    folder = write(tmp_path / "set", [Item(media=png(n)) for n in range(10)])
    other = write(tmp_path / "other", [Item(media=png(n + 50)) for n in range(5)])
    (folder / "shards" / "000001.tar").write_bytes((other / "shards" / "000000.tar").read_bytes())
    with pytest.raises(VocoError, match=r"record r[5-9] .*not in it; the shard is damaged or of another version"):
        list(loader(folder))


def test_a_video_that_cannot_be_decoded_is_named_by_its_record(tmp_path):
    write(tmp_path / "set", [Item("video", b"no clip at all" * 90, seconds=1.0), Item("text")])
    failures = [f for batch in loader(tmp_path / "set", max_failed=1) for f in batch.failures]
    assert [f.id for f in failures] == ["r0"]
    assert failures[0].reason.startswith("r0: cannot be read as a video")


def test_a_data_set_that_is_not_whole_is_refused_at_once(tmp_path):
    with pytest.raises(VocoError, match=f"no {MANIFEST_NAME} there"):
        loader(tmp_path)
    clips = write(tmp_path / "clips", [Item("video", b"clip", seconds=1.0)])
    with pytest.raises(VocoError, match="has videos; give fps or n_frames"):
        loader(clips, reading=Reading())
    (clips / "shards" / "000000.tar").unlink()
    with pytest.raises(VocoError, match=r"the shard 000000.tar of its manifest is missing"):
        loader(clips)
    empty = write(tmp_path / "empty", [])
    with pytest.raises(VocoError, match="has no records"):
        loader(empty)
    (empty / MANIFEST_NAME).write_bytes(b"PAR1 but no more")
    with pytest.raises(VocoError, match="cannot be read"):
        loader(empty)
