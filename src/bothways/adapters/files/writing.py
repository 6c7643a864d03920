"""Writes files so that nobody ever sees half of one: to a temporary file beside it, synced, then renamed."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import secrets
import shutil
import stat
from collections.abc import Iterator
from pathlib import Path

from bothways.adapters.files.reading import shown
from bothways.domain.errors import InputError, Problem

MANIFEST = ".bothways-results"
"""Name of the file that lists what bothways wrote into a result folder, and so marks the folder as replaceable."""

_TRACES_OF_FILE_MANAGERS = {".DS_Store", "Thumbs.db", "desktop.ini"}


def write_bytes(path: Path | str, data: bytes) -> None:
    """Writes a file whole: temporary file in the same folder, fsync, rename. Parent folders are created.

    A target that is no regular file (``/dev/stdout``, a pipe) is written to directly.

    Raises:
        InputError: the path cannot be written because of what it is (a folder, a read-only place).
        OSError: the machine failed (disk full); the old file, if any, is untouched.
    """
    with _path_faults(path):
        target = Path(path)
        target = target.resolve() if target.is_symlink() else target
        if target.is_dir():
            raise IsADirectoryError
        target.parent.mkdir(parents=True, exist_ok=True)
        if target.exists() and not stat.S_ISREG(target.stat().st_mode):
            with target.open("wb") as file:
                file.write(data)
            return
        _write_and_rename(target, data)


def _write_and_rename(target: Path, data: bytes) -> None:
    temporary = target.parent / f".{target.name[:80]}.{secrets.token_hex(6)}.tmp"
    descriptor = os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666)  # the umask decides, as usual
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(target)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    _sync_folder(target.parent)


def _sync_folder(folder: Path) -> None:
    """Makes a rename survive a power cut, where the system can sync folders."""
    with contextlib.suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def write_text(path: Path | str, text: str) -> None:
    """Writes UTF-8 text; see :func:`write_bytes`."""
    write_bytes(path, text.encode("utf-8"))


def write_json(path: Path | str, value: object) -> None:
    """Writes JSON with two-space indents and a final newline; see :func:`write_bytes`.

    Raises:
        ValueError: ``value`` holds NaN or infinity, which JSON does not know; nothing is written.
    """
    write_text(path, json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


@contextlib.contextmanager
def folder_in_progress(target: Path | str) -> Iterator[Path]:
    """Gives an empty folder to fill; when the block ends well it takes the place of ``target``, all at once.

    If the block raises, everything written is removed and ``target`` is as it was. An existing ``target`` is
    replaced only if it is empty or holds nothing but what an earlier run wrote there (listed in its
    ``.bothways-results``): a user's own files are never deleted. Publishing is one rename where the file system
    allows; where ``target`` cannot be renamed (a mount point, the current folder) the entries move one by one.

    Raises:
        InputError: ``target`` is a file, holds files of somebody else, or cannot be created.
    """
    final = Path(path_without_trail(target))
    with _path_faults(target):
        check_result_folder(final)
        final = final.resolve()
        inside = final.is_dir() and (final == Path.cwd() or final in Path.cwd().parents or final.is_mount())
        beside = final if inside else final.parent
        beside.mkdir(parents=True, exist_ok=True)
        temporary = beside / f".{final.name[:80]}.{secrets.token_hex(6)}.in-progress"
        temporary.mkdir()
    try:
        yield temporary
        with _path_faults(target):
            check_result_folder(final, ignore=temporary.name)
            _write_manifest(temporary)
            if inside:
                _move_entries(temporary, final)
            else:
                _swap(temporary, final)
            _sync_folder(beside)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def path_without_trail(path: Path | str) -> str:
    """Drops trailing slashes, which some calls on missing folders stumble over."""
    return str(path).rstrip("/") or "/"


def check_result_folder(target: Path | str, ignore: str = "") -> None:
    """Raises :class:`InputError` unless ``target`` is free to be (re)placed by results; see :func:`folder_in_progress`.

    Call it before a long computation, so that a wrong folder is noticed first.
    """
    folder = Path(target)
    if not folder.exists() and not folder.is_symlink():
        _check_can_be_made(folder)
        return
    if not folder.is_dir():
        found = "a file" if folder.exists() else "a broken link"
        raise InputError([Problem(shown(folder), found, "a folder for results", "Choose another name.")])
    ours = _manifest_of(folder) | {MANIFEST, ignore} | _TRACES_OF_FILE_MANAGERS
    strangers = sorted(entry.name for entry in folder.iterdir() if entry.name not in ours)
    if strangers:
        names = ", ".join(strangers[:5]) + (f" and {len(strangers) - 5} more" if len(strangers) > 5 else "")
        remedy = "Choose another folder, or move these files away: a result folder is replaced whole."
        found = f"files that bothways did not write: {shown(names)}"
        raise InputError([Problem(shown(folder), found, "a new folder, an empty one, or earlier results", remedy)])


def check_result_file(target: Path | str) -> None:
    """Raises :class:`InputError` unless a file of this name could be written; creates nothing.

    Call it before a long computation, and before the first of several files that belong together is written.
    """
    with _path_faults(target):
        path = Path(target)
        path = path.resolve() if path.is_symlink() else path
        if path.is_dir():
            raise IsADirectoryError
        if path.exists() and not path.is_file():  # a pipe, /dev/null
            return
        if not path.parent.is_dir():
            _check_can_be_made(path)
        elif not os.access(path.parent, os.W_OK | os.X_OK) or _is_virtual(path.parent.absolute()):
            raise PermissionError


def _check_can_be_made(folder: Path) -> None:
    """Raises :class:`InputError` where a folder that does not exist yet could not be created."""
    home = next(parent for parent in folder.absolute().parents if parent.exists())
    if not home.is_dir():
        found, remedy = f"{shown(home)} is a file", "Choose another name."
    elif not os.access(home, os.W_OK | os.X_OK) or _is_virtual(home):
        found, remedy = f"{shown(home)} cannot be written", "Choose a folder of your own."
    else:
        return
    raise InputError([Problem(shown(folder), found, "a place where results can be written", remedy)])


def _is_virtual(folder: Path) -> bool:
    """Whether a folder is a window into the system, where nobody can create files whatever their rights."""
    return folder.parts[:2] in {("/", "proc"), ("/", "sys")}


def _manifest_of(folder: Path) -> set[str]:
    try:
        names = (folder / MANIFEST).read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        return set()
    return {name for name in names if name not in {"", ".", ".."} and "/" not in name and "\0" not in name}


def _write_manifest(folder: Path) -> None:
    names = sorted(entry.name for entry in folder.iterdir())
    write_text(folder / MANIFEST, "".join(f"{name}\n" for name in names))


def _swap(new: Path, final: Path) -> None:
    if not final.exists():
        new.rename(final)
        return
    old = final.parent / f".{final.name[:80]}.{secrets.token_hex(6)}.old"
    final.rename(old)
    try:
        new.rename(final)
    except BaseException:
        old.rename(final)
        raise
    shutil.rmtree(old, ignore_errors=True)


def _move_entries(new: Path, final: Path) -> None:
    for name in _manifest_of(final) - {entry.name for entry in new.iterdir()}:
        _remove(final / name)
    for entry in sorted(new.iterdir()):
        if (final / entry.name).is_dir():
            _remove(final / entry.name)
        entry.replace(final / entry.name)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


@contextlib.contextmanager
def _path_faults(path: Path | str) -> Iterator[None]:
    """Turns what is wrong with a path into an :class:`InputError`; a failing machine stays an ``OSError``."""
    try:
        yield
    except IsADirectoryError as error:
        raise _refused(path, "a folder", "Give the name of a file.") from error
    except (NotADirectoryError, FileExistsError) as error:
        raise _refused(path, "a path that leads through a file", "Choose another folder.") from error
    except PermissionError as error:
        raise _refused(path, "a place that may not be written", "Choose another folder, or change rights.") from error
    except OSError as error:
        if error.errno not in {errno.ENAMETOOLONG, errno.ELOOP, errno.EROFS, errno.ENOENT}:
            raise
        raise _refused(path, f"a path that cannot be written ({error.strerror})", "Choose another place.") from error
    except ValueError as error:
        raise _refused(path, f"a name that no file can have ({error})", "Choose another name.") from error


def _refused(path: Path | str, found: str, remedy: str) -> InputError:
    return InputError([Problem(shown(path), found, "a place where results can be written", remedy)])
