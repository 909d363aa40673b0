"""Shards: what goes in comes out, the same bytes every time, never beyond the target, never half-written."""

import tarfile

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from voco_model.data.records import Record, Said
from voco_model.data.shards import ShardWriter, Span, file_digest, media_suffix, read_shard
from voco_model.errors import VocoError


def record(n, media="a/b.jpg", text="hello"):
    kind = "image" if media else "text"
    return Record(f"r{n}", kind, media, (Said("human", text),), "llava_instruct", "chat.json", n + 1, {"x": n})


def write(folder, items, target):
    """Records with the bytes of their media, or None; the shards that they make."""
    folder.mkdir()
    with ShardWriter(folder, target) as writer:
        for n, (text, data) in enumerate(items):
            if data is None:
                writer.add(record(n, None, text), None, None)
            else:
                path = folder / f"{n}.jpg"
                path.write_bytes(data)
                writer.add(record(n, text=text), Span(path, 0, len(data)), file_digest(path))
    return writer.shards


@settings(max_examples=40, deadline=None)
@given(
    st.lists(
        st.tuples(st.text(st.characters(codec="utf-8"), max_size=40), st.none() | st.binary(max_size=3000)),
        max_size=12,
    ),
    st.integers(1, 20_000),
)
def test_what_goes_in_comes_out(tmp_path_factory, items, target):
    folder = tmp_path_factory.mktemp("shards")
    shards = write(folder / "a", items, target)
    again = write(folder / "b", items, target)
    assert shards == again
    held = []
    for shard in shards:
        path = folder / "a/shards" / shard.name
        assert path.read_bytes() == (folder / "b/shards" / shard.name).read_bytes()
        assert (path.stat().st_size, file_digest(path)) == (shard.bytes, shard.digest)
        assert shard.bytes <= target or shard.records == 1
        held += read_shard(path)
    assert [(fields["turns"][0]["value"], media) for _, fields, media in held] == items
    assert [key for key, _, _ in held] == [f"{n:09d}" for n in range(len(items))]


def test_members_are_plain_and_adjacent(tmp_path):
    write(tmp_path / "a", [("x", b"1"), ("y", None), ("z", b"22")], 10**6)
    with tarfile.open(tmp_path / "a/shards/000000.tar") as tar:
        members = tar.getmembers()
    names = ["000000000.json", "000000000.jpg", "000000001.json", "000000002.json", "000000002.jpg"]
    assert [m.name for m in members] == names
    assert {(m.mtime, m.uid, m.gid, m.mode, m.uname, m.gname) for m in members} == {(0, 0, 0, 0o644, "", "")}


@pytest.mark.parametrize(
    ("media", "suffix"),
    [("a.JPG", "jpg"), ("a/b.tar.png", "png"), ("a", "bin"), ("a.json", "bin"), ("a.é", "bin"), ("a.b/c", "bin")],
)
def test_a_member_has_its_files_ending(media, suffix):
    assert media_suffix(media) == suffix


def test_media_that_are_not_what_they_were_stop_the_shard(tmp_path):
    path = tmp_path / "a.jpg"
    path.write_bytes(b"1234")
    for span, digest in ((Span(path, 0, 4), "0" * 64), (Span(path, 0, 5), None)):
        with (
            pytest.raises(VocoError, match="changed while it was being read"),
            ShardWriter(tmp_path, 10**6) as writer,
        ):
            writer.add(record(0), span, digest)
        assert list((tmp_path / "shards").iterdir()) == []


def test_bad_targets_and_bad_shards_are_refused(tmp_path):
    with pytest.raises(VocoError, match="shard size is 0"):
        ShardWriter(tmp_path, 0)
    (tmp_path / "x.tar").write_bytes(b"no" * 1000)
    with pytest.raises(VocoError, match="cannot be read as a shard"):
        list(read_shard(tmp_path / "x.tar"))
    with tarfile.open(tmp_path / "y.tar", "w") as tar:
        tar.addfile(tarfile.TarInfo("000000001.jpg"))
    with pytest.raises(VocoError, match="stands apart"):
        list(read_shard(tmp_path / "y.tar"))
