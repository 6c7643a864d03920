"""Reads whole files, plain or gzipped, and says in one sentence what is wrong with them."""

from __future__ import annotations

import gzip
import io
import json
import math
import re
import tomllib
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from bothways.domain.errors import InputError, Problem, Problems
from bothways.domain.mappings import nan_keys

MAX_BYTES = 1 << 30
"""Largest content that is read [bytes, after unpacking]: a year of one-second data of several columns."""

MAX_LISTED = 20
"""How many problems of one kind are listed before the rest is only counted."""

_SMALL = 1 << 20  # a packed file may be larger than a very small limit on its content
_GZIP_MAGIC = b"\x1f\x8b"
_TOML_PLACE = re.compile(
    r"^(?P<what>.*?)\s*\(at (?:line (?P<line>\d+), column (?P<column>\d+)|(?P<end>end of document))\)"
)
_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|[{}\[\]]|-?(?:NaN|Infinity)|-?\d[\d.eE+-]*')
_MAYBE_TOO_LARGE = re.compile(r"[eE]\+?0*[1-9]\d\d|\d{300}")
_MAYBE_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")


def shown(path: Path | str) -> str:
    """Returns the path as it can be printed: bytes that are not UTF-8 are replaced."""
    return str(path).encode("utf-8", "replace").decode("utf-8")


def read_bytes(path: Path | str, *, limit: int = MAX_BYTES) -> bytes:
    """Returns the content of a file; a gzipped one is unpacked whatever its name.

    Args:
        path: the file.
        limit: greatest size of the (unpacked) content [bytes].

    Raises:
        InputError: missing, a folder, not readable, a broken gzip stream, or larger than ``limit``.
    """
    try:
        with Path(path).open("rb") as file:
            content = _read_open(file, shown(path), limit)
    except (OSError, ValueError) as error:
        raise InputError([_unreadable(path, error)]) from error
    if len(content) > limit:
        remedy = "Split the file, or remove columns and rows that are not needed."
        raise InputError([Problem(shown(path), f"more than {limit} bytes", f"at most {limit} bytes", remedy)])
    return content


def _read_open(file: BinaryIO, where: str, limit: int) -> bytes:
    content = file.read(max(limit, _SMALL) + 1)
    if not content.startswith(_GZIP_MAGIC):
        if where.endswith(".gz"):
            remedy = "Compress the file again with gzip, or drop '.gz' from its name if it is not compressed."
            raise InputError([Problem(where, "a file that is not gzipped", "gzip data, as the name says", remedy)])
        return content
    try:
        with gzip.GzipFile(fileobj=io.BytesIO(content)) as unpacked:
            return unpacked.read(limit + 1)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        remedy = "The file is damaged or was cut off: fetch or compress it again."
        raise InputError([Problem(where, f"a broken gzip stream ({error})", "a whole gzip file", remedy)]) from error


def _unreadable(path: Path | str, error: OSError | ValueError) -> Problem:
    match error:
        case FileNotFoundError():
            parent = Path(path).parent
            near = "" if parent.is_dir() else f" (the folder {shown(parent)} does not exist either)"
            return Problem(
                shown(path), f"no such file{near}", "a file that exists", "Check the spelling and the folder."
            )
        case IsADirectoryError():
            return Problem(shown(path), "a folder", "a file", "Name the file inside the folder.")
        case PermissionError():
            return Problem(shown(path), "a file that may not be read", "a readable file", "Change its permissions.")
        case _:
            reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
            return Problem(shown(path), f"not readable: {reason}", "a readable file", "Check the path and the disk.")


def read_text(path: Path | str, *, limit: int = MAX_BYTES) -> str:
    """Returns the text of a UTF-8 file (a byte order mark is dropped, gzip unpacked).

    Raises:
        InputError: as :func:`read_bytes`, or not UTF-8; with the line of the first bad byte.
    """
    return decode(read_bytes(path, limit=limit), shown(path))


def decode(content: bytes, source: str) -> str:
    """Decodes UTF-8 with or without a byte order mark.

    Raises:
        InputError: the bytes are not UTF-8.
    """
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        found = f"byte 0x{content[error.start]:02x}, which is not UTF-8"
        if content[:2] in {b"\xff\xfe", b"\xfe\xff"}:
            found = "UTF-16 text"
        problem = Problem(
            f"{source} line {line}", found, "UTF-8 text", "Save the file as UTF-8 (in Excel: 'CSV UTF-8')."
        )
        raise InputError([problem]) from error


def read_json(path: Path | str) -> object:
    """Reads a JSON file strictly: no duplicate keys, no NaN or Infinity, no number beyond a double's range.

    Raises:
        InputError: as :func:`read_text`, or any breach of JSON, with line and column.
    """
    return parse_json(read_text(path), shown(path))


def parse_json(text: str, source: str) -> object:
    """Parses JSON text as strictly as :func:`read_json`; ``source`` names it in messages."""
    suspicious = bool(_MAYBE_TOO_LARGE.search(text) or _MAYBE_SURROGATE.search(text))

    def pairs(items: list[tuple[str, object]]) -> dict[str, object]:
        nonlocal suspicious
        made = dict(items)
        suspicious = suspicious or len(made) != len(items)
        return made

    def constant(_: str) -> float:
        nonlocal suspicious
        suspicious = True
        return math.nan

    try:
        parsed: object = json.loads(text, object_pairs_hook=pairs, parse_constant=constant)
    except json.JSONDecodeError as error:
        where = f"{source} line {error.lineno}, column {error.colno}"
        found = f"a syntax error ({error.msg})" if text.strip() else "an empty file"
        raise InputError([Problem(where, found, "valid JSON", "Correct the text at this place.")]) from error
    except RecursionError as error:
        raise InputError([_too_deep(source)]) from error
    except ValueError as error:  # an integer with more digits than Python converts
        parsed, suspicious = None, True
        if not any(True for _ in _json_faults(text)):
            found = f"a value that cannot be read ({error})"
            raise InputError([Problem(source, found, "valid JSON", "Correct the file.")]) from error
    if suspicious:
        problems = Problems(at=source)
        faults = list(_json_faults(text))
        for line, found, allowed, remedy in faults[:MAX_LISTED]:
            problems.add(f"line {line}", found, allowed, remedy)
        if len(faults) > MAX_LISTED:
            problems.add("", f"… and {len(faults) - MAX_LISTED} more", "none of them", "Correct them in the same way.")
        problems.raise_if_any()
    return parsed


def _too_deep(source: str) -> Problem:
    return Problem(source, "values nested too deeply", "at most some hundred levels", "Flatten the structure.")


def _json_faults(text: str) -> Iterator[tuple[int, str, str, str]]:
    """Walks the tokens of syntactically valid JSON; yields line, found, allowed, remedy of what JSON forbids."""
    keys: list[set[str] | None] = []
    line, seen_to = 1, 0
    for match in _TOKEN.finditer(text):
        line += text.count("\n", seen_to, match.start())
        seen_to = match.start()
        piece = match.group()
        if piece in "{[":
            keys.append(set() if piece == "{" else None)
        elif piece in "}]":
            if keys:
                keys.pop()
        elif piece[0] == '"':
            yield from ((line, *fault) for fault in _string_faults(text, match, keys))
        elif not math.isfinite(_as_float(piece)):
            found = piece if len(piece) <= 40 else f"{piece[:37]}..."
            yield line, found, "a finite number (JSON knows no NaN or Infinity)", "Give a number, or leave the key out."


def _string_faults(text: str, match: re.Match[str], keys: list[set[str] | None]) -> Iterator[tuple[str, str, str]]:
    try:
        value = str(json.loads(match.group()))
        value.encode("utf-8")
    except ValueError:
        yield match.group()[:60], "text without lone surrogates", "Correct the \\u escape."
        return
    known = keys[-1] if keys else None
    if known is not None and text[match.end() : match.end() + 200].lstrip()[:1] == ":":
        if value in known:
            yield f"the key {value!r} again", "each key once", "Remove or rename one of the two."
        known.add(value)


def _as_float(token: str) -> float:
    try:
        return float(token)
    except ValueError:
        return math.nan


def read_toml(path: Path | str, *, with_nan: bool = False) -> dict[str, object]:
    """Reads a TOML file; ``nan`` is refused.

    Args:
        path: the file.
        with_nan: leaves ``nan`` in, for :func:`bothways.domain.validation.validated`, which tells it with all else.

    Raises:
        InputError: as :func:`read_text`, or any breach of TOML (duplicate keys included), with line and column.
    """
    return parse_toml(read_text(path), shown(path), with_nan=with_nan)


def parse_toml(text: str, source: str, *, with_nan: bool = False) -> dict[str, object]:
    """Parses TOML text as strictly as :func:`read_toml`; ``source`` names it in messages."""
    try:
        parsed: dict[str, object] = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        match = _TOML_PLACE.match(str(error))
        where, what = source, str(error)
        if match:
            what = match["what"]
            line, column = (text.count("\n") + 1, None) if match["end"] else (int(match["line"]), match["column"])
            where = f"{source} line {line}" + (f", column {column}" if column else "")
        raise InputError([Problem(where, f"a syntax error ({what})", "valid TOML", "Correct this line.")]) from error
    except RecursionError as error:
        raise InputError([_too_deep(source)]) from error
    except (ValueError, OverflowError) as error:
        problem = Problem(source, f"a value that cannot be read ({error})", "valid TOML", "Correct the value.")
        raise InputError([problem]) from error
    problems = Problems(at=source)
    for key in () if with_nan else nan_keys(parsed):
        problems.add(key, "nan", "a number", "Give a number, or leave the key out.")
    problems.raise_if_any()
    return parsed
