"""Files made to hold or to end whoever reads them; each is written piece by piece, since some have 100 MB."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cache
from tempfile import NamedTemporaryFile
from typing import Any

from corpus import BASE, Lazy, box, bytes_of, film

MEGABYTES = 1 << 20


@dataclass(frozen=True)
class Hostile:
    """A beginning, a piece that is repeated, and an end."""

    head: Lazy
    piece: Lazy
    size_bytes: int
    tail: bytes = b""

    @contextmanager
    def written(self) -> Generator[Any]:
        """Give the file, written to the disk."""
        piece = bytes_of(self.piece)
        block = piece * max(1, MEGABYTES // len(piece))
        with NamedTemporaryFile() as file:
            file.write(bytes_of(self.head))
            for _ in range(self.size_bytes // len(block)):
                file.write(block)
            file.write(piece)
            file.write(self.tail)
            file.flush()
            yield file


def chunk(name: bytes, content: bytes) -> bytes:
    """Write a chunk of a PNG."""
    return len(content).to_bytes(4) + name + content + zlib.crc32(name + content).to_bytes(4)


def tags(flv: bytes) -> list[bytes]:
    """Take an FLV apart: its header, then each tag with its length behind."""
    found, at = [flv[:13]], 13
    while at < len(flv):
        end = at + 11 + int.from_bytes(flv[at + 1 : at + 4]) + 4
        found.append(flv[at:end])
        at = end
    return found


def late_stream() -> bytes:
    """An FLV whose pictures begin behind the last of much sound."""
    head, *rest = tags(film(replace(BASE, container="flv", video="flv", audio="aac")))
    sound = [each for each in rest if each[0] == 8]
    return head + b"".join(sound * 40 + [each for each in rest if each[0] == 9])


HEAD = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", 640, 480, 8, 2, 0, 0, 0))
END = chunk(b"IEND", b"")


@cache
def bomb() -> bytes:
    return zlib.compress(bytes(90_000_000))


PLAYABLE = {"an FLV whose pictures come late"}
"""Those that nothing is wrong with but their order, which has killed decoders."""
HOSTILE = {
    "a JPEG of empty comments": Hostile(b"\xff\xd8", b"\xff\xfe\0\2", 100 * MEGABYTES, b"\xff\xd9"),
    "a JPEG of fill bytes": Hostile(b"\xff\xd8", b"\xff", 100 * MEGABYTES, b"\xff\xd9"),
    "a PNG of empty texts": Hostile(HEAD, chunk(b"tEXt", b"a\0b"), 100 * MEGABYTES, END),
    "a PNG of unknown chunks": Hostile(HEAD, chunk(b"quUx", b""), 100 * MEGABYTES, END),
    "a PNG with a bomb": Hostile(HEAD, lambda: chunk(b"zTXt", b"a\0\0" + bomb()), 0, END),
    "a PNG with many bombs": Hostile(HEAD, lambda: chunk(b"iTXt", b"a\0\1\0\0\0" + bomb()), 40 * MEGABYTES, END),
    "a WAV of empty chunks": Hostile(b"RIFF\xff\xff\xff\xffWAVE", b"LIST\0\0\0\0", 96 * MEGABYTES),
    "an MP4 of empty boxes": Hostile(box(b"ftyp", b"isomisom"), b"\0\0\0\x08free", 100 * MEGABYTES),
    "an MP4 of empty fragments": Hostile(
        box(b"ftyp", b"isomisom") + box(b"moov", box(b"mvhd", bytes(100))), box(b"moof", b""), 100 * MEGABYTES
    ),
    "a Matroska file of nothing": Hostile(b"\x1aE\xdf\xa3\x80\x18\x53\x80\x67\xff", b"\xec\x80", 100 * MEGABYTES),
    "an AAC file of empty frames": Hostile(b"", b"\xff\xf1\x50\x80\0\xff\xfc", 100 * MEGABYTES),
    "an Ogg file of empty pages": Hostile(
        b"OggS\0\x02" + bytes(20) + b"\x01\x13OpusHead\1\1\0\0\x80\xbb\0\0\0\0\0", b"OggS" + bytes(23), 100 * MEGABYTES
    ),
    "a giant GIF": Hostile(b"GIF89a" + struct.pack("<HH", 65535, 65535), b"\0", 60 * MEGABYTES),
    "a GIF of empty extensions": Hostile(b"GIF89a" + struct.pack("<HHBBB", 64, 48, 0, 0, 0), b"\x21\xfe\0", 100 * MEGABYTES),
    "an FLV whose pictures come late": Hostile(late_stream, b"\0", 0),
}
