"""A statement in a DSSE envelope: signed, and opened again by whoever trusts the key."""

import json
from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from components.attesting.keys import Signer
from components.stepping.digests import canonical, text_digest

if TYPE_CHECKING:
    from components.attesting.library import Key

TYPE = "application/vnd.in-toto+json"


@dataclass(frozen=True)
class Opened:
    """What an envelope holds, if its signature is right."""

    statement: dict[str, Any] | None
    why: str = ""
    """Why it does not count."""


def signed(statement: Mapping[str, Any], signer: Signer) -> dict[str, Any]:
    """The envelope, as JSON has it."""
    from components.attesting.library import Envelope

    envelope = Envelope(canonical(statement).encode(), TYPE, {})
    envelope.sign(signer)  # type: ignore[arg-type, unused-ignore]  # whoever signs, not the library's kinds alone
    found: dict[str, Any] = envelope.to_dict()
    return found


def opened(envelope: Mapping[str, Any], keys: Mapping[str, "Key"]) -> Opened:
    """Verify it: one signature by a trusted key, over a statement that in-toto's own classes take."""
    from components.attesting.library import Envelope, VerificationError

    try:
        found = Envelope.from_dict(deepcopy(dict(envelope)))
        if found.to_dict() != envelope:
            return Opened(None, "the envelope is not written the one way")
        known = [keys[keyid] for keyid in found.signatures if keyid in keys]
        if not known:
            names = ", ".join(keyid[:16] for keyid in found.signatures) or "nobody"
            return Opened(None, f"signed by a key that nobody here trusts ({names})")
        found.verify(known, 1)
    except VerificationError:
        return Opened(None, "the signature does not fit")
    except Exception as error:  # whatever a stranger's bytes make of a parser
        return Opened(None, f"no envelope can be read ({' '.join(str(error).split())[:100]})")
    return _statement(found.payload, found.payload_type)


def envelope_digest(envelope: Mapping[str, Any]) -> str:
    """What an attestation is called."""
    return text_digest(dict(envelope))


def _statement(payload: bytes, kind: str) -> Opened:
    from google.protobuf.json_format import ParseDict
    from in_toto_attestation.v1.statement import Statement
    from in_toto_attestation.v1.statement_pb2 import Statement as Message

    if kind != TYPE:
        return Opened(None, f"holds {kind}, not {TYPE}")
    try:
        found = json.loads(payload)
        Statement.copy_from_pb(ParseDict(found, Message())).validate()
    except Exception as error:
        return Opened(None, f"holds no in-toto statement ({' '.join(str(error).split())[:100]})")
    return Opened(found)
