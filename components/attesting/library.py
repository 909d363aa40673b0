"""The parts of securesystemslib that are used here, imported without the clouds' libraries that it would bring."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import cast

NOT_NEEDED = "boto3"
"""It imports this where it is installed, for keys kept by AWS: a third of a second of every step."""


@contextmanager
def _without(name: str) -> Iterator[None]:
    if name in sys.modules:
        yield
        return
    sys.modules[name] = cast(ModuleType, None)  # Python's own sign for "cannot be imported"
    try:
        yield
    finally:
        del sys.modules[name]


with _without(NOT_NEEDED):
    from securesystemslib.dsse import Envelope
    from securesystemslib.exceptions import UnverifiedSignatureError, VerificationError
    from securesystemslib.signer import CryptoSigner, Key, Signature, SSlibKey

__all__ = [
    "CryptoSigner",
    "Envelope",
    "Key",
    "SSlibKey",
    "Signature",
    "UnverifiedSignatureError",
    "VerificationError",
]
