"""Recognises a file by its content, in bounded time and without any library: the first gate, and the only one without PyAV.

A few magic bytes are no proof: text begins with "BM", "ID3" or "OggS" too. A format with a weak sign has to show its
structure, and a container has to show its tracks.
"""

from __future__ import annotations

import os
import re
import struct
from collections.abc import Callable
from dataclasses import replace
from typing import BinaryIO

from seedance_mcp.media.formats import FORMATS, SOUND_ONLY, Content
from seedance_mcp.media.headers import flac_seconds, picture_size, scan_start, wave_seconds
from seedance_mcp.media.matroska import read_matroska
from seedance_mcp.media.mp4_header import Movie, read_movie
from seedance_mcp.media.mpeg_audio import is_adts, layer, skip_tags

_HEAD_BYTES = 4096
_SCAN_BYTES = 1 << 20
_CUT = "is cut short"
_DOCUMENT = rb"(\xef\xbb\xbf)?\s*(<\?xml[^>]*>\s*)?(<!--(?:(?!-->).)*-->\s*|<!DOCTYPE svg[^>]*>\s*)*<svg[\s>]"
"""A comment ends at its first end: otherwise every split of many comments would be tried in turn."""
_BMP = (
    rb"BM.{12}(?:\x0c\0\0\0.{4}\x01\0[\x01\x04\x08\x18]\0"
    rb"|[\x10\x28\x34\x38\x40\x6c\x7c]\0\0\0.{8}\x01\0[\x00\x01\x02\x04\x08\x10\x18\x20]\0)"
)
"""The header behind the name has one of a few lengths, one plane, and a usual number of bits for each pixel."""

SIGNATURES: tuple[tuple[str, bytes], ...] = (
    ("png", rb"\x89PNG\r\n\x1a\n"),
    ("jpg", rb"\xff\xd8\xff"),
    ("gif", rb"GIF8[79]a"),
    ("webp", rb"RIFF.{4}WEBPVP8[ LX]"),
    ("bmp", _BMP),
    ("svg", _DOCUMENT),
    ("wav", rb"(RIFF|RF64|BW64).{4}WAVE"),
    ("avi", rb"RIFF.{4}AVI "),
    ("flac", rb"fLaC[\x00\x80]\0\0\x22"),
    ("flv", rb"FLV\x01.\0\0\0\x09"),
    ("jxl", rb"\0\0\0\x0cJXL |\xff\x0a"),
    ("jp2", rb"\0\0\0\x0cjP  |\xff\x4f\xff\x51"),
    ("tiff", rb"II[*+R]\0|II\x55\0|IIRO|IIRS|MM\0[*+]"),
    ("raf", rb"FUJIFILMCCD-RAW"),
    ("psd", rb"8BPS\0[\x01\x02]"),
    ("ico", rb"\0\0\x01\0[\x01-\x40]\0"),
    ("wmv", rb"\x30\x26\xb2\x75\x8e\x66\xcf\x11"),
    ("ts", rb"G.{187}G.{187}G|.{4}G.{191}G.{191}G"),
    ("mpg", rb"\0\0\x01[\xba\xb3]"),
    ("rm", rb"\.RMF\0"),
    ("aiff", rb"FORM.{4}AIF[FC]"),
    ("amr", rb"#!AMR(-WB)?\n"),
    ("caf", rb"caff\0\x01"),
    ("wv", rb"wvpk"),
    ("ape", rb"MAC [\x00-\xff]\x0f"),
    ("ac3", rb"\x0b\x77.{2}[\x00-\x7f]"),
    ("au", rb"\.snd\0\0"),
    ("midi", rb"MThd\0\0\0\x06"),
)
"""Format and a regular expression of its first bytes; the first that matches decides."""

_BRANDS: tuple[tuple[str, str], ...] = (
    ("avif", r"avi[fs]"),
    ("heic", r"he[iv][cxms]"),
    ("heif", r"m[is]f1|mif2|miaf|j2ki|jpe[gs]"),
    ("cr3", r"crx "),
    ("3gp", r"3g|kddi|mmp4"),
    ("m4v", r"M4V"),
    ("mov", r"qt  "),
    ("jxl", r"jxl "),
    ("jp2", r"jp[2xm] "),
)
"""Format and the major brand that names it; every other brand is an MP4 file's."""
_OGG_PICTURES = (b"\x80theora", b"BBCD\0", b"\x01video\0", b"OVP80")
_OGG_SOUNDS = {b"\x01vorbis": "vorbis", b"OpusHead": "opus", b"\x7fFLAC": "flac", b"Speex   ": "speex", b"PCM     ": "pcm"}


def recognise(file: BinaryIO) -> Content | None:
    """Give what the content is, or `None` where it is no media that is known. The file's position moves."""
    file.seek(0)
    head = file.read(_HEAD_BYTES)
    for name, signature in SIGNATURES:
        if re.match(signature, head, re.DOTALL):
            return _measured(file, name, head)
    if head[:3] == b"Ogg":
        return _ogg(head)
    return _matroska(file) or _movie(file) or _mpeg_audio(file)


def _measured(file: BinaryIO, name: str, head: bytes) -> Content:
    """Read what the header of a format says, by a reader of its own where there is one."""
    content = Content(FORMATS[name], size_px=picture_size(file, name))
    read = _MEASURES.get(name)
    return read(file, content, head) if read else content


def _size_bytes(file: BinaryIO) -> int:
    return file.seek(0, os.SEEK_END)


def _png(file: BinaryIO, content: Content, head: bytes) -> Content:
    return content if _holds(file, b"IEND\xaeB`\x82", 8) else replace(content, damage=_CUT)


def _jpeg(file: BinaryIO, content: Content, head: bytes) -> Content:
    return content if _holds(file, b"\xff\xd9", scan_start(file)) else replace(content, damage=_CUT)


def _holds(file: BinaryIO, needle: bytes, start: int) -> bool:
    """Return whether bytes that end every whole file of a format stand anywhere from a place on."""
    file.seek(start)
    before = b""
    while chunk := file.read(_SCAN_BYTES):
        if needle in before + chunk:
            return True
        before = chunk[-len(needle) :]
    return False


def _riff(file: BinaryIO, content: Content, head: bytes) -> Content:
    claimed = int.from_bytes(head[4:8], "little")
    is_cut = claimed not in {0, 0xFFFFFFFF} and claimed + 8 > _size_bytes(file) + 1
    return replace(content, damage=_CUT) if is_cut else content


def _wave(file: BinaryIO, content: Content, head: bytes) -> Content:
    return replace(content, seconds=wave_seconds(file, _size_bytes(file)))


def _flac(file: BinaryIO, content: Content, head: bytes) -> Content:
    return replace(content, seconds=flac_seconds(head), codec="flac")


def _flv(file: BinaryIO, content: Content, head: bytes) -> Content:
    """Believe the flags where they say that there is sound and nothing else."""
    return replace(content, form=FORMATS["flv sound"]) if head[4] == 0x4 else content  # noqa: PLR2004 - bit 2 is sound


def _avi(file: BinaryIO, content: Content, head: bytes) -> Content:
    """Read the main header, and which streams there are."""
    at = head.find(b"avih", 0, 64)
    if at >= 0 and len(head) >= at + 48:
        microseconds, frames, width, height = struct.unpack_from("<I12xI12x2I", head, at + 8)
        seconds = microseconds * frames / 1e6 or None
        content = replace(content, seconds=seconds, size_px=(width, height) if width and height else None)
    is_sound = b"auds" in head and b"vids" not in head
    return _riff(file, replace(content, form=FORMATS["avi sound"]) if is_sound else content, head)


_MEASURES: dict[str, Callable[[BinaryIO, Content, bytes], Content]] = {
    "jpg": _jpeg,
    "png": _png,
    "webp": _riff,
    "wav": _wave,
    "flac": _flac,
    "avi": _avi,
    "flv": _flv,
}


def _ogg(head: bytes) -> Content | None:
    """Read the first packet of each stream: all of them stand at the beginning."""
    first, start = list[bytes](), 0
    while head[start : start + 5] == b"OggS\0" and len(head) > start + 27 and head[start + 5] & 0x2:
        segments = head[start + 27 : start + 27 + head[start + 26]]
        packet = start + 27 + len(segments)
        first.append(head[packet : packet + 8])
        start = packet + sum(segments)
    if any(packet.startswith(_OGG_PICTURES) for packet in first):
        return Content(FORMATS["ogv"])
    codecs = [codec for packet in first for magic, codec in _OGG_SOUNDS.items() if packet.startswith(magic)]
    return Content(FORMATS["ogg"], codec=codecs[0]) if codecs else None


def _matroska(file: BinaryIO) -> Content | None:
    found = read_matroska(file)
    if found is None:
        return None
    name = "webm" if found.doc_type == "webm" else "mkv"
    name = SOUND_ONLY[name] if found.has_sound and not found.has_pictures else name
    damage = _CUT if found.is_cut or not found.has_tracks else ""
    return Content(FORMATS[name], found.seconds, found.size_px, codec=found.codec, damage=damage)


def _movie(file: BinaryIO) -> Content | None:
    movie = read_movie(file)
    if movie is None or not (movie.brands or movie.has_header):
        return None
    name = _brand(movie.brands)
    if FORMATS[name].kind == "image":
        return Content(FORMATS[name])
    moving, sound = movie.moving(), movie.sound()
    name = SOUND_ONLY[name] if sound and not moving else name
    main = moving or sound
    return Content(
        FORMATS[name],
        movie.seconds(),
        moving.size_px if moving else None,
        header_seconds=movie.header_seconds(),
        codec=main.codec.strip() if main else "",
        damage=_damage(movie),
    )


def _damage(movie: Movie) -> str:
    if not movie.is_whole:
        return _CUT
    return "" if movie.moving() or movie.sound() else "holds neither pictures nor sound"


def _brand(brands: list[str]) -> str:
    """Name the format by the major brand; a still picture may name its kind only among the others."""
    if not brands:
        return "mov"
    names = [next((name for name, pattern in _BRANDS if re.match(pattern, brand)), "mp4") for brand in brands]
    better = [name for name in names[1:] if name in {"avif", "heic"}]
    return better[0] if names[0] == "heif" and better else names[0]


def _mpeg_audio(file: BinaryIO) -> Content | None:
    """Search behind tags for FLAC, for a chain of AAC frames, and for one of MPEG frames."""
    start = skip_tags(file)
    file.seek(start)
    head = file.read(_HEAD_BYTES)
    if start and head[:4] == b"fLaC":
        return _flac(file, Content(FORMATS["flac"]), head)
    if is_adts(file, start):
        return Content(FORMATS["aac"], codec="aac")
    found = layer(file, start)
    return Content(FORMATS["mp3" if found == 3 else "mp2"]) if found else None  # noqa: PLR2004 - the third layer
