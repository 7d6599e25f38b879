"""A test that asserts nothing cannot fail for the reason that its name gives."""

import ast
from collections.abc import Collection, Iterator
from pathlib import Path

TESTS = Path(__file__).parent
JUDGES = ("raises", "warns", "fail", "assert_", "check", "exec")
"""What stands in the names of calls that judge, beside the statement `assert`; `exec` runs examples
of the documentation, which fail by themselves."""


def _judges(node: ast.AST, judges: Collection[str]) -> bool:
    match node:
        case ast.Assert():
            return True
        case ast.Call(func=ast.Name(id=name) | ast.Attribute(attr=name)):
            return name in judges or any(judge in name for judge in JUDGES)
    return False


def _silent() -> Iterator[str]:
    """Tests in which nothing judges, nor a function of their module that they call."""
    for path in TESTS.rglob("test_*.py"):
        functions = [
            node
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        ]
        judges = {f.name for f in functions if any(_judges(part, ()) for part in ast.walk(f))}
        for test in functions:
            if test.name.startswith("test_") and not any(
                _judges(part, judges - {test.name}) for part in ast.walk(test)
            ):
                yield f"{path.relative_to(TESTS)}:{test.lineno} {test.name}"


def test_every_test_asserts_something():
    assert list(_silent()) == []
