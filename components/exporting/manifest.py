"""What an export consists of, file by file."""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

from components.stepping.digests import content_of, files_below
from voco_model.errors import VocoError
from voco_model.files import whole_file

NAME = "manifest.json"
FORMAT = "voco-export-1"


@dataclass(frozen=True)
class Manifest:
    """Every file of an export by its digest."""

    files: dict[str, str]
    """Path below the export to SHA-256."""

    @property
    def sha256(self) -> str:
        """One digest for all: of the lines that `sha256sum` would print, by path."""
        lines = "".join(f"{digest}  {name}\n" for name, digest in sorted(self.files.items()))
        return hashlib.sha256(lines.encode()).hexdigest()


def manifest_of(folder: Path) -> Manifest:
    """Read every file of an export but the manifest itself."""
    files = {path.relative_to(folder).as_posix(): content_of(path).sha256 for path in files_below(folder)}
    files.pop(NAME, None)
    return Manifest(files)


def write_manifest(folder: Path) -> Manifest:
    """`manifest.json` in the export."""
    made = manifest_of(folder)
    content = {"format": FORMAT, "sha256": made.sha256, "files": made.files}
    with whole_file(folder / NAME) as file:
        file.write_text(json.dumps(content, indent=1, sort_keys=True) + "\n", "utf-8")
    return made


def check_manifest(folder: Path) -> Manifest:
    """The manifest of an export whose files are all as it says; anything else is named."""
    path = folder / NAME
    try:
        content = json.loads(path.read_text("utf-8"))
        told = Manifest(dict(content["files"]))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise VocoError(f"{path}: no readable manifest ({type(error).__name__}); export the model again") from None
    found = manifest_of(folder)
    for name in sorted(told.files.keys() | found.files.keys()):
        if told.files.get(name) != found.files.get(name):
            what = "missing" if name not in found.files else "unknown" if name not in told.files else "changed"
            raise VocoError(f"{folder / name}: {what} since the export; export the model again")
    if content.get("sha256") != told.sha256 or content.get("format") != FORMAT:
        raise VocoError(f"{path}: its digest does not fit its list of files; export the model again")
    return told
