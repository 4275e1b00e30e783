"""What a citizen follows a complaint by: a short public name that opens nothing, and a secret that does."""

import hashlib
import secrets

# Without 0 O, 1 I L, 5 S, 8 B, U V: read aloud or from paper, no letter is taken for another.
_ALPHABET = "234679ACDEFGHJKMNPQRTWXYZ"


def new_code(prefix: str) -> str:
    """Such as KS-7Q4M-2XPD. Two may come out the same, once in 10^11; the database refuses the second."""
    chance = secrets.randbelow(len(_ALPHABET) ** 8)  # asked once: for each letter it took 10 µs of a filing, not 4
    letters = "".join(_ALPHABET[chance // len(_ALPHABET) ** place % len(_ALPHABET)] for place in range(8))
    return f"{prefix}-{letters[:4]}-{letters[4:]}"


def new_secret() -> str:
    """256 bits of chance, fit for a header."""
    return secrets.token_urlsafe(32)


def hashed(secret: str) -> bytes:
    """What is stored of a secret. No slow hash: nobody guesses 256 bits."""
    return hashlib.sha256(secret.encode()).digest()
