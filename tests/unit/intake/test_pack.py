"""`intake.yaml` of a pack: what it may say, and how a fault in it is told."""

from pathlib import Path

import pytest

from amanah_chassis.errors import Misconfigured
from amanah_intake.pack import IntakePack, load


def test_a_pack_without_the_file_takes_any_category(tmp_path: Path) -> None:
    assert load(tmp_path) == load(None) == IntakePack(tracking_prefix="AM", categories=None)


def test_a_pack_may_name_prefix_and_categories(tmp_path: Path) -> None:
    (tmp_path / "intake.yaml").write_text("tracking_prefix: KS\ncategories: [Jalan, Air]\n")
    assert load(tmp_path) == IntakePack(tracking_prefix="KS", categories=frozenset({"Jalan", "Air"}))


@pytest.mark.parametrize(
    "text", ["tracking_prefix: ks1", "categories: []", "categories: 5", "unknown: 1", "a: [", "[1]"]
)
def test_a_fault_names_the_file(tmp_path: Path, text: str) -> None:
    (tmp_path / "intake.yaml").write_text(text)
    with pytest.raises(Misconfigured, match=r"intake\.yaml"):
        load(tmp_path)


@pytest.mark.parametrize("name", ["nyc311", "id"])
def test_the_packs_of_this_project_load(name: str) -> None:
    assert load(Path(__file__).parents[3] / "packs" / name).tracking_prefix
