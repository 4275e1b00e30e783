"""Reads `intake.yaml` of a pack. Without the file, any category is taken."""

from pathlib import Path
from typing import Annotated

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from amanah_chassis.errors import Misconfigured


class IntakePack(BaseModel):
    """What a home says about filing."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    tracking_prefix: Annotated[str, Field(pattern=r"^[A-Z]{2,4}$", description="Begins every tracking code.")] = "AM"
    categories: Annotated[
        frozenset[str] | None, Field(min_length=1, description="The only categories taken; absent: any.")
    ] = None


def load(pack: Path | None) -> IntakePack:
    """Raises Misconfigured with the file and the field at fault."""
    file = pack / "intake.yaml" if pack else None
    if file is None or not file.exists():
        return IntakePack()
    try:
        return IntakePack.model_validate(yaml.safe_load(file.read_text()) or {})
    except (yaml.YAMLError, ValidationError) as wrong:
        raise Misconfigured(f"{file}: {wrong}") from wrong
