"""Results appear whole or not at all, and nobody's files are deleted."""

import json
import os
from pathlib import Path

import pytest

from bothways.adapters.files.writing import check_result_folder, folder_in_progress, write_bytes, write_json, write_text
from bothways.domain.errors import InputError


def names(folder: Path) -> list[str]:
    return sorted(entry.name for entry in folder.iterdir() if entry.name != ".bothways-results")


def test_writes_creates_parents_and_replaces(tmp_path: Path) -> None:
    target = tmp_path / "a" / "b" / "c.bin"
    write_bytes(target, b"one")
    write_bytes(target, b"two")
    assert target.read_bytes() == b"two"
    assert names(target.parent) == ["c.bin"]
    write_text(tmp_path / "t", "é")
    assert (tmp_path / "t").read_bytes() == "é".encode()


def test_a_new_file_has_the_usual_rights(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        write_bytes(tmp_path / "a", b"")
    finally:
        os.umask(before)
    assert (tmp_path / "a").stat().st_mode & 0o777 == 0o640


def test_json_is_whole_or_absent(tmp_path: Path) -> None:
    write_json(tmp_path / "a.json", {"k": [1, "é"]})
    assert json.loads((tmp_path / "a.json").read_text(encoding="utf-8")) == {"k": [1, "é"]}
    with pytest.raises(ValueError, match="JSON compliant"):
        write_json(tmp_path / "b.json", float("nan"))
    assert names(tmp_path) == ["a.json"]


def test_a_failed_write_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_bytes(tmp_path / "a", b"old")

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        write_bytes(tmp_path / "a", b"new")
    assert names(tmp_path) == ["a"]
    assert (tmp_path / "a").read_bytes() == b"old"


def test_a_link_stays_a_link_and_devices_are_written_to(tmp_path: Path) -> None:
    (tmp_path / "real").write_bytes(b"")
    (tmp_path / "link").symlink_to(tmp_path / "real")
    write_bytes(tmp_path / "link", b"x")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "real").read_bytes() == b"x"
    write_bytes("/dev/null", b"x")


@pytest.mark.parametrize("bad", ["", "f/x", "a\0b", "n" * 300])
def test_bad_paths_are_input_errors(tmp_path: Path, bad: str) -> None:
    (tmp_path / "f").write_bytes(b"")
    with pytest.raises(InputError):
        write_bytes(f"{tmp_path}/{bad}", b"x")
    assert names(tmp_path) == ["f"]


def test_a_result_folder_appears_at_the_end(tmp_path: Path) -> None:
    target = tmp_path / "new" / "out"
    with folder_in_progress(f"{target}/") as folder:
        (folder / "report.html").write_text("1")
        (folder / "series").mkdir()
        (folder / "series" / "a.csv").write_text("1")
        assert not target.exists()
    assert names(target) == ["report.html", "series"]
    assert names(target.parent) == ["out"]
    with folder_in_progress(target) as folder:
        (folder / "other.html").write_text("2")
    assert names(target) == ["other.html"]
    assert names(target.parent) == ["out"]


def test_a_failed_run_leaves_everything_as_it_was(tmp_path: Path) -> None:
    target = tmp_path / "out"
    with folder_in_progress(target) as folder:
        (folder / "a").write_text("1")
    with pytest.raises(FileNotFoundError), folder_in_progress(target) as folder:
        (folder / "b" / "the folder is missing").write_text("2")
    assert names(tmp_path) == ["out"]
    assert names(target) == ["a"]


def test_files_of_somebody_else_are_never_deleted(tmp_path: Path) -> None:
    target = tmp_path / "out"
    with folder_in_progress(target) as folder:
        (folder / "a").write_text("1")
    (target / "notes.txt").write_text("mine")
    with pytest.raises(InputError, match=r"notes\.txt"), folder_in_progress(target):
        pytest.fail("the check comes before the work")
    assert names(target) == ["a", "notes.txt"]
    (target / "notes.txt").unlink()
    with pytest.raises(InputError, match="late"), folder_in_progress(target):
        (target / "late").write_text("came while we worked")
    assert names(target) == ["a", "late"]


def test_a_manifest_cannot_point_elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "precious").write_text("x")
    target = tmp_path / "out"
    target.mkdir()
    (target / ".bothways-results").write_text("../precious\n..\n.\n")
    monkeypatch.chdir(target)
    with folder_in_progress(".") as folder:
        (folder / "a").write_text("1")
    assert names(tmp_path) == ["out", "precious"]


def test_the_current_folder_is_filled_in_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = tmp_path / "out"
    target.mkdir()
    monkeypatch.chdir(target)
    for content in ("first", "second"):
        with folder_in_progress(".") as folder:
            (folder / content).write_text(content)
            (folder / "kept").mkdir()
            (folder / "kept" / "x").write_text(content)
        assert names(Path.cwd()) == sorted([content, "kept"])
        assert (Path.cwd() / "kept" / "x").read_text() == content


def test_a_file_or_a_broken_link_is_no_result_folder(tmp_path: Path) -> None:
    (tmp_path / "f").write_text("")
    (tmp_path / "l").symlink_to(tmp_path / "gone")
    for name in ("f", "l", "f/x"):
        with pytest.raises(InputError), folder_in_progress(tmp_path / name):
            pytest.fail("never begins")
    check_result_folder(tmp_path / "free")
