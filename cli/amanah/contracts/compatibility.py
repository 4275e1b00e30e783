"""What a change of a schema breaks, as a pure function of the committed schema and the current one.

The rule (contracts/README.md, "Versions"): a contract never changes meaning. An added optional field is the only change
that keeps its version, because both an old reader of a new event (it ignores the field) and a new reader of an old event
(it lives without) go on. Everything else is a break, in whichever direction it reads: a narrower rule refuses events that
lie in Kafka already, a wider one sends what a deployed reader refuses. That holds for an added enum value too: a reader
that switches over the values it knows fails on a new one, and no test of ours can see that reader.
Words may change: description, examples, title.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from amanah.contracts.schemas import Schema

_WORDS = frozenset({"title", "description", "examples", "$schema", "$id", "x-since"})
_STRUCTURE = frozenset({"properties", "required", "items", "enum", "default", "x-audiences", "x-hidden", "x-topic"})


@dataclass(frozen=True, slots=True)
class Break:
    """One thing that no longer holds; `field` is a dotted path, empty for the message as a whole."""

    field: str
    what: str

    def __str__(self) -> str:
        return f"field `{self.field}`: {self.what}" if self.field else self.what


def breaks(committed: Schema, current: Schema) -> tuple[Break, ...]:
    """Every break between the schema that readers rely on and the model as it is now; empty when it is compatible."""
    return (*_delivery(committed, current), *_object(committed, current, ""))


def _delivery(old: Schema, new: Schema) -> Iterator[Break]:
    if old.get("x-topic") != new.get("x-topic"):
        yield Break("", f"moved from topic {old.get('x-topic')} to {new.get('x-topic')}")
    for audience in _missing(old.get("x-audiences", []), new.get("x-audiences", [])):
        yield Break("", f"the {audience} no longer receives it")
    before, after = old.get("x-hidden", {}), new.get("x-hidden", {})
    for audience in sorted(after):
        for field in _missing(after[audience], before.get(audience, [])):
            yield Break(field, f"hidden from the {audience}")


def _object(old: Schema, new: Schema, path: str) -> Iterator[Break]:
    fields, now = old.get("properties", {}), new.get("properties", {})
    required, demanded = set(old.get("required", [])), set(new.get("required", []))
    added = [name for name in now if name not in fields]
    for name, field in fields.items():
        here = f"{path}{name}"
        if name not in now:
            yield Break(here, "removed" + _renamed(field, [other for other in added if _same(field, now[other])]))
            continue
        if name in demanded - required:
            yield Break(here, "was optional and is now required")
        if name in required - demanded:
            yield Break(here, "was required and is now optional, so that readers may miss it")
        yield from _value(field, now[name], here)
    for name in added:
        if name in demanded:
            yield Break(f"{path}{name}", "a new field that is required; only an optional one may be added")


def _value(old: Schema, new: Schema, path: str) -> Iterator[Break]:
    for key in sorted((old.keys() | new.keys()) - _WORDS - _STRUCTURE):
        if old.get(key) != new.get(key):
            yield Break(path, _changed(key, old.get(key), new.get(key)))
    yield from _enum(old, new, path)
    if old.get("default") != new.get("default"):
        yield Break(path, _changed("default", old.get("default"), new.get("default")))
    if "items" in old or "items" in new:
        yield from _value(old.get("items", {}), new.get("items", {}), f"{path}[]")
    if "properties" in old or "properties" in new:
        yield from _object(old, new, f"{path}.")


def _enum(old: Schema, new: Schema, path: str) -> Iterator[Break]:
    if ("enum" in old) != ("enum" in new):
        yield Break(path, "was a closed list of values" if "enum" in old else "became a closed list of values")
        return
    before, after = old.get("enum", []), new.get("enum", [])
    if gone := _missing(before, after):
        yield Break(path, f"values removed: {', '.join(map(str, gone))}")
    if come := _missing(after, before):
        yield Break(path, f"values added, which a deployed reader refuses: {', '.join(map(str, come))}")


def _missing(wanted: list[str], present: list[str]) -> list[str]:
    return [value for value in wanted if value not in present]


def _changed(key: str, old: object, new: object) -> str:
    if old is None:
        return f"{key} {new} is new"
    return f"{key} {old} was dropped" if new is None else f"{key} {old} became {new}"


def _renamed(field: Schema, alike: list[str]) -> str:
    return f" (renamed to `{alike[0]}`?)" if field and len(alike) == 1 else ""


def _same(one: Schema, other: Schema) -> bool:
    return {k: v for k, v in one.items() if k not in _WORDS} == {k: v for k, v in other.items() if k not in _WORDS}
