"""Damage that a file can take, from a lost tail to numbers chosen to make a reader ask for memory."""

from __future__ import annotations

import gzip
import io
import zipfile
from dataclasses import dataclass
from enum import StrEnum

from hypothesis import strategies as st


class Kind(StrEnum):
    """What happens to the bytes."""

    CUT = "cut"
    FLIP = "flip"
    INSERT = "insert"
    OVERWRITE = "overwrite"
    DROP = "drop"
    REPEAT = "repeat"


@dataclass(frozen=True)
class Damage:
    """at: where, modulo the file's length. count: which bit, or how many bytes. filling: bytes written."""

    kind: Kind
    at: int
    count: int
    filling: bytes

    def apply(self, data: bytes) -> bytes:
        """The damaged bytes."""
        at = self.at % (len(data) + 1)
        end = at + self.count
        match self.kind:
            case Kind.CUT:
                return data[:at]
            case Kind.FLIP:
                return (
                    data[:at]
                    + bytes(byte ^ 1 << self.count % 8 for byte in data[at : at + 1])
                    + data[at + 1 :]
                )
            case Kind.INSERT:
                return data[:at] + self.filling + data[at:]
            case Kind.OVERWRITE:
                return data[:at] + self.filling + data[at + len(self.filling) :]
            case Kind.DROP:
                return data[:at] + data[end:]
            case Kind.REPEAT:
                return data[:end] + data[at:]


_HUGE = [(n - 1).to_bytes(width, "little") for width in (4, 8) for n in (1 << 31, 1 << 8 * width)]
_TOKENS = (
    *(
        b"\0",
        b"\xff",
        b"\xed\xa0\x80",
        b"\xef\xbb\xbf",
        b"\n",
        b"\n\n",
        b"\r\n",
        b",",
        b'"',
        b"\\",
        b"\\ud800",
    ),
    *(b"[" * 5000, b'{"a":' * 5000, b"null", b"NaN", b"-Infinity", b"1e999", b"-0.0", b"9" * 5000, b"true"),
    *(
        b"{}",
        b"[]",
        b'""',
        b"'",
        b"0.5",
        b"../../x",
        b"/etc/x",
        b"{subject}",
        b"PK\x05\x06",
        b"PAR1",
        b"\x1f\x8b",
    ),
)

damages = st.lists(
    st.builds(
        Damage,
        st.sampled_from(Kind),
        st.integers(0, 1 << 20),
        st.integers(0, 300),
        st.sampled_from([*_TOKENS, *_HUGE]) | st.binary(min_size=1, max_size=12),
    ),
    min_size=1,
    max_size=4,
)
"""One to four damages, one after the other."""


def damage(data: bytes, order: list[Damage], *, inside: bool = False) -> bytes:
    """The damaged file. inside: damage what a compressed file holds, and compress that again."""
    if inside and data[:2] == b"\x1f\x8b":
        return gzip.compress(damage(gzip.decompress(data), order), 1)
    if inside and data[:2] == b"PK":
        return _zip_again(data, order)
    for each in order:
        data = each.apply(data)
    return data


def _zip_again(data: bytes, order: list[Damage]) -> bytes:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        members = [(info.filename, archive.read(info)) for info in archive.infolist()]
    return zipped(*((name, damage(content, order)) for name, content in members))


def zipped(*members: tuple[str, bytes]) -> bytes:
    """An archive of some members, deflated."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members:
            archive.writestr(zipfile.ZipInfo(name), content, zipfile.ZIP_DEFLATED)
    return buffer.getvalue()
