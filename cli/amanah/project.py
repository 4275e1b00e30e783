"""Where things are: the checkout, the data packs, the cache."""

import os
from pathlib import Path

from amanah.fault import Fault

ROOT = Path(__file__).resolve().parents[2]
"""The checkout. The command always runs from one (its members are installed editable)."""

STATE = Path(os.environ.get("AMANAH_STATE") or ROOT / ".amanah")
"""Data of the stacks that were started without `--data`, and which one was started last."""


def cache() -> Path:
    """Downloads that every checkout of this user shares."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "amanah"


def pack(name: str) -> Path:
    """A data pack by its name (`nyc311`) or by its folder."""
    for folder in (ROOT / "packs" / name, Path(name)):
        if (folder / "agencies.yaml").is_file():
            return folder.resolve()
    known = ", ".join(sorted(p.parent.name for p in ROOT.glob("packs/*/agencies.yaml")))
    raise Fault(
        f"There is no data pack {name!r}. Known here: {known or 'none'}; a folder with agencies.yaml will do too."
    )
