"""Keys and signatures, against the test vectors of RFC 8032."""

import os
import stat
import sys
from pathlib import Path

import pytest

from bothways.adapters.trust import ed25519
from bothways.domain.errors import BothwaysError, InputError


def test_without_the_extra_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("exceptions", "hazmat.primitives.asymmetric.ed25519", "hazmat.primitives.serialization"):
        monkeypatch.setitem(sys.modules, f"cryptography.{name}", None)
    with pytest.raises(BothwaysError, match=r"bothways\[trust\]"):
        ed25519.verify(bytes(32), bytes(64), b"")


class TestWithTheExtra:
    @pytest.fixture(autouse=True)
    def extra(self) -> None:
        pytest.importorskip("cryptography", reason="the extra bothways[trust] is not installed")

    def test_vectors_of_the_standard(self) -> None:
        """RFC 8032, section 7.1, TEST 1 and TEST 2."""
        first = bytes.fromhex("d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a")
        signature = bytes.fromhex(
            "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46b"
            "d25bf5f0595bbe24655141438e7a100b"
        )
        assert ed25519.verify(first, signature, b"")
        assert not ed25519.verify(first, signature, b"\x72")
        second = bytes.fromhex("3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c")
        signature = bytes.fromhex(
            "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c"
            "387b2eaeb4302aeeb00d291612bb0c00"
        )
        assert ed25519.verify(second, signature, b"\x72")

    def test_sign_and_verify_through_files(self, tmp_path: Path) -> None:
        secret, public = tmp_path / "k" / "key.pem", tmp_path / "key.pub"
        made = ed25519.create_key(secret, public)
        if os.name == "posix":
            assert stat.S_IMODE(secret.stat().st_mode) == 0o600
        assert ed25519.read_public_key(public) == made
        signature, named = ed25519.sign(secret, b"words")
        assert named == made
        assert ed25519.verify(made, signature, b"words")
        assert not ed25519.verify(made, signature, b"other words")
        assert not ed25519.verify(bytes(32), signature, b"words")
        assert not ed25519.verify(made, bytes(64), b"words")

    def test_a_key_is_never_overwritten_and_no_half_pair_stays(self, tmp_path: Path) -> None:
        secret, public = tmp_path / "key.pem", tmp_path / "key.pub"
        ed25519.create_key(secret, public)
        before = secret.read_bytes()
        with pytest.raises(InputError, match="a file that exists"):
            ed25519.create_key(secret, public)
        assert secret.read_bytes() == before
        with pytest.raises(InputError):
            ed25519.create_key(tmp_path / "new.pem", tmp_path)
        assert not (tmp_path / "new.pem").exists()
        with pytest.raises(InputError, match="not writable"):
            ed25519.create_key(secret / "inside.pem", public)

    def test_files_that_hold_no_key(self, tmp_path: Path) -> None:
        secret, public = tmp_path / "key.pem", tmp_path / "key.pub"
        ed25519.create_key(secret, public)
        for path in (public, tmp_path / "text"):
            (tmp_path / "text").write_text("hello")
            with pytest.raises(InputError, match="private key"):
                ed25519.sign(path, b"")
        for path in (secret, tmp_path / "text"):
            with pytest.raises(InputError, match="public key"):
                ed25519.read_public_key(path)
        with pytest.raises(InputError, match="no such file"):
            ed25519.sign(tmp_path / "none", b"")
