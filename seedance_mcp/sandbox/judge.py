"""Decides whether the provider would accept a create body: the documented rules, written a second time, on raw JSON.

Only numbers and lists come from the catalogue. What they mean is written here without the server's request models, so that
a mistake in one shows as a disagreement with the other.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, cast

from seedance_mcp.catalogue.edition import Edition
from seedance_mcp.catalogue.facts import Model

Body = dict[str, Any]


def judge(edition: Edition, body: Any) -> str | None:
    """Give the first reason to refuse a create body, or `None` for one to accept."""
    if not isinstance(body, dict):
        return "the body must be a JSON object"
    fields = cast("Body", body)
    model = edition.find(fields.get("model"))
    return next(_reasons(model, fields), None) if model else "不支持的模型参数 unknown model"


def _reasons(model: Model, body: Body) -> Iterator[str]:
    yield from (f"unknown field {name}" for name in body if name not in _known(model))
    for check in _CHECKS:
        yield from check(model, body)


def _known(model: Model) -> set[str]:
    known = {"model", "prompt", "duration", "ratio", "images", *model.route.options}
    if model.resolution is None:
        known.add("resolution")
    if model.route.takes_orientation:
        known.add("orientation")
    if model.route.frames:
        known |= {"first_image", "last_image"}
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
    if not whole or (seconds not in span.also and (seconds < span.min or seconds > span.max or seconds % span.step)):
        yield f"duration must be {span.min}-{span.max}"


def _choices(model: Model, body: Body) -> Iterator[str]:
    sizes = model.route.resolution.value.allowed if model.route.resolution else ()
    lists = {"resolution": sizes, "ratio": model.route.ratio.value.allowed, "orientation": ("landscape", "portrait")}
    yield from (f"unsupported {name}" for name, allowed in lists.items() if name in body and body[name] not in allowed)


def _sizes(model: Model, body: Body) -> Iterator[str]:
    if model.only_resolutions and "resolution" in body and body["resolution"] not in model.only_resolutions:
        yield f"{model.name} does not support this resolution"


def _options(model: Model, body: Body) -> Iterator[str]:
    for name, fact in model.route.options.items():
        if name not in body:
            continue
        allowed = (True, False) if isinstance(fact.value, bool) else fact.value.allowed
        if not any(type(each) is type(body[name]) and each == body[name] for each in allowed):
            yield f"unsupported {name}"


def _lists(model: Model, body: Body) -> Iterator[str]:
    for name in ("images", "reference_videos", "reference_audios"):
        if name not in body:
            continue
        references, most = body[name], getattr(model.route, name).value
        if not isinstance(references, list) or not 1 <= len(cast("list[Any]", references)) <= most:
            yield f"{name} must be a list of 1 to {most}"
        elif not all(_well_formed(model, each) for each in cast("list[Any]", references)):
            yield f"{name} has a reference of a wrong form"


def _frames(model: Model, body: Body) -> Iterator[str]:
    names = [name for name in ("first_image", "last_image") if name in body]
    yield from (f"{name} has a wrong form" for name in names if not _well_formed(model, body[name]))
    if model.route.both_frames and len(names) == 1:
        yield "first_image and last_image must come together"
    if model.route.last_needs_first and names == ["last_image"]:
        yield "last_image requires first_image"
    if names and "images" in body:
        yield "images and frames are mutually exclusive"


def _videos(model: Model, body: Body) -> Iterator[str]:
    series = model.route.video_models
    if "reference_videos" in body and series and model.name not in series:
        yield "reference_videos only for video-series models"
    if "reference_videos" in body and not model.route.videos_with_frames and ("first_image" in body or "last_image" in body):
        yield "first and last frames are exclusive with reference videos"


def _audios(model: Model, body: Body) -> Iterator[str]:
    if "reference_audios" not in body:
        return
    frames = "first_image" in body or "last_image" in body
    if not (model.route.audio_alone or frames or "images" in body or "reference_videos" in body):
        yield "reference_audios cannot be used alone"
    if frames and model.route.audio_with_frames and not model.route.audio_with_frames.value:
        yield "frame mode does not support audio references"


def _well_formed(model: Model, reference: Any) -> bool:
    if not isinstance(reference, str) or any(character.isspace() for character in reference):
        return False
    scheme, _, rest = reference.partition("://")
    return scheme in model.route.schemes.value and (rest[:1].isalnum() or rest[:1] == "_")


_CHECKS: tuple[Callable[[Model, Body], Iterator[str]], ...] = (
    _prompt,
    _duration,
    _choices,
    _sizes,
    _options,
    _lists,
    _frames,
    _videos,
    _audios,
)
