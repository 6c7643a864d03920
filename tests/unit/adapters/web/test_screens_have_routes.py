"""Anything that a screen can do, the API can: every use case that a page calls is called by a route, too."""

import ast
import importlib
import inspect
import pkgutil
from pathlib import Path

import bothways.adapters.http
import bothways.adapters.web
import bothways.operations.access
import bothways.operations.desk

ASKERS = {"actor", "token", "account", "secret"}
"""Who asks is among the arguments of what people do."""

WITHOUT = {
    "Desk.control": "the check itself",
    "Desk.holder_at": "GET /vehicles tells the same of all places",
    "token_scope": "names a scope",
    "Access.open": "only windows are opened by that name",
    "Access.admit": "a page signs in who took up an invitation; a program signs in afterwards",
}


def named_in(package):
    """Every name that the modules of a package use, and with a dot before it every attribute."""
    found = set()
    for path in Path(package.__file__).parent.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            found |= {f".{node.attr}", node.attr} if isinstance(node, ast.Attribute) else set()
            found |= {node.id} if isinstance(node, ast.Name) else set()
    return found


def use_cases():
    """What people do: functions and methods by name, with the name that is called."""
    for package in (bothways.operations.desk, bothways.operations.access):
        for item in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            module = importlib.import_module(item.name)
            for name, kept in vars(module).items():
                if getattr(kept, "__module__", "") != item.name or name.startswith("_"):
                    continue
                if inspect.isfunction(kept):
                    yield name, name, kept
                elif inspect.isclass(kept) and not getattr(kept, "_is_protocol", False):
                    yield from (
                        (f"{name}.{key}", f".{key}", made)
                        for key, made in vars(kept).items()
                        if inspect.isfunction(made) and not key.startswith("_")
                    )


def test_every_use_case_that_a_page_calls_has_a_route():
    pages, routes = named_in(bothways.adapters.web), named_in(bothways.adapters.http)
    asked = {
        name: called
        for name, called, made in use_cases()
        if ASKERS & set(inspect.signature(made).parameters) and called in pages
    }
    assert len(asked) > 70, "the pages' use cases are found"
    assert sorted(name for name, called in asked.items() if called not in routes and name not in WITHOUT) == []
    assert sorted(name for name in WITHOUT if asked.get(name, "") in routes | {""}) == [], "exceptions that are none"
