"""Whether the provider would take a create body: the documented rules, read a second time, on raw JSON.

Only numbers and lists come from the catalogue. What they mean is decided here, apart from the server's own models, so that
one can witness against the other.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, cast

from seedance_mcp.catalogue.editions.edition_2026_07 import BY_NAME
from seedance_mcp.catalogue.facts import Model

Body = dict[str, Any]


def judge(body: Any) -> str | None:
    """Give the first reason to refuse a create body, or `None`."""
    if not isinstance(body, dict):
        return "the body must be a JSON object"
    fields = cast("Body", body)
    name = fields.get("model")
    if not isinstance(name, str) or name not in BY_NAME:
        return "unknown model"
    return next(_faults(BY_NAME[name], fields), None)


def _faults(model: Model, body: Body) -> Iterator[str]:
    yield from (f"unknown field {name}" for name in body if name not in _known(model))
    for check in _CHECKS:
        yield from check(model, body)


def _known(model: Model) -> set[str]:
    known = {"model", "prompt", "duration", "orientation", "ratio", "images", "first_image", "last_image"}
    if model.resolution is None:
        known.add("resolution")
    return known | {name for name in ("reference_videos", "reference_audios") if getattr(model.route, name).value}


def _prompt(model: Model, body: Body) -> Iterator[str]:
    prompt, longest = body.get("prompt"), model.route.prompt_max_chars
    if not isinstance(prompt, str) or prompt.strip() == "":
        yield "prompt is required"
    elif longest is not None and len(prompt) > longest.value:
        yield f"prompt exceeds {longest.value} characters"


def _duration(model: Model, body: Body) -> Iterator[str]:
    span = model.route.duration.value
    seconds = body.get("duration", span.default)
    whole = isinstance(seconds, int | float) and not isinstance(seconds, bool) and seconds == int(seconds)
    if not whole or seconds < span.min or seconds > span.max:
        yield f"duration must be {span.min}-{span.max}"


def _words(model: Model, body: Body) -> Iterator[str]:
    sizes = model.route.resolution.value.allowed if model.route.resolution else ()
    lists = {"resolution": sizes, "ratio": model.route.ratio.value.allowed, "orientation": ("landscape", "portrait")}
    yield from (f"unsupported {name}" for name, allowed in lists.items() if name in body and body[name] not in allowed)


def _lists(model: Model, body: Body) -> Iterator[str]:
    for name in ("images", "reference_videos", "reference_audios"):
        if name not in body:
            continue
        links, most = body[name], getattr(model.route, name).value
        if not isinstance(links, list) or not 1 <= len(cast("list[Any]", links)) <= most:
            yield f"{name} must be a list of 1 to {most}"
        elif not all(_reachable(model, link) for link in cast("list[Any]", links)):
            yield f"{name} has a link of a wrong form"


def _frames(model: Model, body: Body) -> Iterator[str]:
    names = [name for name in ("first_image", "last_image") if name in body]
    yield from (f"{name} has a wrong form" for name in names if not _reachable(model, body[name]))
    if model.route.both_frames and len(names) == 1:
        yield "first_image and last_image must come together"
    if names and "images" in body:
        yield "images and frames are mutually exclusive"


def _videos(model: Model, body: Body) -> Iterator[str]:
    series = model.route.video_models
    if "reference_videos" in body and series and model.name not in series:
        yield "reference_videos only for video-series models"


def _audios(model: Model, body: Body) -> Iterator[str]:
    if "reference_audios" not in body:
        return
    frames = "first_image" in body or "last_image" in body
    if not (frames or "images" in body or "reference_videos" in body):
        yield "reference_audios cannot be used alone"
    if frames and not model.route.audio_with_frames.value:
        yield "frame mode does not support audio references"


def _reachable(model: Model, link: Any) -> bool:
    if not isinstance(link, str) or any(character.isspace() for character in link):
        return False
    scheme, _, rest = link.partition("://")
    return scheme in model.route.schemes.value and (rest[:1].isalnum() or rest[:1] == "_")


_CHECKS: tuple[Callable[[Model, Body], Iterator[str]], ...] = (
    _prompt,
    _duration,
    _words,
    _lists,
    _frames,
    _videos,
    _audios,
)
