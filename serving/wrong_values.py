"""What is wrong with a request, in plain words: which field, what was there, what is right.

What is right is read from the schema of the request, the one that its OpenAPI document publishes,
so that the two cannot disagree.
"""

from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from typing import Any

from pydantic import ValidationError

from serving.filtering import IN_WORDS
from serving.messages import Body
from serving.problems import Problem, short

Schema = Mapping[str, Any]
Fault = Mapping[str, Any]

_OF_SIZE = {"too_long", "too_short"}
_ANY = "any value"
_A_KEY = "[key]"  # how pydantic says that not the value is wrong but its name


def explain(err: ValidationError, body_type: type[Body], content: object) -> Problem:
    """Return the problem (422) that a request amounts to.

    Args:
        err: What pydantic found.
        body_type: What was asked for.
        content: The request, parsed JSON.
    """
    faults = err.errors(include_url=False)
    if not isinstance(content, dict):
        return _problem("the body is wrong", content, f"one object {fields(body_type)}")
    first, where = _deepest(faults, content)
    name = short(".".join(str(part) for part in where))
    if first["type"] == "extra_forbidden":
        known = _parts(_at(body_type.model_json_schema(), where[:-1], key=False))
        near = get_close_matches(str(where[-1]), known, n=1)
        hint = f"did you mean {near[0]}?" if near else "leave it out;"
        expected = fields(body_type) if len(where) == 1 else f"one of {', '.join(known)}"
        return _problem(f"there is no field {name}", first["input"], expected, step=hint)
    schema = _at(body_type.model_json_schema(), where, key=first["loc"][-1] == _A_KEY)
    if first["type"] == "missing":
        return _problem(f"{name} is missing", None, f"{words(schema)}; {fields(body_type)}")
    got = _found(content, where)
    if first["loc"][-1] == _A_KEY:
        return _problem(f"a name in {name.rpartition('.')[0]} is wrong", where[-1], words(schema))
    if first["type"] in _OF_SIZE and isinstance(got, list | dict):
        got = f"{len(got)} values"
    return _problem(f"{name} is {'null' if got is None else 'wrong'}", got, words(schema))


def fields(body_type: type[Body]) -> str:
    """List the fields of a request, the optional ones marked as such."""
    named = ", ".join(
        f'"{name}"' if field.is_required() else f'"{name}"?'
        for name, field in body_type.model_fields.items()
    )
    return f"{{{named}}}"


def words(schema: Schema) -> str:
    """Say in words what a JSON schema allows.

    Examples:
        >>> words({"type": "integer", "minimum": 1, "maximum": 500})
        'a whole number from 1 to 500'
        >>> words({"anyOf": [{"type": "array", "items": {"type": "string"}}, {"type": "null"}]})
        'a list, each text, or null'
    """
    if "anyOf" in schema:
        return str(schema.get(IN_WORDS) or _joined([words(one) for one in schema["anyOf"]]))
    if isinstance(schema.get("type"), list):
        return _joined([words({**schema, "type": one}) for one in schema["type"]])
    match schema.get("type"):
        case "string":
            return _text(schema)
        case "integer":
            return f"a whole number{_range(schema)}"
        case "number":
            return f"a number{_range(schema)}"
        case "boolean":
            return "true or false"
        case "null":
            return "null"
        case "array":
            return f"a list{_count(schema, 'Items')}{_each(schema.get('items'))}"
        case "object":
            inner = schema.get("additionalProperties")
            return f"an object{_count(schema, 'Properties')}{_each(inner)}"
        case _:
            return _ANY


def _problem(what: str, got: object, expected: str, *, step: str = "correct the field;") -> Problem:
    return Problem(
        "invalid_request",
        what,
        got=got,
        expected=expected,
        next_step=f"{step} /docs describes every field",
    )


def _deepest(faults: Sequence[Fault], content: object) -> tuple[Fault, list[str | int]]:
    """Choose the fault of the first wrong field that says most, and where in the request it is.

    A value that may be of several types has a fault for each; the one whose type fits tells more.
    """
    field = faults[0]["loc"][:1]
    placed = [(fault, _place(fault, content)) for fault in faults if fault["loc"][:1] == field]
    return max(placed, key=lambda one: (len(one[1]), not one[0]["type"].endswith("_type")))


def _place(fault: Fault, content: Any) -> list[str | int]:  # noqa: ANN401 (any JSON)
    """Follow a location of pydantic, which also names types, as far as the request goes."""
    where: list[str | int] = []
    for part in fault["loc"]:
        in_list = isinstance(content, list) and isinstance(part, int) and part < len(content)
        if in_list or (isinstance(content, dict) and part in content):
            content = content[part]
            where.append(part)
        elif fault["type"] == "missing":
            where.append(part)
    return where


def _found(content: Any, where: Sequence[str | int]) -> object:  # noqa: ANN401 (any JSON)
    for part in where:
        content = content[part]
    return content


def _at(schema: Schema, where: Sequence[str | int], *, key: bool) -> Schema:
    """Return the schema of a part of a request; with `key`, of the name that it has there."""
    for depth, part in enumerate(where, start=1):
        inner = [schema, *schema.get("anyOf", ())]
        if isinstance(part, int):
            found = [one["items"] for one in inner if "items" in one]
        elif key and depth == len(where):
            found = [one["propertyNames"] for one in inner if "propertyNames" in one]
        else:
            found = [one["properties"][part] for one in inner if part in one.get("properties", ())]
            found += [one["additionalProperties"] for one in inner if "additionalProperties" in one]
        schema = next((one for one in found if isinstance(one, Mapping)), {})
    return {"type": "string", **schema} if key else schema


def _parts(schema: Schema) -> list[str]:
    """Names that an object of a schema may have."""
    return [
        name for one in (schema, *schema.get("anyOf", ())) for name in one.get("properties", ())
    ]


def _joined(several: Sequence[str]) -> str:
    several = list(dict.fromkeys(several))
    if _ANY in several:
        return _ANY
    if "a number" in several:
        several = [one for one in several if one != "a whole number"]
    return ", ".join(several[:-1]) + f", or {several[-1]}" if len(several) > 1 else several[0]


def _text(schema: Schema) -> str:
    if schema.get("format") == "date-time":
        return "a time with its zone, such as 2026-01-31T12:00:00Z"
    least, most = schema.get("minLength", 0), schema.get("maxLength")
    visible = ", not all blank" if "pattern" in schema else ""
    if most is not None:
        size = f"{least} to {most}" if least else f"at most {most}"
        return f"text of {size} characters{visible}"
    return f"text that is not empty{visible}" if least else "text"


def _range(schema: Schema) -> str:
    least, most = schema.get("minimum"), schema.get("maximum")
    if least is not None and most is not None:
        return f" from {least} to {most}"
    return f" from {least}" if least is not None else f" up to {most}" if most is not None else ""


def _count(schema: Schema, of: str) -> str:
    least, most = schema.get(f"min{of}", 0), schema.get(f"max{of}")
    if most is not None:
        return f" of {least} to {most} values" if least else f" of at most {most} values"
    return f" of {least} or more values" if least else ""


def _each(schema: object) -> str:
    said = words(schema) if isinstance(schema, Mapping) else _ANY
    return "" if said == _ANY else f", each {said}"
