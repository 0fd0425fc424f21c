"""Says what becomes of a picture whose shape is not the video's, where its size is known from the upload."""

from __future__ import annotations

from collections.abc import Iterator

from seedance_mcp.catalogue.facts import FRAME_FIELDS
from seedance_mcp.catalogue.requests import VideoRequest
from seedance_mcp.money.ledger import Ledger
from seedance_mcp.tools.references import references_of

LOST_LEAST = 0.03
"""The smallest part of a picture whose loss is worth a warning."""


async def cropped_pictures(ledger: Ledger, request: VideoRequest) -> list[str]:
    """Name the pictures that upstream crops to the video's shape, as warnings; those of unknown size are left out."""
    ratio = request.ratio or (None if request.orientation else request.route.ratio.value.default)
    if ratio is None:
        return []
    told: list[str] = []
    for field, reference in _shaping(request, is_adaptive=_is_adaptive(ratio)):
        known = await ledger.media(reference)
        if known and known.size_px:
            told += _told(request, ratio, field, *known.size_px)
    return told


def _is_adaptive(ratio: str) -> bool:
    return ratio.lower() == "adaptive"


def _shaping(request: VideoRequest, *, is_adaptive: bool) -> Iterator[tuple[str, str]]:
    """Give the frames, which the video shows whole, and the first image too, where the video takes its shape from it."""
    fields = (*FRAME_FIELDS, *(("images",) if is_adaptive else ()))
    seen: set[str] = set()
    for field, reference in references_of(request):
        if field in fields and field not in seen:
            seen.add(field)
            yield field, reference


def _told(request: VideoRequest, ratio: str, field: str, width_px: int, height_px: int) -> Iterator[str]:
    shape = width_px / height_px
    shapes = [each for each in request.route.ratio.value.allowed if not _is_adaptive(each)] if _is_adaptive(ratio) else [ratio]
    lost, taken = min((_lost(shape, _shape_of(each)), each) for each in shapes)
    if lost >= LOST_LEAST:
        why = f"the nearest shape that {ratio} can take is {taken}" if _is_adaptive(ratio) else f"the video is {taken}"
        yield (
            f"{field} is {width_px}x{height_px} px and {why}: about {lost:.0%} of the picture would be cropped (upstream's "
            "way; the provider states none). Crop or pad it first to choose what is seen."
        )


def _shape_of(ratio: str) -> float:
    width, _, height = ratio.partition(":")
    return int(width) / int(height)


def _lost(shape: float, wanted: float) -> float:
    """Give the part of a picture that is cut off when it fills another shape."""
    return 1 - min(shape / wanted, wanted / shape)
