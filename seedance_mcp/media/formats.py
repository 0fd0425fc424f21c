"""The formats that a file may turn out to have: what each is called, and how it may be sent or saved anew."""

from __future__ import annotations

from dataclasses import dataclass

from seedance_mcp.catalogue.facts import Kind


@dataclass(frozen=True, slots=True)
class Format:
    """A file format."""

    title: str
    """The name that a user knows, with its article."""
    kind: Kind
    ending: str = ""
    """Of names of such files, where the provider's file upload knows the format."""
    mime_type: str = ""


@dataclass(frozen=True, slots=True)
class Content:
    """The content of a file as far as its header says; `None` and empty where it does not."""

    form: Format
    seconds: float | None = None
    """How long its pictures move, or how long it sounds where there are none."""
    size_px: tuple[int, int] | None = None
    """Width and height as they are shown: upright, in square pixels."""
    header_seconds: float = 0.0
    """What a header claims beyond all that it says of its tracks; 0 where it does not."""
    frames_per_second: float | None = None
    codec: str = ""
    is_peculiar: bool = False
    """A picture in colours that many programs cannot show: CMYK, or 16 bits a channel."""
    damage: str = ""
    """What is wrong with it, as the end of a sentence; empty where nothing is known to be."""


def _sent(title: str, ending: str, mime_type: str) -> Format:
    kinds: dict[str, Kind] = {"image": "image", "video": "video", "audio": "audio"}
    return Format(title, kinds[mime_type.partition("/")[0]], ending, mime_type)


FORMATS: dict[str, Format] = {
    "jpg": _sent("a JPEG picture", "jpg", "image/jpeg"),
    "png": _sent("a PNG picture", "png", "image/png"),
    "gif": _sent("a GIF picture", "gif", "image/gif"),
    "webp": _sent("a WebP picture", "webp", "image/webp"),
    "bmp": _sent("a BMP picture", "bmp", "image/bmp"),
    "svg": _sent("an SVG drawing", "svg", "image/svg+xml"),
    "heic": Format("a HEIC photo", "image"),
    "heif": Format("a HEIF picture", "image"),
    "avif": Format("an AVIF picture", "image"),
    "cr3": Format("a Canon CR3 raw photo", "image"),
    "tiff": Format("a TIFF picture or a camera's raw photo", "image"),
    "raf": Format("a Fujifilm raw photo", "image"),
    "jxl": Format("a JPEG XL picture", "image"),
    "jp2": Format("a JPEG 2000 picture", "image"),
    "psd": Format("a Photoshop document", "image"),
    "ico": Format("an icon", "image"),
    "mp4": _sent("an MP4 video", "mp4", "video/mp4"),
    "mov": _sent("a QuickTime video", "mov", "video/quicktime"),
    "m4v": _sent("an M4V video", "m4v", "video/x-m4v"),
    "avi": _sent("an AVI video", "avi", "video/x-msvideo"),
    "webm": _sent("a WebM video", "webm", "video/webm"),
    "mkv": _sent("a Matroska video", "mkv", "video/x-matroska"),
    "flv": _sent("an FLV video", "flv", "video/x-flv"),
    "3gp": Format("a 3GP video", "video"),
    "ogv": Format("an Ogg video", "video"),
    "wmv": Format("a Windows Media video", "video"),
    "ts": Format("an MPEG transport stream", "video"),
    "mpg": Format("an MPEG-1 or MPEG-2 video", "video"),
    "rm": Format("a RealMedia file", "video"),
    "mp3": _sent("an MP3 file", "mp3", "audio/mpeg"),
    "wav": _sent("a WAV file", "wav", "audio/wav"),
    "aac": _sent("an AAC file", "aac", "audio/aac"),
    "m4a": _sent("an MP4 file with sound only", "m4a", "audio/mp4"),
    "flac": _sent("a FLAC file", "flac", "audio/flac"),
    "ogg": _sent("an Ogg file with sound only", "ogg", "audio/ogg"),
    "mka": Format("a Matroska file with sound only", "audio"),
    "weba": Format("a WebM file with sound only", "audio"),
    "qta": Format("a QuickTime file with sound only", "audio"),
    "3ga": Format("a 3GP file with sound only", "audio"),
    "avi sound": Format("an AVI file with sound only", "audio"),
    "flv sound": Format("an FLV file with sound only", "audio"),
    "mp2": Format("an MPEG layer 1 or 2 sound file", "audio"),
    "aiff": Format("an AIFF file", "audio"),
    "amr": Format("an AMR recording", "audio"),
    "caf": Format("a Core Audio file", "audio"),
    "wv": Format("a WavPack file", "audio"),
    "ape": Format("a Monkey's Audio file", "audio"),
    "ac3": Format("a Dolby Digital file", "audio"),
    "au": Format("a Sun AU file", "audio"),
    "midi": Format("a MIDI file", "audio"),
}
"""Every format that is recognised, by a short name. Those with an ending are what files/upload takes (pages-05)."""

NAMES = {form.title: name for name, form in FORMATS.items()}
"""The name that a user knows → the key of `FORMATS`."""

SOUND_ONLY = {"mp4": "m4a", "m4v": "m4a", "mov": "qta", "3gp": "3ga", "mkv": "mka", "webm": "weba"} | {
    "avi": "avi sound",
    "flv": "flv sound",
    "ogv": "ogg",
}
"""A container of video → what it is where it holds no moving pictures."""

WAY_FORWARD: dict[Kind, str] = {
    "image": "save it as JPEG or PNG",
    "video": "save it as MP4 (H.264)",
    "audio": "save it as MP3 or WAV",
}
"""What helps with a file of a kind that cannot be sent as it is."""
