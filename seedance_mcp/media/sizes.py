"""Sizes of pictures and films that a route takes: how far one is scaled, and what it is put into."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from typing import Any

from seedance_mcp.catalogue.facts import Bound, Measure
from seedance_mcp.media.decoder import Unreadable

_ENLARGED_MOST = 2.0
"""A picture that would have to grow by more is blurred: that is for its owner to decide."""
_EVERY = math.inf
_SAME_ASPECT = 0.01
"""Aspects that differ by no more are the same one, rounded."""


@dataclass(frozen=True, slots=True)
class Range:
    """The smallest and the largest value, both allowed."""

    low: float = 0.0
    high: float = _EVERY

    def within(self, other: Bound) -> Range:
        """Give what both allow."""
        return Range(max(self.low, other.low), min(self.high, other.high))


@dataclass(frozen=True, slots=True)
class Target:
    """Everything that a route states about the measures of a file."""

    bytes: Range = Range()
    seconds: Range = Range()
    sides_px: Range = Range()
    a_side_px: Range = Range()
    pixels: Range = Range()
    aspect: Range = Range()
    """Width / height."""

    @classmethod
    def of(cls, bounds: Iterable[Bound]) -> Target:
        """Put the bounds of all facts together."""
        target = cls()
        for bound in bounds:
            mine: Range = getattr(target, bound.measure)
            changed: dict[Measure, Range] = {bound.measure: mine.within(bound)}
            target = replace(target, **changed)
        return target

    def as_json(self) -> dict[str, Any]:
        """Give it as the child reads it."""
        return asdict(self)

    @classmethod
    def from_json(cls, given: dict[str, Any]) -> Target:
        """Read it in the child."""
        return cls(**{name: Range(**each) for name, each in given.items()})

    def aspect_for(self, width: int, height: int) -> float:
        """Give the allowed aspect that is nearest to that of a picture."""
        return min(max(width / height, self.aspect.low), self.aspect.high)

    def size_for(self, width: float, height: float, *, step: int = 1) -> tuple[int, int]:
        """Give the size that a picture of an allowed aspect gets: its own where that is allowed.

        Args:
            width: Of the picture as it is shown, in pixels, like `height`.
            height: See `width`.
            step: The number that divides both sides.

        Raises:
            Unreadable: No size is allowed, or it would have to grow too much.
        """
        short, long, area = min(width, height), max(width, height), width * height
        most = min(self.sides_px.high / long, self.a_side_px.high / short, math.sqrt(self.pixels.high / area))
        least = max(self.sides_px.low / short, self.a_side_px.low / long, math.sqrt(self.pixels.low / area))
        if least > min(most, _ENLARGED_MOST):
            raise Unreadable(
                f"has only {width:.0f} x {height:.0f} px, too few to be enlarged: {_larger(width, height, least)}"
            )
        scale = min(max(1.0, least), most)
        rounded = math.ceil if scale > 1 else math.floor
        wide, high = (rounded(round(side * scale / step, 6)) * step for side in (width, height))
        return self._of_allowed_aspect(wide, high, step)

    def _of_allowed_aspect(self, width: int, height: int, step: int) -> tuple[int, int]:
        """Take away what rounding added to an aspect at the edge."""
        while width / height > self.aspect.high:
            width -= step
        while width / height < self.aspect.low:
            height -= step
        return width, height


def _larger(width: float, height: float, scale: float) -> str:
    """Ask for a picture of the same shape that is enlarged no more than may be."""
    wide, high = (math.ceil(round(side * scale / _ENLARGED_MOST, 6)) for side in (width, height))
    return f"bring one of at least {wide} x {high} px"


def is_same_aspect(width: float, height: float, other_width: float, other_height: float) -> bool:
    """Return whether two sizes have one aspect but for rounding."""
    return abs(width * other_height / (height * other_width) - 1) <= _SAME_ASPECT


def canvas(width: int, height: int, aspect: float, shape: str) -> tuple[int, int]:
    """Give the size that holds a picture with bars (`pad`), or that is left of it (`crop`), in another aspect."""
    is_wide = width / height > aspect
    if (shape == "pad") == is_wide:
        return width, math.ceil(width / aspect) if is_wide else math.floor(width / aspect)
    return math.floor(height * aspect) if is_wide else math.ceil(height * aspect), height


def size_faults(width: int, height: int, target: Target, shape: str) -> list[str]:
    """Say what cannot be mended about a size, each as the end of a sentence: its aspect without a shape, or too few pixels."""
    aspect = target.aspect_for(width, height)
    is_other = aspect != width / height
    faults = [shape_needed(width, height, target)] if is_other and not shape else []
    try:
        target.size_for(*(canvas(width, height, aspect, shape or "pad") if is_other else (width, height)))
    except Unreadable as error:
        faults.append(str(error))
    return faults


def refuse(faults: list[str]) -> None:
    """Raise `Unreadable` with all faults that were found, where there are any."""
    if faults:
        raise Unreadable(". It also ".join(faults))


def shape_needed(width: int, height: int, target: Target) -> str:
    """Say that an aspect is not taken, and what helps, as the end of a sentence."""
    return (
        f"has {width} x {height} px, width / height {width / height:.2f}; allowed: {target.aspect.low:g} to "
        f"{target.aspect.high:g}. Call again with fit: trim: it adds black bars, or cuts edges off with #crop behind the path"
    )
