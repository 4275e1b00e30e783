"""The code is for people; the secret is what opens, so it must hold at least 128 bits."""

import base64
import hashlib

from amanah_intake.domain import tracking


def test_a_code_is_short_and_cannot_be_misread() -> None:
    codes = {tracking.new_code("KS") for _ in range(500)}
    assert len(codes) == 500
    for code in codes:
        prefix, left, right = code.split("-")
        assert (prefix, len(left), len(right)) == ("KS", 4, 4)
        assert not set(left + right) & set("0O1IL5S8BUV")


def test_a_secret_holds_256_bits_and_fits_a_header() -> None:
    secrets = {tracking.new_secret() for _ in range(500)}
    assert len(secrets) == 500
    for secret in secrets:
        assert len(base64.urlsafe_b64decode(secret + "=")) == 32
        assert secret.isascii()
        assert secret.isprintable()
        assert " " not in secret


def test_only_a_hash_of_the_secret_is_kept() -> None:
    secret = tracking.new_secret()
    assert tracking.hashed(secret) == hashlib.sha256(secret.encode()).digest()
    assert tracking.hashed("é\udcff".encode("utf-8", "replace").decode())  # whatever a header can carry has a hash
