"""What is sealed opens with its own key, complaint and purpose, and with nothing else."""

import base64
from pathlib import Path
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from amanah_chassis.errors import Misconfigured
from amanah_intake.vault import ANSWER, IDENTITY, NARRATIVE, Unreadable, Vault

KEY, OTHER_KEY = bytes(range(32)), bytes(reversed(range(32)))
COMPLAINT, OTHER = UUID(int=1), UUID(int=2)


@given(st.binary(max_size=300))
def test_what_was_sealed_opens(plain: bytes) -> None:
    key, wrapped = Vault(KEY).new_key(COMPLAINT)
    sealed = key.seal(IDENTITY, plain)
    assert plain not in sealed or len(plain) < 4
    assert Vault(KEY).unwrap(COMPLAINT, wrapped).open(IDENTITY, sealed) == plain


def test_two_complaints_have_two_keys_and_no_seal_comes_twice() -> None:
    vault = Vault(KEY)
    key, wrapped = vault.new_key(COMPLAINT)
    other, wrapped_other = vault.new_key(COMPLAINT)
    assert wrapped != wrapped_other
    assert key.seal(IDENTITY, b"same") != key.seal(IDENTITY, b"same")
    with pytest.raises(Unreadable):
        other.open(IDENTITY, key.seal(IDENTITY, b"same"))


def test_another_wrapping_key_opens_nothing() -> None:
    _, wrapped = Vault(KEY).new_key(COMPLAINT)
    with pytest.raises(Unreadable):
        Vault(OTHER_KEY).unwrap(COMPLAINT, wrapped)


@pytest.mark.parametrize("purpose", [NARRATIVE, ANSWER])
def test_a_part_opens_for_its_purpose_only(purpose: bytes) -> None:
    key, _ = Vault(KEY).new_key(COMPLAINT)
    with pytest.raises(Unreadable):
        key.open(purpose, key.seal(IDENTITY, b"who"))


def test_a_part_or_key_moved_to_another_complaint_does_not_open() -> None:
    vault = Vault(KEY)
    key, wrapped = vault.new_key(COMPLAINT)
    with pytest.raises(Unreadable):
        vault.unwrap(OTHER, wrapped)
    with pytest.raises(Unreadable):
        vault.new_key(OTHER)[0].open(IDENTITY, key.seal(IDENTITY, b"who"))


@given(st.data())
def test_a_changed_byte_anywhere_is_noticed(data: st.DataObject) -> None:
    key, wrapped = Vault(KEY).new_key(COMPLAINT)
    sealed = key.seal(IDENTITY, b"who files")
    for whole, opened in (
        (sealed, lambda b: key.open(IDENTITY, b)),
        (wrapped, lambda b: Vault(KEY).unwrap(COMPLAINT, b)),
    ):
        place = data.draw(st.integers(0, len(whole) - 1))
        flipped = bytes([whole[place] ^ data.draw(st.integers(1, 255))])
        with pytest.raises(Unreadable):
            opened(whole[:place] + flipped + whole[place + 1 :])
        with pytest.raises(Unreadable):
            opened(whole[:place])


def test_an_idempotency_key_is_digested_with_a_secret() -> None:
    assert Vault(KEY).digest(b"public:k") == Vault(KEY).digest(b"public:k")
    assert Vault(KEY).digest(b"public:k") != Vault(OTHER_KEY).digest(b"public:k")


# --- the key file ---------------------------------------------------------------------------------------------------


def key_file(folder: Path, content: bytes, mode: int = 0o600) -> Path:
    path = folder / f"{uuid4()}.key"
    path.write_bytes(content)
    path.chmod(mode)
    return path


@pytest.mark.parametrize("mode", [0o600, 0o400, 0o640, 0o440])
@pytest.mark.parametrize("end", [b"", b"\n", b"\r\n"])
def test_a_sound_key_file_is_taken(tmp_path: Path, mode: int, end: bytes) -> None:
    vault = Vault.from_file(key_file(tmp_path, base64.b64encode(KEY) + end, mode))
    vault.unwrap(COMPLAINT, Vault(KEY).new_key(COMPLAINT)[1])


@pytest.mark.parametrize("mode", [0o644, 0o604, 0o602, 0o660, 0o777])
def test_a_key_file_that_others_can_read_or_change_is_refused(tmp_path: Path, mode: int) -> None:
    path = key_file(tmp_path, base64.b64encode(KEY), mode)
    with pytest.raises(Misconfigured, match=r"AMANAH_KEY_FILE: others can read or change .*chmod 600"):
        Vault.from_file(path)


@pytest.mark.parametrize(
    "content",
    [b"", b"\n", b"not base64!", base64.b64encode(KEY[:31]), base64.b64encode(KEY + b"x"), KEY, b"\xff" * 44],
)
def test_a_key_file_that_holds_no_key_is_refused_without_showing_it(tmp_path: Path, content: bytes) -> None:
    path = key_file(tmp_path, content)
    with pytest.raises(Misconfigured, match=r"must hold 32 bytes in base64\. Make one with") as refused:
        Vault.from_file(path)
    assert "\n" not in str(refused.value)
    assert len(content) < 8 or content.decode("latin-1") not in str(refused.value)


def test_a_missing_key_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match=r"AMANAH_KEY_FILE: No such file .*absent\.key"):
        Vault.from_file(tmp_path / "absent.key")
    with pytest.raises(Misconfigured, match="AMANAH_KEY_FILE: Is a directory"):
        Vault.from_file(tmp_path)
    with pytest.raises(Misconfigured, match="AMANAH_KEY_FILE: name the file"):
        Vault.from_file(None)
