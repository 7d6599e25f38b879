"""A test that asserts nothing cannot fail for the reason that its name gives."""

import ast
from collections.abc import Iterator
from pathlib import Path

TESTS = Path(__file__).parent
JUDGES = ("raises", "warns", "fail", "assert_", "check")
"""What stands in the names of calls that judge, beside the statement `assert`."""


def _judges(node: ast.AST) -> bool:
    match node:
        case ast.Assert():
            return True
        case ast.Call(func=ast.Name(id=name) | ast.Attribute(attr=name)):
            return any(judge in name for judge in JUDGES)
    return False


def _tests() -> Iterator[tuple[str, ast.AST]]:
    for path in TESTS.rglob("test_*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            match node:
                case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) if (
                    name.startswith("test_")
                ):
                    yield f"{path.relative_to(TESTS)}:{node.lineno} {name}", node


def test_every_test_asserts_something():
    silent = [name for name, node in _tests() if not any(map(_judges, ast.walk(node)))]
    assert silent == []
