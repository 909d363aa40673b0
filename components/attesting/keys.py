"""The key that signs: made on first use, or in a file that a secret puts there."""

import os
import secrets
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from components.stepping.places import voco_home
from voco_model.errors import VocoError

if TYPE_CHECKING:
    from components.attesting.library import CryptoSigner, Key, Signature

KEY_FILE = "VOCO_SIGNING_KEY_FILE"
"""Names a private ed25519 key as PEM (PKCS#8)."""
MOUNTED = Path("/etc/voco/signing")
"""Where a cluster's secret `voco-signing` lies: `key.pem` signs, `trusted.pem` is trusted."""
IN_A_POD = "KUBERNETES_SERVICE_HOST"
FOLDER, TRUSTED = "keys", "trusted"
MAKE_ONE = "openssl genpkey -algorithm ed25519 -out key.pem"


class Signer(Protocol):
    """Whoever signs. A key in a file does; a service that keeps none, such as sigstore's, would fit as well."""

    @property
    def public_key(self) -> "Key":
        """What others verify with; its `keyid` stands in the signature."""

    def sign(self, payload: bytes) -> "Signature":
        """A signature over exactly these bytes."""


def signer_here() -> Signer | None:
    """Whoever signs here; None in a cluster's pod without a key, since one made there would die with it."""
    if given := os.environ.get(KEY_FILE):
        return _load(Path(given))
    if (MOUNTED / "key.pem").is_file():
        return _load(MOUNTED / "key.pem")
    return None if os.environ.get(IN_A_POD) else _own()


def own_key() -> Path:
    """Where this user's key lies. A home may serve several users: a container's is another."""
    return voco_home() / FOLDER / f"signing-{os.getuid()}.pem"


def is_private(path: Path) -> bool:
    """Whether a path is that of some user's key."""
    return path.parent.name == FOLDER and "signing-" in path.name


def _own() -> Signer:
    path = own_key()
    if not path.exists():
        _make(path)
    if path.stat().st_mode & 0o077:
        raise VocoError(f"{path}: others may read this private key; run `chmod 600 {path}`")
    signer = _load(path)
    trust(signer.public_key.keyid, _public(signer))
    return signer


def _make(path: Path) -> None:
    """A new key, whole and unreadable to others from its first moment; of two made at once, one is kept."""
    from components.attesting.library import CryptoSigner

    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    handle = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(CryptoSigner.generate_ed25519().private_bytes)
        os.link(beside, path)
    except FileExistsError:
        pass
    finally:
        beside.unlink()


def trust(keyid: str, public: bytes) -> Path:
    """From now on, what this key signs is trusted here."""
    path = voco_home() / FOLDER / TRUSTED / f"{keyid}.pem"
    if not path.exists():
        from voco_model.files import whole_file

        with whole_file(path) as file:
            file.write_bytes(public)
    return path


def _load(path: Path) -> "CryptoSigner":
    """A key from its file. What is wrong with it is said without any of it."""
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    from components.attesting.library import CryptoSigner

    try:
        key = load_pem_private_key(path.read_bytes(), None)
    except OSError as error:
        raise VocoError(f"{path}: the signing key cannot be read ({error.strerror}); see {KEY_FILE}") from None
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise VocoError(f"{path}: no private key in PEM without a password; make one: {MAKE_ONE}") from None
    if not isinstance(key, Ed25519PrivateKey):
        raise VocoError(f"{path}: not an ed25519 key; make one: {MAKE_ONE}")
    return CryptoSigner(key)


def _public(signer: Signer) -> bytes:
    """The public key as PEM, for others to trust."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    key = Ed25519PublicKey.from_public_bytes(bytes.fromhex(str(signer.public_key.to_dict()["keyval"]["public"])))
    return key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
