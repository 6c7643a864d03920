"""Keys in a file of their own: made with mode 0600, renewed while others read, lost, swapped."""

import stat

import pytest

from bothways.adapters.trust.keys import SecretKeys, is_sealed
from bothways.domain.errors import InputError


def test_a_text_is_sealed_for_its_owner_and_opened_by_whoever_reads_the_same_file(tmp_path):
    path = tmp_path / "secrets.key"
    sealed = SecretKeys(path).seal("JBSWY3DP", "id-1")
    assert is_sealed(sealed)
    assert "JBSWY3DP" not in sealed
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert SecretKeys(path).open(sealed, "id-1") == "JBSWY3DP"
    assert SecretKeys(path).open(sealed, "id-2") == ""
    assert SecretKeys(path).open("JBSWY3DP", "id-1") == "JBSWY3DP", "from before"


def test_a_renewed_key_seals_and_the_one_before_still_opens_also_where_the_file_was_read_earlier(tmp_path):
    path = tmp_path / "secrets.key"
    running, command = SecretKeys(path), SecretKeys(path)
    first = running.seal("secret", "id-1")
    command.renew()
    second = running.seal("secret", "id-1")
    assert (running.current(first), running.current(second)) == (False, True)
    assert [running.open(text, "id-1") for text in (first, second)] == ["secret", "secret"]
    command.renew()
    assert [running.open(text, "id-1") for text in (first, second)] == ["", "secret"]
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [entry.name for entry in tmp_path.iterdir()] == ["secrets.key"]


def test_a_lost_key_opens_nothing_and_breaks_nothing(tmp_path):
    path = tmp_path / "secrets.key"
    sealed = SecretKeys(path).seal("secret", "id-1")
    path.unlink()
    assert SecretKeys(path).open(sealed, "id-1") == ""
    path.write_text("not a key\n")
    assert SecretKeys(path).open(sealed, "id-1") == ""
    with pytest.raises(InputError, match="one key a line"):
        SecretKeys(path).seal("secret", "id-1")


def test_processes_that_share_a_key_do_not_make_one_each(tmp_path):
    path = tmp_path / "secrets.key"
    with pytest.raises(InputError, match="bothways account key"):
        SecretKeys(path, make=False).seal("secret", "id-1")
    with pytest.raises(InputError, match="a place for the file of keys"):
        SecretKeys(tmp_path / "nowhere" / "secrets.key").seal("secret", "id-1")
    one, two = SecretKeys(path), SecretKeys(path)
    assert two.open(one.seal("secret", "id-1"), "id-1") == "secret"
    assert one.open(two.seal("secret", "id-1"), "id-1") == "secret"
