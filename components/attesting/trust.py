"""Whose signatures count: the public keys in a file or folder."""

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from components.attesting.keys import FOLDER, MOUNTED, TRUSTED
from components.stepping.places import voco_home
from voco_model.errors import VocoError

if TYPE_CHECKING:
    from components.attesting.library import Key

KEYS_FILE = "VOCO_TRUSTED_KEYS"
"""Names a PEM file, or a folder of them; without it, those that signed here are trusted."""
BLOCK = re.compile(rb"-----BEGIN PUBLIC KEY-----.+?-----END PUBLIC KEY-----\n?", re.DOTALL)


def trusted_keys() -> dict[str, "Key"]:
    """Public keys by their id."""
    found: dict[str, Key] = {}
    for path in _files():
        for key in _read(path):
            found[key.keyid] = key
    return found


def where_trusted() -> str:
    """For whoever wants to trust one more."""
    return os.environ.get(KEYS_FILE) or str(voco_home() / FOLDER / TRUSTED)


def _files() -> Iterator[Path]:
    if given := os.environ.get(KEYS_FILE):
        path = Path(given)
        if not path.exists():
            raise VocoError(f"{KEYS_FILE}={path}: no such file or folder; name public keys in PEM")
        yield from [path] if path.is_file() else sorted(path.glob("*.pem"))
        return
    yield from sorted((voco_home() / FOLDER / TRUSTED).glob("*.pem"))
    if (MOUNTED / "trusted.pem").is_file():
        yield MOUNTED / "trusted.pem"


def _read(path: Path) -> Iterator["Key"]:
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.serialization import load_pem_public_key

    from components.attesting.library import SSlibKey

    try:
        blocks = BLOCK.findall(path.read_bytes())
        keys = [SSlibKey.from_crypto(load_pem_public_key(block)) for block in blocks]
    except (OSError, ValueError, UnsupportedAlgorithm) as error:
        why = " ".join(str(error).split())[:100]
        raise VocoError(f"{path}: a public key cannot be read ({why}); write it anew, or remove it") from None
    if not keys:
        raise VocoError(f"{path}: no public key in PEM; write one: openssl pkey -in key.pem -pubout -out {path}")
    yield from keys
