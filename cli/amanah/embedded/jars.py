"""Kafka's jars: downloaded once by jgo, checked by checksum at every start, kept for use without a network."""

import hashlib
import logging
import os
import shutil
import tempfile
import threading
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Any

from amanah.fault import Fault
from amanah.progress import Progress

KAFKA_VERSION = "4.3.1"
MEGABYTES = 2**20


def classpath(version: str, cache: Path, progress: Progress, ended: threading.Event | None = None) -> list[Path]:
    """The jars of one Kafka version, each proved against its checksum; those missing or damaged are downloaded anew, from
    Maven Central or the mirror that AMANAH_MAVEN names. Once `ended` is set no further download begins."""
    home = cache / "kafka" / version
    listed = _listed(version, home)
    if listed is None:
        progress.step(f"Finding out what Kafka {version} consists of")
        listed = _discover(version, home)
    bad = [path for path, checksum in listed.items() if not sound(home / path, checksum)]
    if bad:
        _download(bad, listed, home, version, progress, ended or threading.Event())
    return [home / path for path in listed]


def parse(text: str) -> dict[str, str]:
    """Reads the lines of a checksum list, `<sha256>  <path in the repository>`."""
    pairs = (line.split(maxsplit=1) for line in text.splitlines() if line.strip() and not line.startswith("#"))
    return {path.strip(): checksum for checksum, path in pairs}


def coordinates(path: str) -> tuple[str, str, str, str]:
    """Group, artifact, version and classifier of a jar's path in a Maven repository."""
    *group, artifact, version, file = PurePosixPath(path).parts
    classifier = file.removeprefix(f"{artifact}-{version}").removesuffix(".jar").removeprefix("-")
    return ".".join(group), artifact, version, classifier


def sound(file: Path, checksum: str) -> bool:
    """Whether the file is there and is what it should be."""
    return file.is_file() and _digest(file, "sha256") == checksum


def _digest(file: Path, algorithm: str) -> str:
    with file.open("rb") as content:
        return hashlib.file_digest(content, algorithm).hexdigest()


def _listed(version: str, home: Path) -> dict[str, str] | None:
    """The committed list, else the one made when this version was first downloaded."""
    for file in (Path(__file__).with_name(f"kafka-{version}.sha256"), home / "sha256"):
        if file.is_file():
            return parse(file.read_text())
    return None


def _download(
    bad: list[str], listed: Mapping[str, str], home: Path, version: str, progress: Progress, ended: threading.Event
) -> None:
    home.mkdir(parents=True, exist_ok=True)
    needed = 3 * sum((home / path).stat().st_size if (home / path).is_file() else 2**20 for path in bad)
    if shutil.disk_usage(home).free < needed:
        raise Fault(f"The disk of {home} is nearly full: Kafka {version} needs {needed // MEGABYTES} MB there.")
    with (
        tempfile.TemporaryDirectory(prefix="incoming-", dir=home) as incoming,
        progress.bar(f"Downloading Kafka {version} ({len(bad)} jars)", len(bad)) as done,
        _plain_failures(f"Kafka {version} is not in {home} and could not be downloaded"),
        ThreadPoolExecutor(8) as workers,
    ):
        context = _repository(Path(incoming))

        def fetch(path: str) -> None:
            if ended.is_set():
                return
            group, artifact, release, classifier = coordinates(path)
            file = context.project(group, artifact).at_version(release).artifact(classifier, "jar").resolve()
            if not sound(file, listed[path]):
                raise Fault(
                    f"{PurePosixPath(path).name} was downloaded, but its checksum is not the expected one, so it is not "
                    "used. Try again; if it stays so, whatever serves it has changed it."
                )
            (home / path).parent.mkdir(parents=True, exist_ok=True)
            file.replace(home / path)
            done(1)

        list(workers.map(fetch, bad))


def _discover(version: str, home: Path) -> dict[str, str]:
    """Resolves a version nobody listed, against the SHA-1 sums that the repository publishes, and notes the outcome."""
    home.mkdir(parents=True, exist_ok=True)
    with _plain_failures(f"Kafka {version} could not be found"), ThreadPoolExecutor(8) as workers:
        context = _repository(home)
        wanted = [f"org.apache.kafka:kafka_2.13:{version}", "org.slf4j:slf4j-simple:1.7.36"]
        roots = [context.create_dependency(coordinate) for coordinate in wanted]
        for root in roots:
            root.scope = "compile"
        inputs, rest = context.resolver.resolve(roots)
        artifacts = [d.artifact for d in (*inputs, *rest) if d.scope in ("compile", "runtime")]
        files = set(workers.map(_checked, artifacts))
    listed = {str(file.relative_to(home)): _digest(file, "sha256") for file in files}
    lines = [f"{checksum}  {path}\n" for path, checksum in sorted(listed.items())]
    (home / "sha256").write_text("".join(lines))
    return dict(sorted(listed.items()))


def _checked(artifact: Any) -> Path:
    file: Path = artifact.resolve()
    published = artifact.component.artifact(artifact.classifier, f"{artifact.packaging}.sha1").resolve()
    if published.read_text().split()[0].lower() != _digest(file, "sha1"):
        file.unlink()
        published.unlink()
        raise Fault(f"{file.name} was downloaded, but its checksum is not the published one. Try again.")
    return file


def _repository(cache: Path) -> Any:
    from jgo.maven import MavenContext

    logging.getLogger("jgo").setLevel(logging.ERROR)
    mirror = os.environ.get("AMANAH_MAVEN")
    return MavenContext(repo_cache=cache, timeout=20, remote_repos={"mirror": mirror} if mirror else None)


@contextmanager
def _plain_failures(what: str) -> Iterator[None]:
    import requests

    try:
        yield
    except requests.RequestException as failure:
        raise Fault(
            f"{what}: no connection ({type(failure).__name__}). It is needed once; later starts work offline."
        ) from None
    except OSError as failure:
        raise Fault(f"{what}: {failure}") from None
    except RuntimeError as failure:
        raise Fault(f"{what}: {str(failure).splitlines()[0]}") from None
