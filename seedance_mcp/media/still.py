"""Makes a still picture fit: JPEG or PNG, upright, in the colours of sRGB, within the sizes that a route takes.

It runs in the child of `decoder`: Pillow is loaded with it.
"""

from __future__ import annotations

import io
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

from PIL import Image, ImageCms, ImageOps

from seedance_mcp.media.decoder import Unreadable
from seedance_mcp.media.sizes import Target, canvas, refuse, size_faults

LIBRARY_NAMES = {"jpg": "JPEG", "heic": "HEIF", "heif": "HEIF", "jp2": "JPEG2000"}
"""Our name of a format → the library's, where it is another."""
_MOST_PIXELS = 300_000_000
_QUALITIES = (95, 90, 82, 70)
"""JPEG qualities, tried in turn until the file is small enough."""
_SMALLER = 0.8
_FEW_COLOURS = 4096
"""A drawing has so few; JPEG would blur its edges."""
_RAW_TAGS = {50706: "DNG", 330: "a camera's raw photo"}
_REDUCED_TAG, _PHOTOMETRIC_TAG, _RAW_PHOTOMETRIC = 254, 262, 32803
_HDR_TRANSFERS = {16, 18}
_DEEP_MODES = {"I", "I;16", "I;16B", "I;16L", "I;16N", "F"}


@dataclass(slots=True)
class _Work:
    """A picture on its way, and what was changed."""

    picture: Any
    changes: list[str] = field(default_factory=list[str])


def fit_still(name: str, title: str, wanted: dict[str, Any], file: BinaryIO) -> dict[str, Any]:
    """Write a picture that fits; gives its `ending` and the `changes`.

    Args:
        name: Our name of its format.
        title: The name that a user knows, with its article.
        wanted: `target`, `shape` where another aspect may be made, and `output`.
        file: The picture.

    Raises:
        Unreadable: It is too small, or too long and narrow, or no picture of a kind that can be made one.
    """
    work, target = _Work(_opened(name, file)), Target.from_json(wanted["target"])
    _tell_pages(work)
    _turn(work)
    _to_srgb(work)
    _to_eight_bits(work)
    _resize(work, target, wanted["shape"])
    ending, content = _packed(work, int(min(target.bytes.high, 1 << 40)))
    Path(f"{wanted['output']}.{ending}").write_bytes(content)
    names = {"jpg": "JPEG", "png": "PNG"}
    is_same = LIBRARY_NAMES.get(name, name.upper()) == names[ending]
    made = f"saved anew as {names[ending]}" if is_same else f"converted from {title} to {names[ending]}"
    return {"ending": ending, "changes": [made, *work.changes]}


def _opened(name: str, file: BinaryIO) -> Image.Image:
    if name in {"heic", "heif"}:
        import pillow_heif  # noqa: PLC0415 - only such photos need it

        heifs: Any = pillow_heif
        heifs.register_heif_opener()
    Image.MAX_IMAGE_PIXELS = None  # counted here
    picture = Image.open(file, formats=[LIBRARY_NAMES.get(name, name.upper())])
    if picture.width * picture.height > _MOST_PIXELS:
        raise Unreadable(f"has {picture.width} x {picture.height} px, too many to be decoded")
    if name == "tiff":
        _refuse_raw(picture)
    return picture


def _refuse_raw(picture: Any) -> None:
    """Raise for a camera's raw photo: its first picture is a thumbnail."""
    tags = picture.tag_v2
    raw = [tag for tag in _RAW_TAGS if tag in tags]
    if raw or tags.get(_REDUCED_TAG, 0) & 1 or tags.get(_PHOTOMETRIC_TAG) == _RAW_PHOTOMETRIC:
        raise Unreadable("is a camera's raw photo: develop it and save it as JPEG or PNG")


def _tell_pages(work: _Work) -> None:
    pages = int(getattr(work.picture, "n_frames", 1))
    if pages > 1:
        work.changes.append(f"the first of {pages} pictures is used")


def _turn(work: _Work) -> None:
    """Turn a picture as its EXIF orientation says."""
    before = work.picture.getexif().get(0x0112, 1)
    work.picture.load()
    upright = ImageOps.exif_transpose(work.picture)
    if before != 1:
        work.changes.append("turned upright")
    work.picture = upright


def _to_srgb(work: _Work) -> None:
    """Bring the colours of a profile to those of sRGB, which readers without profiles expect."""
    picture, profile = work.picture, work.picture.info.get("icc_profile")
    colours: dict[str, Any] = picture.info.get("nclx_profile") or {}
    if colours.get("transfer_characteristics") in _HDR_TRANSFERS:
        work.changes.append("HDR brightness became that of usual screens: it may be paler")
    name = "CMYK" if picture.mode == "CMYK" else ""
    if profile and picture.mode in {"RGB", "RGBA", "CMYK", "L"}:
        name = name or _converted_profile(work, profile)
        _apply(work, profile)
    if name:
        work.changes.append(f"colours converted from {name} to sRGB")
    if work.picture.mode in {"CMYK", "YCbCr", "LAB", "HSV"}:
        work.picture = work.picture.convert("RGB")


def _converted_profile(work: _Work, profile: bytes) -> str:
    """Name a colour profile that is not sRGB; empty for sRGB or one that cannot be read."""
    try:
        name = ImageCms.getProfileDescription(ImageCms.ImageCmsProfile(io.BytesIO(profile))).strip()
    except (OSError, ImageCms.PyCMSError):
        return ""
    return "" if "srgb" in name.lower() else name[:60]


def _apply(work: _Work, profile: bytes) -> None:
    picture, mode = work.picture, "RGBA" if work.picture.mode == "RGBA" else "RGB"
    try:
        colours: Any = ImageCms
        source = colours.ImageCmsProfile(io.BytesIO(profile))
        converted = colours.profileToProfile(picture, source, colours.createProfile("sRGB"), outputMode=mode)
    except (OSError, ImageCms.PyCMSError):
        return
    work.picture = converted


def _to_eight_bits(work: _Work) -> None:
    """Bring deep greys to 8 bits, by their values and not by cutting them off; a palette becomes colours."""
    picture = work.picture
    if picture.mode in _DEEP_MODES:
        high = float(_extrema(picture)[1])
        deepest = 1.0 if picture.mode == "F" and high <= 1 else 255.0 if high <= 255 else 65535.0  # noqa: PLR2004 - of 8 bits
        scale = 255 / max(deepest, high)
        picture = _scaled(picture, scale)
        work.changes.append("depth reduced to 8 bits")
    has_alpha = picture.mode in {"RGBA", "LA", "PA", "La", "RGBa"} or "transparency" in picture.info
    work.picture = picture.convert("RGBA" if has_alpha else "RGB")


def _scaled(picture: Any, scale: float) -> Any:
    """Multiply every value, and keep 8 bits."""

    def multiplied(value: Any) -> Any:
        return value * scale

    return picture.convert("F").point(multiplied).convert("L")


def _extrema(picture: Any) -> tuple[float, float]:
    return picture.getextrema()


def _resize(work: _Work, target: Target, shape: str) -> None:
    width, height = work.picture.size
    refuse(size_faults(width, height, target, shape))
    aspect = target.aspect_for(width, height)
    if aspect != width / height:
        _reshape(work, aspect, shape)
    size = target.size_for(*work.picture.size)
    if size != work.picture.size:
        old = "{} x {}".format(*work.picture.size)
        work.changes.append("scaled from {} to {} x {} px".format(old, *size))
        work.picture = work.picture.resize(size, Image.Resampling.LANCZOS)


def _reshape(work: _Work, aspect: float, shape: str) -> None:
    """Add bars or cut edges off."""
    width, height = work.picture.size
    size = canvas(width, height, aspect, shape)
    if shape == "crop":
        left, top = (width - size[0]) // 2, (height - size[1]) // 2
        work.picture = work.picture.crop((left, top, left + size[0], top + size[1]))
        work.changes.append(f"edges cut off: {width} x {height} became {size[0]} x {size[1]}")
    else:
        wider = Image.new(work.picture.mode, size)
        wider.paste(work.picture, ((size[0] - width) // 2, (size[1] - height) // 2))
        work.picture = wider
        work.changes.append(f"black bars added: {width} x {height} became {size[0]} x {size[1]}")


def _packed(work: _Work, most_bytes: int) -> tuple[str, bytes]:
    """Encode as PNG where transparency or clear edges want it, else as JPEG in the best quality that fits."""
    picture = work.picture
    is_clear = picture.mode == "RGBA" and _alpha_least(picture) < 255  # noqa: PLR2004 - opaque
    if is_clear or picture.getcolors(_FEW_COLOURS) is not None:
        content = _encoded(picture if is_clear else picture.convert("RGB"), "PNG")
        if len(content) <= most_bytes:
            return "png", content
    if is_clear:
        ground = Image.new("RGBA", picture.size, "white")
        ground.alpha_composite(picture)
        picture = ground
        work.changes.append("transparent parts made white")
    return "jpg", _small_jpeg(work, picture.convert("RGB"), most_bytes)


def _alpha_least(picture: Any) -> int:
    return picture.getchannel("A").getextrema()[0]


def _small_jpeg(work: _Work, picture: Any, most_bytes: int) -> bytes:
    for quality in _QUALITIES:
        content = _encoded(picture, "JPEG", quality=quality, subsampling=0 if quality > _QUALITIES[1] else 2)
        if len(content) <= most_bytes:
            return content
    width, height = (round(side * _SMALLER) for side in picture.size)
    smaller = picture.resize((width, height), Image.Resampling.LANCZOS)
    work.changes.append("scaled to {} x {} px to save bytes".format(*smaller.size))
    return _small_jpeg(work, smaller, most_bytes)


def _encoded(picture: Image.Image, form: str, **options: Any) -> bytes:
    written = io.BytesIO()
    picture.save(written, form, **options)
    return written.getvalue()
