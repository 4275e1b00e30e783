"""Settings come from the environment and from files; a fault says which variable and what to do."""

import os
from pathlib import Path

import pytest

from amanah_chassis.errors import Misconfigured
from amanah_chassis.settings import ChassisSettings


@pytest.fixture(autouse=True)
def nothing_said(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith("AMANAH_"):
            monkeypatch.delenv(name)


def test_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AMANAH_KAFKA", "a:1,b:2")
    monkeypatch.setenv("AMANAH_DATABASE", "postgresql://x")
    monkeypatch.setenv("AMANAH_BATCH_SIZE", "7")
    settings = ChassisSettings.load()
    assert (settings.kafka, settings.database, settings.batch_size) == ("a:1,b:2", "postgresql://x", 7)


def test_a_secret_from_a_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "amanah_database").write_text("postgresql://from-a-file\n")
    monkeypatch.setenv("AMANAH_SECRETS_DIR", str(tmp_path))
    monkeypatch.setenv("AMANAH_KAFKA", "a:1")
    assert ChassisSettings.load().database == "postgresql://from-a-file"
    monkeypatch.setenv("AMANAH_DATABASE", "postgresql://from-the-environment")
    assert ChassisSettings.load().database == "postgresql://from-the-environment"


def test_every_fault_is_named_at_once_without_values(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AMANAH_BATCH_SIZE", "s3cret")
    with pytest.raises(Misconfigured) as wrong:
        ChassisSettings.load()
    said = str(wrong.value)
    assert all(name in said for name in ("AMANAH_KAFKA", "AMANAH_DATABASE", "AMANAH_BATCH_SIZE", "AMANAH_SECRETS_DIR"))
    assert "s3cret" not in said


@pytest.mark.parametrize("size", [0, -1])
def test_sizes_are_positive(size: int) -> None:
    with pytest.raises(ValueError, match="batch_size"):
        ChassisSettings(kafka="k", database="d", batch_size=size)


@pytest.mark.parametrize(
    ("http", "where"), [("0.0.0.0:80", ("0.0.0.0", 80)), (":81", ("127.0.0.1", 81)), ("[::1]:82", ("::1", 82))]
)
def test_where_to_listen(http: str, where: tuple[str, int]) -> None:
    assert ChassisSettings(kafka="k", database="d", http=http).listen() == where


@pytest.mark.parametrize("http", ["8080x", "host", "host:", "host:http", "host:70000"])
def test_a_place_that_is_none_is_misconfigured(http: str) -> None:
    with pytest.raises(Misconfigured, match="AMANAH_HTTP"):
        ChassisSettings(kafka="k", database="d", http=http).listen()


def test_the_service_token(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text(" abc\n")
    assert ChassisSettings(kafka="k", database="d", service_token_file=file).service_token() == "abc"
    for settings in (
        ChassisSettings(kafka="k", database="d"),
        ChassisSettings(kafka="k", database="d", service_token_file=tmp_path / "none"),
    ):
        with pytest.raises(Misconfigured, match="AMANAH_SERVICE_TOKEN_FILE"):
            settings.service_token()


def test_an_empty_service_token_is_no_secret(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("\n")
    with pytest.raises(Misconfigured, match="AMANAH_SERVICE_TOKEN_FILE"):
        ChassisSettings(kafka="k", database="d", service_token_file=file).service_token()
