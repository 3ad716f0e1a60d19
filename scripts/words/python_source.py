"""Reads Python source for the word check: docstrings, descriptions, messages and the names it defines."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import Final

from scripts.words.model import Content, Name, Text

_DESCRIBING: Final = frozenset({"description", "help", "epilog", "doc"})
"""Keyword arguments that hold a description."""

_DESCRIBED_FIRST: Final = frozenset({"query", "mutation", "subscription"})
"""Decorators whose first argument is a description."""

_LOG_LEVELS: Final = frozenset({"debug", "info", "warning", "error", "exception", "critical"})
"""Methods of a logger. The first argument is the message."""


def read_python(source: str) -> Content:
    """Return the descriptions, messages and names of a module. Raises SyntaxError."""
    tree = ast.parse(source)
    return Content(tuple(_descriptions(tree)), tuple(_messages(tree)), tuple(_names(tree)))


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


def _messages(tree: ast.Module) -> Iterator[Text]:
    """Yield the texts of log calls and of raised exceptions."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call):
            arguments = [*node.exc.args, *(keyword.value for keyword in node.exc.keywords)]
        elif (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Attribute)
            and node.func.attr in _LOG_LEVELS
        ):
            arguments = node.args[:1]
        else:
            continue
        for argument in arguments:
            yield from _message(argument)


def _message(node: ast.expr) -> Iterator[Text]:
    """Yield the text of a string. Each expression of an f-string counts as one word."""
    if isinstance(node, ast.JoinedStr):
        parts = (part.value if isinstance(part, ast.Constant) else "x" for part in node.values)
        yield Text(node.lineno, "".join(map(str, parts)))
    else:
        yield from _text(node)


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
