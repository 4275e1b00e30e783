"""Describes the filing's body in the OpenAPI document, which the framework cannot see: the body is parsed by hand."""

from typing import Any

from fastapi import FastAPI

from amanah_intake.domain.form import Form

_REF = "#/components/schemas/{model}"

FILING: dict[str, Any] = {
    "parameters": [
        {
            "name": "Idempotency-Key",
            "in": "header",
            "required": True,
            "description": "The same at every retry: one key gives one complaint and one answer.",
            "schema": {"type": "string", "minLength": 8, "maxLength": 200, "pattern": "^[!-~]+$"},
        }
    ],
    "requestBody": {
        "required": True,
        "content": {"application/json": {"schema": {"$ref": _REF.format(model="Form")}}},
    },
}


def describe(app: FastAPI) -> None:
    """Adds the form's schemas when the document is first asked for."""
    made = app.openapi

    def with_form() -> dict[str, Any]:
        document = made()
        form = Form.model_json_schema(ref_template=_REF)
        schemas = document.setdefault("components", {}).setdefault("schemas", {})
        schemas.update(form.pop("$defs", {}), Form=form)
        return document

    app.openapi = with_form  # type: ignore[method-assign]
