"""Finds what a prompt calls by place ("Image 2") and the request does not bring."""

from __future__ import annotations

import re

from seedance_mcp.catalogue.requests import VideoRequest

_PLACE = re.compile(r"\b(Image|Video|Audio) ?([1-9])\b")
"""Capitalised, as every source writes it: "the video 2 years ago" is another matter."""


def empty_places(request: VideoRequest) -> list[str]:
    """Name the places that the prompt calls and that hold nothing, as one warning; none where all are filled."""
    held = _held(request)
    called = dict.fromkeys((kind, int(number)) for kind, number in _PLACE.findall(request.prompt))
    missing = [f"{kind} {number}" for kind, number in called if number > held[kind]]
    if not missing:
        return []
    return [f"prompt: it names {' and '.join(missing)}, which this request does not bring."]


def _held(request: VideoRequest) -> dict[str, int]:
    """Count what the request brings of each kind; a frame counts as an image."""
    frames = [each for each in (request.first_image, request.last_image) if each]
    return {
        "Image": len([*(request.images or []), *frames]),
        "Video": len(request.reference_videos or []),
        "Audio": len(request.reference_audios or []),
    }
