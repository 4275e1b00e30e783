"""A small library of our own before the C library of a process: so a process meets a world that its machine is not in."""

import shutil
import subprocess
from pathlib import Path


def compiled(source: str, library: Path) -> Path | None:
    """The library that this C makes; None where there is no C compiler, and a fault that needs it then counts as not run."""
    compiler = shutil.which("cc")
    if compiler is None:
        return None
    written = library.with_suffix(".c")
    written.write_text(source)
    command = [compiler, "-shared", "-fPIC", "-O1", "-o", str(library), str(written), "-ldl"]
    subprocess.run(command, check=True, capture_output=True)
    return library
