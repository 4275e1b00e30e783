"""Seals what must never leave intake in the clear: identity, original narrative, remembered answers.

Each complaint has a data key of its own (AES-256-GCM). The data key is stored wrapped by the key of `AMANAH_KEY_FILE`,
which is never in the database. Deleting the wrapped key erases everything sealed with it, in every copy and backup of the
sealed data. Everything is bound to its complaint and purpose: a sealed value moved to another complaint does not open.
"""

import base64
import binascii
import hashlib
import hmac
import os
import stat
from pathlib import Path
from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from amanah_chassis.errors import Misconfigured

_VERSION = b"\x01"
_NONCE_BYTES = 12
_HOW = 'Make one with: (umask 077; head -c 32 /dev/urandom | base64 > intake.key)'  # fmt: skip

IDENTITY = b"identity"
NARRATIVE = b"narrative"
ANSWER = b"answer"


class Unreadable(Exception):
    """A sealed value does not open: another key, another complaint, another purpose, or it was changed."""


class DataKey:
    """One complaint's key, open in memory."""

    def __init__(self, complaint_id: UUID, key: bytes) -> None:
        self._complaint = complaint_id.bytes
        self._cipher = AESGCM(key)

    def seal(self, purpose: bytes, plain: bytes) -> bytes:
        return _seal(self._cipher, purpose + self._complaint, plain)

    def open(self, purpose: bytes, sealed: bytes) -> bytes:
        """Raises Unreadable."""
        return _open(self._cipher, purpose + self._complaint, sealed)


class Vault:
    """Holds the wrapping key; makes and opens data keys."""

    def __init__(self, key: bytes) -> None:
        if len(key) != 32:
            raise ValueError("the wrapping key has 32 bytes")
        self._cipher = AESGCM(key)
        self._digest_key = hmac.digest(key, b"amanah intake: digest of idempotency keys", hashlib.sha256)

    @classmethod
    def from_file(cls, path: Path | None) -> "Vault":
        """Raises Misconfigured, saying what to do, when there is no sound key or others than the owner can read it."""
        if path is None:
            raise Misconfigured(f"AMANAH_KEY_FILE: name the file with the key that wraps data keys. {_HOW}")
        try:
            mode = path.stat().st_mode
            text = path.read_bytes()
        except OSError as missing:
            raise Misconfigured(f"AMANAH_KEY_FILE: {missing.strerror}: {path}. {_HOW}") from missing
        # A group may read: that is how Kubernetes hands a secret to a process that is not root.
        if mode & (stat.S_IRWXO | stat.S_IWGRP | stat.S_IXGRP):
            raise Misconfigured(f"AMANAH_KEY_FILE: others can read or change {path}. Close it: chmod 600 {path}")
        try:
            key = base64.b64decode(text.strip(), validate=True)
        except (binascii.Error, ValueError):
            key = b""
        if len(key) != 32:
            raise Misconfigured(f"AMANAH_KEY_FILE: {path} must hold 32 bytes in base64. {_HOW}")
        return cls(key)

    def new_key(self, complaint_id: UUID) -> tuple[DataKey, bytes]:
        """A fresh data key, open, and the same key wrapped, to be stored."""
        key = AESGCM.generate_key(256)
        return DataKey(complaint_id, key), _seal(self._cipher, b"data key" + complaint_id.bytes, key)

    def unwrap(self, complaint_id: UUID, wrapped: bytes) -> DataKey:
        """Raises Unreadable, also when the wrapping key is not the one it was wrapped with."""
        return DataKey(complaint_id, _open(self._cipher, b"data key" + complaint_id.bytes, wrapped))

    def digest(self, text: bytes) -> bytes:
        """What is stored of a value that a client chose, so that it cannot be guessed from the database alone."""
        return hmac.digest(self._digest_key, text, hashlib.sha256)


def _seal(cipher: AESGCM, bound_to: bytes, plain: bytes) -> bytes:
    nonce = os.urandom(_NONCE_BYTES)
    return _VERSION + nonce + cipher.encrypt(nonce, plain, _VERSION + bound_to)


def _open(cipher: AESGCM, bound_to: bytes, sealed: bytes) -> bytes:
    version, nonce, body = sealed[:1], sealed[1 : 1 + _NONCE_BYTES], sealed[1 + _NONCE_BYTES :]
    if version != _VERSION or len(nonce) != _NONCE_BYTES:
        raise Unreadable("not sealed by this vault")
    try:
        return cipher.decrypt(nonce, body, version + bound_to)
    except InvalidTag:
        raise Unreadable("sealed with another key, for another complaint or purpose, or changed since") from None
