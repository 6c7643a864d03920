"""Validates a mapping against a pydantic model and tells every fault as a problem: where, found, allowed, remedy."""

from __future__ import annotations

import difflib
import typing
from collections.abc import Callable, Mapping
from datetime import date
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from bothways.domain.errors import Problems
from bothways.domain.mappings import nan_keys

Model = TypeVar("Model", bound=BaseModel)


def validated(
    model: type[Model],
    mapping: Mapping[str, Any],
    *,
    at: str,
    page: str,
    switches: bool = True,
    hint: Callable[[str, str], str] | None = None,
) -> Model:
    """Builds ``model`` from a mapping.

    Args:
        model: what the mapping must be; models that forbid extra keys get unknown ones named with the nearest known.
        mapping: the parsed file.
        at: name of the file, for messages.
        page: page of the documentation that describes it.
        switches: False for a format without any true or false, which validation would read as 1 and 0.
        hint: words before a remedy, from the place and the kind of a wrong value.

    Raises:
        InputError: with every problem found.
    """
    problems = Problems(at=at)
    refused = set(nan_keys(mapping))
    for where in sorted(refused):
        problems.add(where, "nan", "a number", "Give a number, or leave the key out.")
    if not switches:
        _refuse_booleans(problems, mapping, "")
    try:
        made = model.model_validate(dict(mapping))
    except ValidationError as error:
        known = sorted(known_keys(model))
        for item in error.errors(include_url=False):
            if _place(item) not in refused:
                _explain(problems, item, known, page, hint)
        problems.raise_if_any()
        raise
    problems.raise_if_any()
    return made


def _refuse_booleans(problems: Problems, value: object, where: str) -> None:
    if isinstance(value, bool):
        problems.add(where, value, "a number, a text or a table", "Give the value itself; no key is a switch.")
    elif isinstance(value, Mapping):
        for key, inner in value.items():
            _refuse_booleans(problems, inner, f"{where}.{key}".lstrip("."))
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            _refuse_booleans(problems, inner, f"{where}[{index}]")


def known_keys(model: type[BaseModel]) -> set[str]:
    """Every key that a model knows, at any depth."""
    keys: set[str] = set()
    pending: list[type[BaseModel]] = [model]
    seen: set[type[BaseModel]] = set()
    while pending:
        current = pending.pop()
        if current in seen:
            continue
        seen.add(current)
        for name, info in current.model_fields.items():
            keys.add(info.alias or name)
            pending.extend(_models_in(info.annotation))
    return keys


def _models_in(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [found for inner in typing.get_args(annotation) for found in _models_in(inner)]


def _place(item: Any) -> str:
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in item["loc"]).lstrip(".")


_ALLOWED = {
    "greater_than": "a number above {gt:.15g}",
    "greater_than_equal": "a number of at least {ge:.15g}",
    "less_than": "a number below {lt:.15g}",
    "less_than_equal": "a number of at most {le:.15g}",
    "finite_number": "a finite number",
    "float_type": "a number",
    "float_parsing": "a number",
    "int_type": "a whole number",
    "int_parsing": "a whole number",
    "int_from_float": "a whole number",
    "bool_type": "true or false",
    "bool_parsing": "true or false",
    "string_type": "a text in quotes",
    "list_type": "a list",
    "tuple_type": "a list; several tables are written [[…]]",
    "dict_type": "a table",
    "model_type": "a table",
    "literal_error": "one of {expected}",
    "string_too_short": "a text of at least {min_length} characters",
    "string_too_long": "a text of at most {max_length} characters",
    "too_short": "a list of at least {min_length}",
    "too_long": "a list of at most {max_length}",
}
"""What is allowed, in the words of this project, by pydantic's kind of error."""


def _allowed(item: Any) -> str:
    words = _ALLOWED.get(item["type"])
    if words is None:
        return str(item["msg"]).removeprefix("Value error, ")
    return words.format(**item.get("ctx", {}))


def _explain(
    problems: Problems, item: Any, known: list[str], page: str, hint: Callable[[str, str], str] | None
) -> None:
    where = _place(item)
    message = _allowed(item)
    match item["type"]:
        case "extra_forbidden":
            key = str(item["loc"][-1])
            near = difflib.get_close_matches(key, [name for name in known if name != key], n=1)
            remedy = f"Did you mean {near[0]!r}?" if near else f"Remove it, or see {page}."
            problems.add(where, key, "a key that this format knows", remedy)
        case "missing":
            problems.add(where, "nothing", "a value is required here", f"Add {item['loc'][-1]!r}.")
        case kind:
            found = item.get("input")
            before = _percent(item) or ("" if hint is None else hint(where, kind))
            shown = "this table" if isinstance(found, dict) else str(found) if isinstance(found, date) else found
            problems.add(where or "the file", shown, message, f"{before}Correct the value; see {page}.")


def _percent(item: Any) -> str:
    """Asks for the usual cause of a fraction between 1 and 100."""
    found = item.get("input")
    if item["type"] != "less_than_equal" or item["ctx"]["le"] != 1 or not isinstance(found, int | float):
        return ""
    return "Divide percent by 100. " if 1 < found <= 100 else ""
