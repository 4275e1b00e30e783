"""Requests from an OpenAPI document: such as it asks for, and such as it does not."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from hypothesis import strategies as st
from tests.fuzz.junk import deep, doubled, instants, not_json, numbers, texts, values, written


def _fit(value: bytes) -> bytes:
    return bytes(c for c in value if c == 9 or (c >= 32 and c != 127))


HEADER = st.binary(max_size=60).map(_fit)
"""Any bytes that HTTP lets a header's value be made of. What it does not, the server refuses before any service."""


@dataclass(frozen=True, slots=True)
class Operation:
    """One method of one path of a service, with the parts of the document that say what it takes."""

    service: str
    method: str
    path: str
    parameters: tuple[dict[str, Any], ...]
    body: dict[str, Any] | None
    document: dict[str, Any]

    def __str__(self) -> str:
        return f"{self.service} {self.method} {self.path}"


@dataclass(frozen=True, slots=True)
class Request:
    method: bytes
    target: bytes
    headers: tuple[tuple[bytes, bytes], ...]
    body: bytes


def operations(service: str, document: dict[str, Any]) -> Iterator[Operation]:
    for path, methods in document["paths"].items():
        for method, said in methods.items():
            body = said.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema")
            yield Operation(service, method.upper(), path, tuple(said.get("parameters", ())), body, document)


# -- values --------------------------------------------------------------------------------------------------------------


def fitting(schema: dict[str, Any], document: dict[str, Any]) -> st.SearchStrategy[Any]:
    """Values that a schema allows, roughly: what the service then refuses, it must refuse well."""
    if "$ref" in schema:
        return fitting(document["components"]["schemas"][schema["$ref"].rpartition("/")[2]], document)
    for several in ("anyOf", "oneOf"):
        if several in schema:
            return st.one_of([fitting(one, document) for one in schema[several]])
    if "const" in schema or "enum" in schema:
        return st.sampled_from(schema.get("enum") or [schema["const"]])
    return _OF_TYPE.get(schema.get("type", ""), _anything)(schema, document)


def _anything(_: dict[str, Any], __: dict[str, Any]) -> st.SearchStrategy[Any]:
    return values


def _object(schema: dict[str, Any], document: dict[str, Any]) -> st.SearchStrategy[Any]:
    fields = {name: fitting(of, document) for name, of in schema.get("properties", {}).items()}
    if not fields:
        return st.fixed_dictionaries({}, optional=dict.fromkeys(WORDS, texts | instants))
    required = {name: of for name, of in fields.items() if name in schema.get("required", ())}
    return st.fixed_dictionaries(required, optional={n: of for n, of in fields.items() if n not in required})


SOUND: dict[str, dict[str, Any]] = {
    "/complaints": {"category": "Noise", "narrative": "Loud music at night."},
    "/triage/{complaint_id}/assign": {"agency": "dot", "explanation": "The bridge is theirs."},
    "/cases/{complaint_id}/acknowledge": {},
    "/cases/{complaint_id}/reply": {"reply": "We come."},
    "/cases/{complaint_id}/resolve": {"outcome": "Done."},
    "/cases/{complaint_id}/decline": {"reason": "Not ours."},
    "/cases/{complaint_id}/request_information": {"question": "Where?"},
    "/cases/{complaint_id}/receive_information": {},
    "/cases/{complaint_id}/extend": {"reason": "Rain."},
    "/cases/{complaint_id}/withdraw_action": {"order_id": "12345678", "reason": "An error."},
}
"""Bodies that are taken as they stand; with one field otherwise they come further than any that is made up."""
WORDS = (
    "occurred_at",
    "reply",
    "outcome",
    "reason",
    "question",
    "article",
    "order_id",
    "proposed_agency",
    "complaint_id",
)
"""Fields of the orders, whose body the document leaves open."""


def _string(schema: dict[str, Any], _: dict[str, Any]) -> st.SearchStrategy[Any]:
    if schema.get("format") == "uuid":
        return st.uuids().map(str)
    if schema.get("format") == "date-time":
        return instants
    if "pattern" in schema:
        return st.from_regex(schema["pattern"].replace(r"\x00", r"\0"), fullmatch=False).map(lambda t: t[:300])
    return st.text(min_size=schema.get("minLength", 0), max_size=min(schema.get("maxLength", 60), 60)) | texts


def _array(schema: dict[str, Any], document: dict[str, Any]) -> st.SearchStrategy[Any]:
    return st.lists(fitting(schema.get("items", {}), document), max_size=3)


_OF_TYPE = {
    "object": _object,
    "string": _string,
    "array": _array,
    "integer": lambda schema, _: st.integers(schema.get("minimum", -9), schema.get("maximum", 9)) | numbers,
    "number": lambda *_: numbers,
    "boolean": lambda *_: st.booleans(),
    "null": lambda *_: st.none(),
}


# -- requests ------------------------------------------------------------------------------------------------------------


@st.composite
def requests(
    draw: st.DrawFn, operation: Operation, known: tuple[str, ...], extra: dict[str, st.SearchStrategy[str]]
) -> Request:
    """One request: most of its parts as the document asks, some of them as it does not. `known`: ids that exist; `extra`:
    arguments of the query that the document does not tell of. Without credentials."""
    path, query, headers = operation.path, [], [(b"content-type", b"application/json")]
    for parameter in operation.parameters:
        name, of = parameter["name"], fitting(parameter["schema"], operation.document) | texts
        if parameter["in"] == "path":
            id_ = st.sampled_from(known) if known else st.uuids().map(str)
            path = path.replace(f"{{{name}}}", quote(_plain(draw(st.one_of(id_, id_, id_, of))) or "none", safe=""))
        elif parameter["in"] == "query" and draw(st.integers(0, 9)):
            of = st.one_of(st.just("dot"), st.just("dot"), of) if name == "agency" else of
            query += [(name, draw(of)) for _ in range(draw(st.sampled_from([1, 1, 1, 2])))]
        elif parameter["in"] == "header" and name != "authorization" and draw(st.integers(0, 9)):
            key = st.uuids().map(str)
            own = st.one_of(key, key, key, of) if name.lower() == "idempotency-key" else of
            headers.append((name.encode(), _as_header(draw(own))))
    query += [(name, draw(of)) for name, of in extra.items() if draw(st.booleans())]
    query += draw(st.lists(st.tuples(texts, texts), max_size=1))
    text = "&".join(f"{quote(_plain(n), safe='')}={quote(_plain(v), safe='')}" for n, v in query)
    body = draw(_bodies(operation)) if operation.body is not None or not draw(st.integers(0, 9)) else b""
    if not draw(st.integers(0, 4)):
        headers = draw(_odd_headers(headers))
    return Request(operation.method.encode(), f"{path}{'?' if text else ''}{text}".encode(), tuple(headers), body)


def _bodies(operation: Operation) -> st.SearchStrategy[bytes]:
    good = fitting(operation.body or {}, operation.document)
    sound = st.just(SOUND.get(operation.path, {}))
    nearly = st.tuples(sound, good).map(_nearly)
    enormous = st.sampled_from([300_000, 1_100_000]).flatmap(
        lambda size: st.sampled_from(
            [b"x" * size, b'{"narrative": "' + b"x" * size + b'"}', b"[" * size, b'{"a' * (size // 3)]
        )
    )
    many = st.integers(100, 3000).map(lambda n: written({f"f{i}": i for i in range(n)}))
    return st.one_of(
        good.map(written),
        sound.map(written),
        sound.map(written),
        nearly.map(written),
        nearly.map(written),
        _spoiled(good),
        _spoiled(sound),
        good.filter(lambda b: isinstance(b, dict)).map(doubled),
        values.map(written),
        not_json,
        deep,
        many,
        enormous,
    )


def _nearly(bodies: tuple[dict[str, Any], Any]) -> dict[str, Any]:
    """A sound body with one field, seldom two, as the document allows it."""
    sound, good = bodies
    fields = [*good.items()][:2] if isinstance(good, dict) else []
    return {**sound, **dict(fields[: 1 + len(fields) // 5])}


@st.composite
def _spoiled(draw: st.DrawFn, good: st.SearchStrategy[Any]) -> bytes:
    """A good body with strange fields more, or strange values in its own."""
    body = draw(good)
    strange = draw(st.dictionaries(texts, values, min_size=1, max_size=2))
    if isinstance(body, dict) and body and draw(st.booleans()):
        strange = dict(zip(draw(st.permutations(sorted(body))), strange.values(), strict=False))
    return written({**body, **strange} if isinstance(body, dict) else strange)


def _odd_headers(given: list[tuple[bytes, bytes]]) -> st.SearchStrategy[list[tuple[bytes, bytes]]]:
    types = st.sampled_from(
        [
            b"",
            b"text/plain",
            b"application/xml",
            b"application/json; charset=utf-16",
            b"multipart/form-data",
            b"a/b/c",
            b";",
            b"\xff",
        ]
    )
    name = st.sampled_from(
        [
            b"accept",
            b"traceparent",
            b"idempotency-key",
            b"x-odd",
            b"cookie",
            b"origin",
            b"amanah-caller",
            b"amanah-purpose",
            b"expect",
            b"range",
            b"accept-encoding",
            b"x-forwarded-for",
            b"forwarded",
        ]
    )
    more = st.lists(st.tuples(name, HEADER), max_size=3)
    return st.tuples(types | HEADER, more).map(lambda odd: [*given[1:], (b"content-type", odd[0]), *odd[1]])


def _plain(value: Any) -> str:
    return str(value).encode("utf-8", "replace").decode()[:4000]


def _as_header(value: Any) -> bytes:
    return _fit(str(value).encode("utf-8", "replace")[:4000])
