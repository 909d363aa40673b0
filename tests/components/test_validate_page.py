"""The Data Docs pages in a real browser, without a network: they are laid out and say what failed."""

import subprocess
from pathlib import Path

import pytest
from PIL import Image

from components.validate import ValidateConfig, ValidationOutcome, validate
from tests.browser import FLAGS, browser
from tests.data.manifests import changed, sha, write

pytestmark = pytest.mark.integration
SIZE = "--window-size=1200,1400"


@pytest.fixture(scope="module")
def outcome(tmp_path_factory) -> ValidationOutcome:
    folder = tmp_path_factory.mktemp("page")
    broken = changed("webvid", (3, {"duration": 0.1}), (4, {"id": "<script>r4</script>"}), (5, {"digest": sha(4)}))
    write(folder / "manifest.parquet", broken)
    return validate(ValidateConfig(folder / "manifest.parquet", "webvid", folder / "out"))


def opened(page: Path, folder: Path, *options: str) -> str:
    """What the browser makes of a page."""
    command = [browser(), *FLAGS, SIZE, f"--user-data-dir={folder / 'profile'}", *options, page.as_uri()]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_first_page_says_what_failed(outcome, tmp_path):
    page = opened(outcome.data_docs, tmp_path, "--dump-dom")
    assert "Contract webvid: failed" in page
    assert page.index("Videos last 0.5 to 600 seconds.") < page.index("Every record has an id")


def test_every_page_is_laid_out(outcome, tmp_path):
    pages = sorted(outcome.data_docs.parent.rglob("*.html"))
    assert len(pages) == 3
    for page in pages:
        opened(page, tmp_path, f"--screenshot={tmp_path / 'seen.png'}")
        with Image.open(tmp_path / "seen.png") as seen:
            assert seen.size == (1200, 1400)
            assert len(seen.getcolors(2**20)) > 20, f"{page.name} is blank"
