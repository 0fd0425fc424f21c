"""The order for the film of one request: all that it has to show."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from seedance_mcp.catalogue.edition import Edition
from seedance_mcp.catalogue.facts import FrameSize, Model

_WIDE, _TALL = "16:9", "9:16"


@dataclass(frozen=True, slots=True)
class Order:
    """One film to draw."""

    model: str
    prompt: str
    seconds: int
    frames_per_second: int
    resolution: str
    ratio: str | None
    """`None`: the ratio follows the first picture."""
    sizes: Mapping[str, FrameSize]
    """Ratio → size at this resolution."""
    sound: bool

    @property
    def frames(self) -> int:
        """How many frames the film has."""
        return self.seconds * self.frames_per_second

    @property
    def size(self) -> FrameSize:
        """The size of a frame."""
        return self.sizes[self.ratio or _WIDE]

    @property
    def label(self) -> str:
        """The line that the film shows about itself."""
        return f"{self.resolution}  {self.ratio or _WIDE}  {self.seconds} s"

    def shaped_like(self, width_px: int, height_px: int) -> Order:
        """Give the order with the ratio nearest to that of a picture, where the ratio is still open."""
        if self.ratio:
            return self
        wanted = math.log(width_px / height_px)
        return replace(self, ratio=min(self.sizes, key=lambda ratio: abs(_log(ratio) - wanted)))


def _log(ratio: str) -> float:
    width, height = ratio.split(":")
    return math.log(int(width) / int(height))


def seconds_of(model: Model, body: dict[str, Any]) -> int:
    """Give how long the video of an accepted body is; one that the provider chooses is as long as the usual one."""
    span = model.route.duration.value
    seconds = int(body.get("duration", span.default))
    return span.default if seconds in span.also else seconds


def order_of(edition: Edition, body: dict[str, Any]) -> Order:
    """Read a create body that the sandbox accepted; a ratio without a size, such as `adaptive`, stays open."""
    model = edition.by_name[body["model"]]
    resolution = body.get("resolution", model.default_resolution)
    sizes = {ratio: by_resolution[resolution] for ratio, by_resolution in edition.frame_sizes.items()}
    usual = model.route.ratio.value.default or _WIDE
    ratio = body.get("ratio") or (_TALL if body.get("orientation") == "portrait" else usual)
    audible, wanted = model.route.options.get("generate_audio"), body.get("generate_audio")
    return Order(
        model=model.name,
        prompt=body["prompt"],
        seconds=seconds_of(model, body),
        frames_per_second=edition.frames_per_second.value,
        resolution=resolution,
        ratio=ratio if ratio in sizes else None,
        sizes=sizes,
        sound=bool(audible.value if wanted is None else wanted) if audible else model.route.reference_audios.value > 0,
    )
