"""The code's digest: the same here, in a commit and without git; data sets beside the code are none of it."""

import shutil
import subprocess

import pytest

from components.stepping import code as coding


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A repository with a little code, in the place of this one."""
    root = tmp_path / "project"
    for name, text in (("voco_model/a.py", "A = 1\n"), ("data/b.yaml", "b: 1\n"), ("pipelines/c/d.json", "{}\n")):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    (root / "components").mkdir()
    (root / "components/e.py").write_text("")
    (root / ".gitignore").write_text("data/set/\n__pycache__/\n")
    git(root, "init", "--quiet")
    git(root, "add", ".")
    git(root, "-c", "user.name=n", "-c", "user.email=n@example.org", "commit", "--quiet", "-m", "one")
    monkeypatch.setattr(coding, "ROOT", root)
    monkeypatch.delenv("VOCO_COMMIT", raising=False)
    return root


def git(root, *arguments):
    subprocess.run(["git", *arguments], cwd=root, check=True, capture_output=True)


def now():
    coding.code.cache_clear()
    try:
        return coding.code()
    finally:
        coding.code.cache_clear()


def test_a_clean_tree_is_its_commit(project, monkeypatch):
    found = now()
    assert not found.dirty
    assert found.sha256 == coding.code_at(found.commit)
    (project / "README.md").write_text("not code")
    (project / "data/set").mkdir()
    (project / "data/set/big.json").write_text("{}")
    assert now() == found
    shutil.rmtree(project / ".git")
    shutil.rmtree(project / "data/set")
    monkeypatch.setenv("VOCO_COMMIT", found.commit)
    assert now() == found


def test_a_changed_or_new_file_is_seen(project):
    before = now()
    (project / "components/new.py").write_text("")
    added = now()
    assert added.dirty
    assert added.commit == before.commit
    assert added.sha256 != before.sha256 == coding.code_at(before.commit)
    (project / "components/new.py").rename(project / "components/other.py")
    assert now().sha256 not in (added.sha256, before.sha256)


def test_an_unknown_commit_has_no_digest(project):
    assert coding.code_at("0" * 40) is None
    assert coding.code_at("--output=x") is None
    shutil.rmtree(project / ".git")
    assert now().commit is None
