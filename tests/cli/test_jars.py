"""Kafka's jars, from a repository of this test's own."""

import hashlib
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from amanah.embedded import jars
from amanah.fault import Fault
from amanah.progress import Silent

VERSION = "0.0.1"
PATHS = ("org/example/one/1.0/one-1.0.jar", "org/example/two/2.0/two-2.0-all.jar")


class Repository(SimpleHTTPRequestHandler):
    """Serves files and keeps quiet."""

    def log_message(self, *_: object) -> None:
        """Nothing."""


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The folder that the mirror serves, with two jars in it."""
    folder = tmp_path / "repository"
    for path in PATHS:
        (folder / path).parent.mkdir(parents=True)
        (folder / path).write_bytes(path.encode())
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Repository, directory=str(folder)))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    monkeypatch.setenv("AMANAH_MAVEN", f"http://127.0.0.1:{server.server_port}")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    yield folder
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    """A cache that knows what the version consists of and has none of it."""
    home = tmp_path / "cache" / "kafka" / VERSION
    home.mkdir(parents=True)
    (home / "sha256").write_text("# jars\n" + "".join(f"{_sum(path.encode())}  {path}\n" for path in PATHS))
    return tmp_path / "cache"


def get(cache: Path, ended: threading.Event | None = None) -> list[Path]:
    return jars.classpath(VERSION, cache, Silent(), ended)


def test_jars_are_downloaded_once_and_then_used_without_a_network(repository: Path, cache: Path) -> None:
    found = get(cache)
    assert [file.read_bytes().decode() for file in found] == list(PATHS)
    for path in PATHS:
        (repository / path).unlink()
    assert get(cache) == found
    assert not list(cache.rglob("incoming-*"))


def test_a_damaged_jar_is_replaced(repository: Path, cache: Path) -> None:
    [first, _] = get(cache)
    first.write_bytes(b"damaged")
    assert get(cache)[0].read_bytes() == PATHS[0].encode()


def test_a_jar_with_another_checksum_is_refused_by_name(repository: Path, cache: Path) -> None:
    (repository / PATHS[1]).write_bytes(b"something else")
    with pytest.raises(Fault, match=r"two-2\.0-all\.jar was downloaded, but its checksum is not the expected one"):
        get(cache)
    assert not list(cache.rglob("two*.jar"))


def test_a_damaged_jar_is_not_used_offline_either(
    repository: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    get(cache)[0].write_bytes(b"damaged")
    monkeypatch.setenv("AMANAH_MAVEN", "http://127.0.0.1:9")
    with pytest.raises(Fault, match="could not be downloaded: no connection"):
        get(cache)


def test_an_interrupted_download_begins_no_further_jar(repository: Path, cache: Path) -> None:
    ended = threading.Event()
    ended.set()
    assert not any(file.exists() for file in get(cache, ended))


def test_a_full_disk_is_said_before_the_download(
    repository: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = type("usage", (), {"free": 10})
    monkeypatch.setattr(jars.shutil, "disk_usage", lambda _: usage)
    with pytest.raises(Fault, match=r"is nearly full: Kafka 0\.0\.1 needs 6 MB there"):
        get(cache)


def test_every_jar_of_the_tested_version_is_listed_with_its_checksum() -> None:
    listed = jars.parse(Path(jars.__file__).with_name(f"kafka-{jars.KAFKA_VERSION}.sha256").read_text())
    assert len(listed) > 40
    assert all(len(checksum) == 64 for checksum in listed.values())
    assert f"org/apache/kafka/kafka_2.13/{jars.KAFKA_VERSION}/kafka_2.13-{jars.KAFKA_VERSION}.jar" in listed


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        (PATHS[0], ("org.example", "one", "1.0", "")),
        (PATHS[1], ("org.example", "two", "2.0", "all")),
        ("a/b-c/1-rc1/b-c-1-rc1-linux-x86_64.jar", ("a", "b-c", "1-rc1", "linux-x86_64")),
    ],
)
def test_coordinates(path: str, expected: tuple[str, str, str, str]) -> None:
    assert jars.coordinates(path) == expected


def _sum(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
