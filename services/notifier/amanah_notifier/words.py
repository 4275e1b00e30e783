"""The catalogue of wording: data in `words/*.yaml`, checked whole when it is loaded, so that no notice fails for its words.

A pack may bring its own `words/*.yaml`; a template of the same id there takes the place of the one shipped here.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any
from zoneinfo import ZoneInfo

import yaml
from jinja2 import StrictUndefined, Template, TemplateError
from jinja2.sandbox import ImmutableSandboxedEnvironment
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from amanah_chassis.errors import Misconfigured
from amanah_notifier.domain import FACTS, IN_SUBJECT, Plan

SHIPPED = Path(__file__).parent / "words"
# Plain text, never HTML: nothing to escape.
_JINJA = ImmutableSandboxedEnvironment(undefined=StrictUndefined, autoescape=False, keep_trailing_newline=True)
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # some builds of PyYAML come without the fast one
_EXAMPLE_INSTANT = "2026-03-17T17:00:00+00:00"


class _Words(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    subject: Annotated[str, Field(min_length=1, max_length=150, pattern=r"^[^\r\n\x00]+$")]
    text: Annotated[str, Field(min_length=1)]


class _Template(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    version: Annotated[int, Field(ge=1)]
    en: _Words
    id: _Words

    def languages(self) -> dict[str, _Words]:
        return {"en": self.en, "id": self.id}


@dataclass(frozen=True, slots=True)
class Wording:
    """One template ready to be filled in."""

    name: str
    version: int
    subjects: Mapping[str, Template]
    texts: Mapping[str, Template]

    @property
    def reference(self) -> str:
        """Id and version, as kept on every notice: `deadline.breached.office@1`."""
        return f"{self.name}@{self.version}"


class Catalogue:
    """All wording. Instants are shown in `zone`, offices are written to in `languages`, the first of them first."""

    def __init__(self, wordings: Mapping[str, Wording], zone: ZoneInfo, languages: Sequence[str]) -> None:
        self._wordings = wordings
        self._zone = zone
        self.languages = tuple(languages)

    def reference(self, template: str) -> str:
        wording = self._wordings.get(template)
        return wording.reference if wording else f"{template}@unknown"

    def subject(self, template: str, language: str, facts: Mapping[str, str]) -> str:
        allowed = {name: value for name, value in facts.items() if name in IN_SUBJECT}
        return self._wordings[template].subjects[language].render(allowed)

    def text(self, template: str, language: str, facts: Mapping[str, str]) -> str:
        return self._wordings[template].texts[language].render(self._shown(facts))

    def _shown(self, facts: Mapping[str, str]) -> dict[str, str]:
        return {name: self._instant(value) if name.endswith("_at") else value for name, value in facts.items()}

    def _instant(self, value: str) -> str:
        return datetime.fromisoformat(value).astimezone(self._zone).strftime("%Y-%m-%d %H:%M %Z") if value else ""

    def choose(self, language: str | None) -> str:
        """The language asked for, if there are words in it, else the pack's first."""
        known = next(iter(self._wordings.values())).subjects if self._wordings else {}
        return language if language is not None and language in known else self.languages[0]


def load(pack: Path, plan: Plan, zone: ZoneInfo, languages: Sequence[str]) -> Catalogue:
    """The catalogue that a plan needs. Raises Misconfigured, naming file and field, also for a template that cannot be
    filled in for an event that the plan uses it for."""
    wordings = _folder(SHIPPED) | _folder(pack / "words")
    # A pack may name languages of its people, such as one in which free text is classified, that have no wording.
    known = set(_Template.model_fields) - {"version"}
    spoken = [language for language in languages if language in known]
    if not spoken:
        raise Misconfigured(f"{pack / 'pack.yaml'}: languages: there is wording in {sorted(known)} only")
    catalogue = Catalogue(wordings, zone, spoken)
    for stem, tellings in plan.tellings.items():
        for telling in tellings:
            if telling.template not in wordings:
                raise Misconfigured(f"{pack}: notices.{stem}: no template {telling.template!r} in any words/*.yaml")
            for language in sorted(known):
                try_out(catalogue, telling.template, stem, language)
    return catalogue


def try_out(catalogue: Catalogue, template: str, stem: str, language: str) -> tuple[str, str]:
    """Subject and text filled in with example facts of an event; Misconfigured when they cannot be."""
    facts = {name: _EXAMPLE_INSTANT if name.endswith("_at") else f"example-{name}" for name in FACTS[stem]}
    try:
        return catalogue.subject(template, language, facts), catalogue.text(template, language, facts)
    except TemplateError as unfit:
        raise Misconfigured(f"template {template}, {language}, for {stem}: {unfit.message}") from unfit


def _folder(folder: Path) -> dict[str, Wording]:
    return {name: wording for path in sorted(folder.glob("*.yaml")) for name, wording in _read(path).items()}


def _read(path: Path) -> dict[str, Wording]:
    try:
        content = yaml.load(path.read_text(encoding="utf-8"), _LOADER)  # noqa: S506 - both are safe loaders
    except yaml.YAMLError as broken:
        raise Misconfigured(f"{path}: not YAML: {broken}") from broken
    if not isinstance(content, dict):
        raise Misconfigured(f"{path}: the whole file: templates by their ids are expected")
    return {str(name): _wording(path, str(name), template) for name, template in content.items()}


def _wording(path: Path, name: str, content: Any) -> Wording:
    try:
        checked = _Template.model_validate(content)
        languages = checked.languages()
        return Wording(
            name,
            checked.version,
            {language: _JINJA.from_string(words.subject) for language, words in languages.items()},
            {language: _JINJA.from_string(words.text) for language, words in languages.items()},
        )
    except ValidationError as invalid:
        faults = (f"{path}: {'.'.join((name, *map(str, e['loc'])))}: {e['msg']}" for e in invalid.errors())
        raise Misconfigured("; ".join(faults)) from None
    except TemplateError as broken:
        raise Misconfigured(f"{path}: {name}: {broken.message}") from broken
