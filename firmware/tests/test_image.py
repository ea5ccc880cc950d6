"""What imgtool signs, the boot loader takes; nothing else. Its C code is called from here, as a library."""

from __future__ import annotations

import ctypes
import hashlib
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

_FIRMWARE = Path(__file__).parents[1]
sys.path.insert(0, str(_FIRMWARE / "tools"))

import image  # noqa: E402

_SOURCES = ("boot/sha512.c", "boot/signature.c", "boot/verify.c", "build/crypto/monocypher.c")
_INCLUDES = ("src", "boot", "build", "build/crypto")

#: `enum verdict`.
GOOD, NO_IMAGE, MALFORMED, TOO_LARGE, OTHER_ADDRESS, OTHER_BOARD, CORRUPT, NOT_SIGNED = range(8)

#: The order of Ed25519's group (RFC 8032, section 5.1).
_ORDER = 2**252 + 27742317777372353535851937790883648493

_PROGRAM = bytes(range(256)) * 9


@pytest.fixture(scope="session")
def boot(tmp_path_factory: pytest.TempPathFactory) -> ctypes.CDLL:
    made = tmp_path_factory.mktemp("boot") / "boot.so"
    make = ["make", "-s", "-f", "boot.mk", "sources", f"PYTHON={sys.executable}"]
    subprocess.run(make, cwd=_FIRMWARE, check=True)
    sources = [str(_FIRMWARE / name) for name in _SOURCES]
    includes = [f"-I{_FIRMWARE / name}" for name in _INCLUDES]
    subprocess.run(["gcc", "-shared", "-fPIC", "-O1", *includes, *sources, "-o", str(made)], check=True)
    library = ctypes.CDLL(str(made))
    library.signature_good.restype = ctypes.c_bool
    return library


@pytest.fixture(scope="session")
def key(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("key") / "key.pem"
    image.new_key(path)
    return path


Signed = Callable[..., bytes]


@pytest.fixture
def signed(tmp_path: Path, key: Path) -> Signed:
    """Make an image of a program."""

    def make(program: bytes = _PROGRAM, with_key: Path | None = key, board: int = 1) -> bytes:
        source, target = tmp_path / "app.bin", tmp_path / "app.signed.bin"
        source.write_bytes(program)
        image.sign(source, target, with_key, "1.2.3+4", board)
        return target.read_bytes()

    return make


@pytest.fixture
def verdict(boot: ctypes.CDLL, key: Path) -> Callable[[bytes], int]:
    """What the boot loader says to an image."""
    public = image.load_key(key).public_key().public_bytes_raw()

    def judge(data: bytes) -> int:
        told = ctypes.create_string_buffer(128)
        return int(boot.image_verify(data, len(data), public, told))

    return judge


@given(st.binary(max_size=1000))
def test_sha512(boot: ctypes.CDLL, data: bytes) -> None:
    digest = ctypes.create_string_buffer(64)
    boot.sha512(data, ctypes.c_size_t(len(data)), digest)
    assert digest.raw == hashlib.sha512(data).digest()


def test_signature_of_rfc8032(boot: ctypes.CDLL) -> None:
    # Section 7.1, "TEST SHA(abc)".
    public = bytes.fromhex("ec172b93ad5e563bf4932c70e1245034c35467ef2efd4d64ebf819683467e2bf")
    signature = bytes.fromhex(
        "dc2a4459e7369633a52b1bf277839a00201009a3efbf3ecb69bea2186c26b589"
        "09351fc9ac90b3ecfdfbc7c66431e0303dca179c138ac17ad9bef1177331a704"
    )
    assert boot.signature_good(signature, public, hashlib.sha512(b"abc").digest())


@given(st.binary(min_size=32, max_size=32), st.binary(min_size=64, max_size=64), st.integers(0, 160 * 8 - 1))
def test_signatures(boot: ctypes.CDLL, seed: bytes, message: bytes, bit: int) -> None:
    private = Ed25519PrivateKey.from_private_bytes(seed)
    public, signature = private.public_key().public_bytes_raw(), private.sign(message)
    assert boot.signature_good(signature, public, message)
    changed = bytearray(signature + public + message)
    changed[bit // 8] ^= 1 << bit % 8
    parts = bytes(changed[:64]), bytes(changed[64:96]), bytes(changed[96:])
    assert not boot.signature_good(*parts)
    # The same point with another scalar: RFC 8032 wants it below the order of the group.
    scalar = int.from_bytes(signature[32:], "little") + _ORDER
    assert not boot.signature_good(signature[:32] + scalar.to_bytes(32, "little"), public, message)


def test_signed_image_is_good(signed: Signed, verdict: Callable[[bytes], int]) -> None:
    for length in (1, 100, 2304, 5000):
        assert verdict(signed(_PROGRAM[:length] * 2)) == GOOD


def test_largest_image(signed: Signed, verdict: Callable[[bytes], int], key: Path) -> None:
    at = image.layout()
    overhead = len(signed(b"x")) - 1
    assert verdict(signed(bytes(at["SLOT_BYTES"] - overhead))) == GOOD
    with pytest.raises(image.ImageError, match="do not fit"):
        signed(bytes(at["SLOT_BYTES"] - overhead + 1))


def test_other_signatures(signed: Signed, verdict: Callable[[bytes], int], tmp_path: Path) -> None:
    other = tmp_path / "other.pem"
    image.new_key(other)
    assert verdict(signed(with_key=other)) == NOT_SIGNED
    assert verdict(signed(with_key=None)) == NOT_SIGNED
    assert verdict(signed(board=2)) == OTHER_BOARD


def test_any_changed_bit(signed: Signed, verdict: Callable[[bytes], int]) -> None:
    data = bytearray(signed(_PROGRAM[:64]))
    for at in range(len(data)):
        data[at] ^= 1 << at % 8
        judged = verdict(bytes(data))
        data[at] ^= 1 << at % 8
        if not _free(data, at):
            assert judged != GOOD, at


def _free(data: bytearray, at: int) -> bool:
    """Whether a byte belongs to the one field that the boot loader does not read: the hash of the key."""
    start = bytes(data).index(b"\x01\x00\x40\x00")
    return start <= at < start + 68


def test_any_shorter_image(signed: Signed, verdict: Callable[[bytes], int]) -> None:
    data = signed(_PROGRAM[:64])
    assert all(verdict(data[:length]) != GOOD for length in range(len(data)))


def test_imgtool_agrees(signed: Signed, key: Path, tmp_path: Path) -> None:
    (tmp_path / "image.bin").write_bytes(signed())
    told = subprocess.run(
        [Path(sys.executable).with_name("imgtool"), "verify", "--key", key, tmp_path / "image.bin"],
        capture_output=True,
        text=True,
    )
    assert told.returncode == 0 and "1.2.3+4" in told.stdout


_BROKEN = "-----BEGIN PRIVATE KEY-----\nAA==\n-----END PRIVATE KEY-----\n"


@pytest.mark.parametrize("text", ["", "nonsense", _BROKEN])
def test_no_key(tmp_path: Path, text: str) -> None:
    path = tmp_path / "key.pem"
    path.write_text(text)
    with pytest.raises(image.ImageError, match="key"):
        image.load_key(path)
