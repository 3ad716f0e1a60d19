"""Reads Python source for the word check: docstrings, descriptions and the names it defines."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import Final

from scripts.words.model import Content, Name, Text

_DESCRIBING: Final = frozenset({"description", "help", "epilog", "doc"})
"""Keyword arguments that hold a description."""

_DESCRIBED_FIRST: Final = frozenset({"query", "mutation", "subscription"})
"""Decorators whose first argument is a description."""


def read_python(source: str) -> Content:
    """Return the descriptions and names of a module. Raises SyntaxError."""
    tree = ast.parse(source)
    return Content(descriptions=tuple(_descriptions(tree)), names=tuple(_names(tree)))


def _descriptions(tree: ast.Module) -> Iterator[Text]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef):
            yield from _strings_of(node.body)
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield from _strings_of(node.body[:1])
        elif isinstance(node, ast.Call):
            yield from _arguments(node)


def _strings_of(body: list[ast.stmt]) -> Iterator[Text]:
    """Yield docstrings, and the strings below an assignment that document it."""
    for statement in body:
        if isinstance(statement, ast.Expr):
            yield from _text(statement.value)


def _arguments(call: ast.Call) -> Iterator[Text]:
    for keyword in call.keywords:
        if keyword.arg in _DESCRIBING:
            yield from _text(keyword.value)
    if isinstance(call.func, ast.Name) and call.func.id in _DESCRIBED_FIRST and call.args:
        yield from _text(call.args[0])


def _text(node: ast.expr) -> Iterator[Text]:
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield Text(node.lineno, node.value)


def _names(tree: ast.Module) -> Iterator[Name]:
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield Name(node.lineno, node.name)
        elif isinstance(node, ast.arg):
            yield Name(node.lineno, node.arg)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield Name(node.lineno, node.id)
        elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
            yield Name(node.lineno, node.attr)
