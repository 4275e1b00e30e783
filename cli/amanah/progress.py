"""Tells a person what is happening: live lines on a terminal, plain lines elsewhere. Always on stderr."""

import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, Protocol


class Progress(Protocol):
    """What work that takes more than two seconds reports to."""

    def step(self, text: str) -> None:
        """A new thing begins."""

    def bar(self, text: str, total: int) -> Any:
        """Context manager around work of known size; yields a function to call with the amount newly done."""


class Silent:
    """Says nothing: for tests and for use as a library."""

    def step(self, text: str) -> None:
        """Nothing."""

    @contextmanager
    def bar(self, text: str, total: int) -> Iterator[Callable[[int], None]]:  # noqa: ARG002
        """Nothing."""
        yield lambda _: None


class Plain:
    """One line a step, for logs and pipes."""

    def step(self, text: str) -> None:
        """One line."""
        with suppress(OSError):  # nobody reads it any more: a closed terminal or pipe must not keep us from stopping
            print(f"amanah: {text}", file=sys.stderr, flush=True)

    @contextmanager
    def bar(self, text: str, total: int) -> Iterator[Callable[[int], None]]:
        """One line at each quarter."""
        self.step(text)
        done, told, lock = 0, 0, threading.Lock()

        def advance(amount: int) -> None:
            nonlocal done, told
            with lock:
                done += amount
                if total and (quarter := min(done * 4 // total, 4)) > told:
                    told = quarter
                    self.step(f"{text}: {quarter * 25} %")

        yield advance


class Live:
    """A spinner for the step at hand and bars for downloads; plain lines once it is closed."""

    def __init__(self) -> None:
        from rich.console import Console

        self._closed = False
        self._console = Console(stderr=True)
        self._status = self._console.status("")
        self._status.start()

    def step(self, text: str) -> None:
        """Changes the spinner's text."""
        if self._closed:
            Plain().step(text)
        else:
            self._status.update(text)

    @contextmanager
    def bar(self, text: str, total: int) -> Iterator[Callable[[int], None]]:
        """A bar in the spinner's place."""
        from rich.progress import BarColumn, DownloadColumn, TextColumn, TimeElapsedColumn
        from rich.progress import Progress as Bars

        columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TimeElapsedColumn())
        self._status.stop()
        with Bars(*columns, console=self._console, transient=True) as bars:
            task = bars.add_task(text, total=total)
            yield lambda amount: bars.advance(task, amount)
        self._status.start()

    def close(self) -> None:
        """Removes the spinner."""
        self._closed = True
        self._status.stop()


@contextmanager
def shown() -> Iterator[Progress]:
    """The fitting one for where stderr goes."""
    if not sys.stderr.isatty():
        yield Plain()
        return
    live = Live()
    try:
        yield live
    finally:
        live.close()
