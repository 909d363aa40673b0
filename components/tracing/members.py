"""What lies inside what steps made: a folder's files, and the media of an ingested data set's records."""

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from components.stepping.digests import Content
from components.tracing.fetching import Made
from voco_model.data.manifest import MANIFEST_NAME
from voco_model.errors import VocoError

FIRST = 5
"""Names that are shown of many."""
SHORTEST = 8


@dataclass(frozen=True)
class Sought:
    """What is looked for: a whole digest of both kinds, or the beginning of either."""

    sha256: str
    md5: str
    what: str
    """As the person named it."""

    def is_it(self, sha256: str | None, md5: str | None) -> bool:
        """Whether a thing with these digests is meant."""
        return bool(
            (self.sha256 and sha256 and sha256.startswith(self.sha256))
            or (self.md5 and md5 and md5.startswith(self.md5))
        )


def sought(written: str) -> Sought:
    """A digest or the beginning of one, else a file or folder, which is read."""
    from components.stepping.digests import content_of

    path = Path(written)
    if path.exists():
        content: Content = content_of(path)
        return Sought(content.sha256, content.md5, f"{written} ({content.sha256[:12]})")
    text = written.lower().removeprefix("sha256:").removesuffix(".dir")
    if set(text) <= set("0123456789abcdef") and SHORTEST <= len(text) <= 64:
        return Sought(text, text, text[:16])
    raise VocoError(
        f"{written}: no such file, and no digest; give a file, or at least {SHORTEST} hex digits of one"
    )


def inside(made: Made, wanted: Sought) -> list[str]:
    """Where in an output it lies, in words; nothing where it does not."""
    files = made.files()
    found = [one["relpath"] for one in files if wanted.is_it(None, one["md5"])]
    told = [_some("file", found)] if found else []
    manifests = [one["relpath"] for one in files if PurePosixPath(one["relpath"]).name == MANIFEST_NAME]
    if wanted.sha256 and manifests:
        with tempfile.TemporaryDirectory() as folder:
            top = made.bring_files(manifests, Path(folder))
            told += list(_in_manifests(top, manifests, wanted))
    return told


def _in_manifests(top: Path, manifests: list[str], wanted: Sought) -> Iterator[str]:
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    for name in manifests:
        try:
            table = pq.read_table(top / name, columns=["id", "digest"])
        except (OSError, pa.ArrowException) as error:
            raise VocoError(f"{name}: cannot be read ({str(error).splitlines()[0]})") from None
        ids = table.filter(pc.starts_with(table["digest"], wanted.sha256))["id"].to_pylist()
        if ids:
            yield f"{PurePosixPath(name).parent}: {_some('record', ids)}"


def _some(what: str, names: list[str]) -> str:
    shown = ", ".join(names[:FIRST]) + (", ..." if len(names) > FIRST else "")
    return f"{len(names)} {what}{'' if len(names) == 1 else 's'} ({shown})"
