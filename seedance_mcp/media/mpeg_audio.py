"""Finds the frames of MP3 and AAC files: one of their signs may stand anywhere, a chain of them does not."""

from __future__ import annotations

import os
from typing import BinaryIO

_FRAMES = 3
"""So many frames, each where the one before it says, are no chance."""
_TAGS_MOST = 16
_JUNK_BYTES = 1 << 16
"""How far behind a tag the first frame may be."""
_KBITS = {
    (1, 1): (32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448),
    (1, 2): (32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384),
    (1, 3): (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    (2, 1): (32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256),
    (2, 2): (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
    (2, 3): (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}
"""Kilobits a second by version (1, or 2 for the lower sampling rates) and layer."""
_HERTZ = {3: (44100, 48000, 32000), 2: (22050, 24000, 16000), 0: (11025, 12000, 8000)}


def skip_tags(file: BinaryIO) -> int:
    """Give where the content behind ID3 tags begins: 0 where there is none. The file's position moves."""
    start = 0
    for _ in range(_TAGS_MOST):
        file.seek(start)
        head = file.read(10)
        if head[:3] != b"ID3" or len(head) < 10 or head[3] > 4 or max(head[6:10]) > 0x7F:  # noqa: PLR2004 - versions, and seven bits
            break
        size = 0
        for byte in head[6:10]:
            size = size << 7 | byte
        start += 10 + size + (10 if head[5] & 0x10 else 0)
    return start


def layer(file: BinaryIO, start: int) -> int:
    """Give the layer of the MPEG frames that begin near a place: 3 for MP3; 0 where there are none."""
    file.seek(start)
    near = file.read(_JUNK_BYTES if start else 4096)
    at = near.find(b"\xff")
    while at >= 0 and (start or not near[:at].strip(b"\0")):
        if found := _chain(file, start + at):
            return found
        at = near.find(b"\xff", at + 1)
    return 0


def _chain(file: BinaryIO, at: int) -> int:
    """Give the layer where frames follow each other, up to the end of the file."""
    size_bytes, found = file.seek(0, os.SEEK_END), 0
    for number in range(_FRAMES):
        file.seek(at)
        now, length = _frame(file.read(4))
        if not now or (found and now != found):
            return 0
        found, at = now, at + length
        if at >= size_bytes - 4:  # the last frame, or a single one
            return found if number else 0
    return found


def _frame(head: bytes) -> tuple[int, int]:
    """Give layer and length in bytes of the frame that a header begins; zeros where it is none."""
    bits = int.from_bytes(head)
    version, kind = bits >> 19 & 3, 4 - (bits >> 17 & 3)
    rate, sampling, padding = bits >> 12 & 15, bits >> 10 & 3, bits >> 9 & 1
    if len(head) < 4 or bits >> 21 != 0x7FF or version == 1 or kind == 4 or rate in {0, 15} or sampling == 3:  # noqa: PLR2004 - what no frame has
        return 0, 0
    kbits = _KBITS[1 if version == 3 else 2, kind][rate - 1]  # noqa: PLR2004 - version 1 is written as 3
    hertz = _HERTZ[version][sampling]
    if kind == 1:
        return kind, (12000 * kbits // hertz + padding) * 4
    samples = 72 if kind == 3 and version != 3 else 144  # noqa: PLR2004 - half as many at lower sampling rates
    return kind, samples * 1000 * kbits // hertz + padding


def is_adts(file: BinaryIO, at: int) -> bool:
    """Return whether AAC frames follow each other from a place on."""
    size_bytes = file.seek(0, os.SEEK_END)
    for number in range(_FRAMES):
        file.seek(at)
        head = file.read(7)
        length = int.from_bytes(head[3:6]) >> 5 & 0x1FFF
        if len(head) < 7 or head[0] != 0xFF or head[1] & 0xF6 != 0xF0 or length < 7:  # noqa: PLR2004 - a frame's header
            return False
        at += length
        if at >= size_bytes:
            return number > 0
    return True
