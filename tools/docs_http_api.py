"""The page of the HTTP API, from the OpenAPI document that the service answers at /docs.json."""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any, cast

from docs_settings import cell

from serving.openapi import described
from serving.service import Kinoloop

Schema = Mapping[str, Any]
INTRO = """# HTTP API

What the service answers, from its OpenAPI document. A running service shows that document at
`/docs.json` and a page to try it on at `/docs`. What the service promises, and how it behaves under
load: [The service](../explanation/serving.md).
"""
GOOD = "200"


def http_api() -> str:
    """Every route with its fields and answers, then the objects that they are made of."""
    document = described(cast("Any", Kinoloop).openapi_spec.asdict(), users=True, readers=True)
    schemas: dict[str, Schema] = document["components"]["schemas"]
    routes = [
        (path, method, operation)
        for path, item in document["paths"].items()
        for method, operation in item.items()
    ]
    routes.sort(key=lambda route: (_in_background(route[2]), route[0]))
    parts = [INTRO, *(_route(*route) for route in routes)]
    needed: list[str] = []
    for path in document["paths"].values():
        _collect(path, schemas, needed)
    parts.append("\n## Objects\n")
    for name in sorted(needed):
        schema = schemas[name]
        said = _description(schema)
        parts.append(f"\n### {name} {{ #{name.lower()} }}\n\n{said}\n{_answered(schema)}")
    return "".join(parts)


def _in_background(operation: Schema) -> bool:
    """Whether a route is for those who run the service."""
    return "Infrastructure" in operation["tags"]


def _route(path: str, method: str, operation: Schema) -> str:
    said = re.sub(r"</?code>", "`", operation.get("description", ""))
    said = re.sub(r"</?b>", "**", said)
    parts = [f"\n## {method.upper()} {path}\n\n{said}\n"]
    if given := operation.get("parameters"):
        properties = {one["name"]: one["schema"] for one in given}
        required = [one["name"] for one in given if one.get("required")]
        parts.append(_asked({"properties": properties, "required": required}))
    if body := operation.get("requestBody"):
        (schema,) = (content["schema"] for content in body["content"].values())
        parts += ["\n**Request**\n", _asked(schema)]
    for content in operation["responses"][GOOD].get("content", {}).values():
        schema = content.get("schema", {})
        if schema.get("properties"):
            parts += ["\n**Answer**\n", _answered(schema)]
        elif "$ref" in schema:
            parts.append(f"\n**Answer**: {_type(schema)}\n")
    problems = {
        status: answer["description"]
        for status, answer in operation["responses"].items()
        if status not in (GOOD, "default")
    }
    if problems:
        rows = "".join(f"| {status} | {said} |\n" for status, said in problems.items())
        parts.append(f"\n| status | when |\n|---|---|\n{rows}")
    return "".join(parts)


def _asked(schema: Schema) -> str:
    """Make a table of the fields of a request, then of those of objects that have no name."""
    properties: Mapping[str, Schema] = schema.get("properties", {})
    if not properties:
        return ""
    rows = [
        f"| `{name}` | {_type(field)} | {_default(name, field, schema)} | {_description(field)} |\n"
        for name, field in properties.items()
    ]
    parts = ["\n| field | type | default | |\n|---|---|---|---|\n", *rows]
    for name, field in properties.items():
        for nameless in _nameless(field):
            parts += [f"\nFields of each of `{name}`:\n", _asked(nameless)]
    return "".join(parts)


def _answered(schema: Schema) -> str:
    """Make a table of the fields of an answer."""
    properties: Mapping[str, Schema] = schema.get("properties", {})
    rows = [
        f"| `{name}` | {_type(field)} | {_description(field)} |\n"
        for name, field in properties.items()
    ]
    return "".join(["\n| field | type | |\n|---|---|---|\n", *rows])


def _description(field: Schema) -> str:
    return cell(field.get("description", ""))


def _nameless(field: Schema) -> Iterator[Schema]:
    for one in [field, *field.get("anyOf", ()), *field.get("items", {}).get("anyOf", ())]:
        if one.get("properties"):
            yield one


def _type(field: Schema) -> str:
    if "$ref" in field:
        name = field["$ref"].rsplit("/", 1)[1]
        return f"[{name}](#{name.lower()})"
    if "anyOf" in field:
        kinds = dict.fromkeys(_type(one) for one in field["anyOf"])
        kinds.pop("any", None)  # what has no form of its own is refused one by one
        return " or ".join(kinds)
    kinds = field.get("type", "any")
    kinds = kinds if isinstance(kinds, list) else [kinds]
    if "array" in kinds and "items" in field:
        listed = f"array of {_type(field['items'])}"
        return " or ".join(listed if kind == "array" else kind for kind in kinds)
    bounds = [
        f"{sign} {field[key]:,}"
        for key, sign in (("minimum", "≥"), ("maximum", "≤"))
        if key in field
    ]
    return " ".join([" or ".join(kinds), ", ".join(bounds)]).strip()


def _default(name: str, field: Schema, schema: Schema) -> str:
    if name in schema.get("required", ()):
        return "required"
    return f"`{json.dumps(field['default'])}`" if field.get("default") is not None else ""


def _collect(part: Any, schemas: Mapping[str, Schema], needed: list[str]) -> None:  # noqa: ANN401 (any JSON)
    """Names of the objects that a part of the document refers to, and those that they refer to."""
    if isinstance(part, dict):
        name = str(part.get("$ref", "")).rsplit("/", 1)[-1]
        if name in schemas and name not in needed:
            needed.append(name)
            _collect(schemas[name], schemas, needed)
        for inner in part.values():
            _collect(inner, schemas, needed)
    elif isinstance(part, list):
        for inner in part:
            _collect(inner, schemas, needed)
