"""Colours of decoded frames: which standard they follow, and how they become those of BT.709.

It runs in the child of `decoder`, with PyAV loaded.
"""

from __future__ import annotations

from typing import Any

_UNSPECIFIED = 2
"""The colour space of a frame that names none, as the codecs' standards count."""
_HD_LINES = 720
"""Video of so many lines that says nothing of its colours has those of BT.709; libraries take it for BT.601."""
_MATRICES = {1: "bt709", 4: "fcc", 5: "bt470", 6: "smpte170m", 7: "smpte240m", 9: "bt2020", 10: "bt2020"}
"""Number of a colour space in the codecs' standards → what the library's scaler calls it."""
_HDR = {16: "PQ", 18: "HLG"}
"""Number of a transfer function → its name."""
BT709 = 1
"""The number of BT.709 among colour spaces, primaries and transfer functions."""
LIMITED_RANGE, FULL_RANGE = 1, 2


def matrix_of(frame: Any) -> str:
    """Name the colour matrix that a frame is drawn with; one that names none follows the standard of its size."""
    return _MATRICES.get(int(frame.colorspace), "bt709" if _is_hd(frame) else "smpte170m")


def is_untagged_hd(pictures: Any) -> bool:
    """Whether a frame or a codec is of HD and names no colour space."""
    return pictures.colorspace == _UNSPECIFIED and _is_hd(pictures)


def _is_hd(pictures: Any) -> bool:
    return min(pictures.width, pictures.height) >= _HD_LINES


def tag_untagged(frame: Any) -> None:
    """Name BT.709 on a frame of HD that names no colour space."""
    if is_untagged_hd(frame):
        frame.colorspace = BT709


def hdr_of(stream: Any) -> str:
    """Name the HDR standard of a stream: `PQ`, `HLG`, or empty."""
    return _HDR.get(int(stream.codec_context.color_trc or 0), "")


def tag_709(context: Any) -> None:
    """Have an encoder name BT.709 in its stream."""
    context.colorspace = context.color_primaries = context.color_trc = BT709
    context.color_range = LIMITED_RANGE
