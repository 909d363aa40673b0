"""No path from a data file leaves the root, by what it says or by where links lead."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.voco_model.data.malformed import array, chat, dumped
from voco_model.data.paths import MediaRoot, PathEscape, safe_media_path
from voco_model.data.readers import read_records
from voco_model.data.records import Quarantined


@pytest.fixture
def root(tmp_path):
    """A data root with links inside, out of, and around themselves."""
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside/secret.jpg").touch()
    (tmp_path / "root2").mkdir()
    root = tmp_path / "root"
    (root / "images").mkdir(parents=True)
    (root / "images/1.jpg").touch()
    (root / "inside.jpg").symlink_to("images/1.jpg")
    (root / "alias").symlink_to(root / "images")
    (root / "out.jpg").symlink_to(tmp_path / "outside/secret.jpg")
    (root / "up").symlink_to("..")
    (root / "chain").symlink_to("up")
    (root / "twin.jpg").symlink_to(tmp_path / "root2/x.jpg")
    (root / "round").symlink_to("round")
    (root / "images/deep").symlink_to("../../outside")
    return root


@pytest.mark.parametrize(
    "path", ["images/1.jpg", "images/missing.jpg", "inside.jpg", "alias/1.jpg", "./images/1.jpg", "é/..x/a b.jpg"]
)
def test_paths_below_the_root(root, path):
    assert safe_media_path(root, path) == root / path


@pytest.mark.parametrize(
    "path",
    [
        *("", ".", "/", "//host/x", "/etc/passwd", "..", "../root/images/1.jpg", "images/../images/1.jpg", "a/.."),
        *("\0", "images/1.jpg\0.png", "a\\b", "..\\x", "C:x", "c:/x", "out.jpg", "up/outside/secret.jpg"),
        *("chain/x.jpg", "twin.jpg", "round", "round/x.jpg", "images/deep/secret.jpg", "up/root2/x.jpg"),
        *("x" * 256, "é" * 200, "x" * 5000, "a/" * 1024 + "x"),
    ],
)
def test_paths_that_leave_it(root, path):
    with pytest.raises(PathEscape) as caught:
        safe_media_path(root, path)
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 250


def test_a_root_that_is_itself_a_link_is_followed(root, tmp_path):
    (tmp_path / "link").symlink_to(root)
    assert safe_media_path(tmp_path / "link", "images/1.jpg") == tmp_path / "link/images/1.jpg"
    with pytest.raises(PathEscape):
        safe_media_path(tmp_path / "link", "out.jpg")


@given(st.text(st.sampled_from("ab./\\:\0 é-_"), max_size=12))
def test_whatever_is_let_through_lies_below_the_root(tmp_path_factory, path):
    root = tmp_path_factory.getbasetemp()
    try:
        found = MediaRoot(root).path(path)
    except PathEscape:
        return
    assert found.resolve().is_relative_to(root.resolve())
    assert found.resolve() != root.resolve()


def test_records_that_lead_out_through_links_are_set_aside(root, tmp_path):
    images = ["images/1.jpg", "out.jpg", "up/outside/secret.jpg", "alias/1.jpg"]
    path = tmp_path / "data.json"
    path.write_bytes(array(*(dumped(chat(i, image=image)) for i, image in enumerate(images))))
    found = list(read_records(path, "llava_pretrain", root=root))
    assert [(f.code, f.line, f.id) for f in found if isinstance(f, Quarantined)] == [
        ("path_escape", 2, "r1"),
        ("path_escape", 3, "r2"),
    ]
    assert [f.id for f in found if not isinstance(f, Quarantined)] == ["r0", "r3"]
