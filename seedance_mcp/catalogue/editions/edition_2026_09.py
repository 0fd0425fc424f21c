"""The edition 2026-09: the widest of what primary sources allow in September 2026, each statement with its source and date.

It is the edition 2026-07 with what changed since. Where one source refuses what another allows, it stands beside the value.
"""

from __future__ import annotations

from dataclasses import replace

from seedance_mcp.catalogue.edition import load_edition
from seedance_mcp.catalogue.facts import (
    Alias,
    Availability,
    Bound,
    Choice,
    ConflictingSource,
    Fact,
    FileBounds,
    MakingTime,
    Model,
    Route,
    Span,
)

_OLD = load_edition("2026-07")
_ROUTES = {route.name: route for route in _OLD.routes}

_SOURCES = {
    **_OLD.sources,
    "pages-08": "the provider's route pages, 2026-08-10 to 2026-08-16",
    "pages-09": "the provider's newest route pages, September 2026",
    "md25-08": "the provider's page of the 2.5 MD line, August 2026",
    "md25-09": "the provider's page of the 2.5 MD line, September 2026",
    "index-09": "the provider's newest navigation and index of pages, September 2026",
    "tool-09": "the provider's own command-line tool, about September 2026",
    "log-06": "answers and files that a paying user recorded, 2026-06-20",
    "upstream-09": "a check of the upstream vendor's own pages, September 2026",
}

_LISTED: Fact[Availability] = Fact("listed", "index-09")
_DOCUMENTED: Fact[Availability] = Fact("documented", "pages-09")

_SIX = ("16:9", "9:16", "1:1", "4:3", "3:4", "21:9")
_HTTPS_08, _HTTPS_09 = Fact(("https",), "pages-08"), Fact(("https",), "pages-09")
_NINE, _THREE = Fact(9, "pages-08"), Fact(3, "pages-08")
_PROMPT_08, _PROMPT_09 = Fact(5000, "pages-08"), Fact(5000, "pages-09")
_FRAMES_WITHOUT_AUDIO = ConflictingSource(
    "frame mode does not support audio references (no route named)", "site-08", value=False
)
_UPSTREAM_LINK = Fact(24 * 3600, "upstream-09")

_MEGABYTE = 2**20
_IMAGE, _, _AUDIO = _ROUTES["sp"].files
_CLIP = Fact(
    FileBounds(
        "video",
        (
            Bound("seconds", 2, 15),
            Bound("sides_px", 300, 6000),
            Bound("aspect", 0.4, 2.5),
            Bound("pixels", 409_600, 2_086_876),
            Bound("bytes", 1, 100 * _MEGABYTE),
        ),
    ),
    "upstream-09",
    (
        ConflictingSource("up to 50 MB", "upstream"),
        ConflictingSource("the upstream vendor takes up to 200 MB, the provider's upload 100 MB", "upstream-09"),
    ),
)
_FILES = (_IMAGE, _CLIP, _AUDIO)
_FILES_25 = (
    _IMAGE,
    Fact(FileBounds("video", (Bound("seconds", 0, 30.2), Bound("bytes", 1, 100 * _MEGABYTE))), "pages-08"),
    Fact(FileBounds("audio", (Bound("seconds", 0, 30), Bound("bytes", 1, 15 * _MEGABYTE))), "pages-08"),
)
_FILES_25_GZ = (
    _IMAGE,
    Fact(FileBounds("video", (Bound("seconds", 2, 30), Bound("bytes", 1, 100 * _MEGABYTE))), "pages-08"),
    _FILES_25[2],
)
_TIME_25 = MakingTime(125, 0.4, "three videos of 4 s with Seedance 2.5 took 120 to 296 s, upstream's customers, August 2026")

_FULL = replace(
    _ROUTES["full"],
    duration=Fact(Span(4, 15, 5), "site-08", (ConflictingSource("the contract allows 4 to 12", "seed", Span(4, 12, 5)),)),
    files=_FILES,
    notes=(*_ROUTES["full"].notes, "No model upstream makes 2K (upstream-09): sd2_mx_2k and sd2_mx_video_2k are not native."),
)
_SP, _MINI_SP, _STD = (replace(_ROUTES[name], files=_FILES) for name in ("sp", "mini-sp", "std"))
_MINI = replace(
    _ROUTES["mini"],
    resolution=Fact(
        Choice(("480p", "720p", "1080p"), "720p"),
        "pages-07",
        (
            ConflictingSource("the upstream Mini model has 480p and 720p only", "upstream", ("480p", "720p")),
            ConflictingSource("the tool names 480p and 720p only", "tool-09", ("480p", "720p")),
        ),
    ),
    files=_FILES,
)
_MD = replace(
    _ROUTES["md"],
    purpose="one price per clip: 720p; with fast-md ask for 10 or 15 s",
    duration=Fact(
        Span(1, 15, 5),
        "seed",
        (
            ConflictingSource("the later pages say 4 to 15 seconds", "site-08", Span(4, 15, 5)),
            ConflictingSource(
                "seedance2.0-fast-md takes only 10 or 15 seconds", "site-08", (10, 15), ("seedance2.0-fast-md",)
            ),
        ),
    ),
    reference_audios=Fact(1, "site-08", (ConflictingSource("the route's own page takes no audio", "pages-07", 0),)),
    audio_with_frames=Fact(value=True, source="seed", conflicting=(_FRAMES_WITHOUT_AUDIO,)),
    files=(*_ROUTES["md"].files, _AUDIO),
    notes=(
        *_ROUTES["md"].notes,
        "12 s with seedance2.0-fast-md were accepted and delivered (log-06).",
        "The video has sound, stereo, though no field asks for it (log-06).",
    ),
)
_MD_PRO = Route(
    name="md-pro",
    title="MD pro",
    purpose="one price per clip: nine pictures, 10 or 15 s",
    page="site-08",
    duration=Fact(Span(10, 15, 10, step=5), "site-08"),
    resolution=None,
    ratio=Fact(Choice(("16:9", "9:16", "1:1"), "16:9"), "site-08"),
    prompt_max_chars=Fact(5000, "site-08"),
    schemes=Fact(("https",), "site-08"),
    images=Fact(9, "site-08"),
    reference_videos=Fact(0, "site-08"),
    reference_audios=Fact(3, "site-08"),
    takes_orientation=False,
    both_frames=True,
    audio_with_frames=Fact(value=False, source="site-08"),
    review="none",
    per="task",
    billing=Fact(("{model}",), "site-08"),
    files=(_IMAGE, Fact(FileBounds("image", (), refused=("gif",)), "pages-07"), _AUDIO),
    making_time=_ROUTES["md"].making_time,
    notes=("A later member of the MD line: what is not stated for it is taken from MD.",),
)

_GZ = Route(
    name="gz",
    title="GZ (official link) and Official Mini",
    purpose="the vendor's own models: any media, sound on or off",
    small_models=("seedance2.0-gz-fast", "seedance2.0-gz-mini"),
    page="pages-08",
    duration=Fact(Span(4, 15, 5), "pages-08"),
    resolution=Fact(Choice(("480p", "720p", "1080p"), "720p"), "pages-08"),
    ratio=Fact(Choice((*_SIX, "adaptive"), "16:9"), "pages-08"),
    schemes=Fact(("https", "asset"), "pages-08"),
    images=_NINE,
    reference_videos=_THREE,
    reference_audios=_THREE,
    takes_orientation=False,
    last_needs_first=True,
    videos_with_frames=False,
    audio_with_frames=Fact(value=False, source="pages-08"),
    options={"generate_audio": Fact(value=True, source="pages-08")},
    review="library",
    per="million tokens",
    billing=Fact(
        ("{model}-{resolution}", "{model}"),
        "pages-09",
        (
            ConflictingSource("on some lines 720p is billed per second", "pages-08", models=("seedance2.0-gz",)),
            ConflictingSource("the index says per second", "index-09", models=("seedance2.0-gz-mini",)),
        ),
    ),
    files=_FILES,
    url_lifetime_seconds=_UPSTREAM_LINK,
    notes=(
        "seedance2.0-gz-fast and seedance2.0-gz-mini have 480p and 720p only (pages-08).",
        "An https file passes the SP library's review before the video is begun (pages-08).",
        "The link leads to the upstream vendor, who may count downloads: save the video once it is finished (pages-08).",
    ),
)
_933 = Route(
    name="933",
    title="933",
    purpose="silent unless asked; images as frames by reference_mode",
    page="pages-08",
    duration=Fact(Span(4, 15, 4), "pages-08"),
    resolution=Fact(Choice(("480p", "720p", "1080p"), "480p"), "pages-08"),
    ratio=Fact(Choice(("21:9", "16:9", "4:3", "1:1", "3:4", "9:16"), "16:9"), "pages-08"),
    prompt_max_chars=_PROMPT_08,
    schemes=_HTTPS_08,
    images=_NINE,
    reference_videos=_THREE,
    reference_audios=_THREE,
    takes_orientation=False,
    frames=False,
    audio_alone=True,
    options={
        "generate_audio": Fact(value=False, source="pages-08"),
        "reference_mode": Fact(Choice(("image", "frame"), "image"), "pages-08"),
        "face_processing": Fact(value=True, source="pages-08"),
    },
    review="none",
    per="second",
    billing=Fact(("{model}-{resolution}",), "pages-08"),
    files=_FILES,
)
_933_720P = replace(
    _933,
    name="933-720p",
    title="933 720p",
    purpose="as 933, at 720p and a published price",
    duration=Fact(Span(4, 15, 5), "pages-08"),
    resolution=None,
    ratio=Fact(Choice(("16:9", "9:16", "1:1", "4:3", "3:4"), "16:9"), "pages-08"),
    schemes=Fact(("https", "asset"), "pages-08"),
    audio_alone=False,
    options={
        "generate_audio": Fact(value=True, source="pages-08"),
        "reference_mode": Fact(Choice(("frame", "media"), "frame"), "pages-08"),
    },
    billing=Fact(("{model}",), "pages-08"),
    notes=("reference_mode frame takes images as first and last frame, media as subjects (pages-08).",),
)

_FIXED = Route(
    name="fixed",
    title="Seedance 2.0, fixed resolution",
    purpose="up to 30 s and 4K, if the account has it",
    page="pages-09",
    duration=Fact(Span(4, 30, 5), "pages-09"),
    resolution=None,
    ratio=Fact(Choice(("16:9", "9:16", "1:1", "adaptive"), "16:9"), "pages-09"),
    prompt_max_chars=_PROMPT_09,
    schemes=_HTTPS_09,
    images=Fact(30, "pages-09", (ConflictingSource("the newest state of the page says 9", "pages-09", 9),)),
    reference_videos=Fact(3, "pages-09"),
    reference_audios=Fact(3, "pages-09"),
    takes_orientation=False,
    last_needs_first=True,
    videos_with_frames=False,
    audio_with_frames=Fact(value=False, source="pages-09"),
    review="none",
    per="second",
    billing=Fact(("{model}",), "pages-09"),
    files=_FILES,
    notes=("ratio adaptive is for requests with references (pages-09).",),
)

_TEN_08 = Fact(10, "pages-08")
_25 = Route(
    name="2.5",
    title="Seedance 2.5",
    purpose="the newest model, up to 30 s",
    page="pages-08",
    path="/seedance25/videos",
    duration=Fact(Span(4, 30, 4), "pages-08"),
    resolution=Fact(
        Choice(("480p", "720p", "1080p"), "480p"),
        "site-08",
        (
            ConflictingSource("the page names 480p and 720p only", "pages-08", ("480p", "720p")),
            ConflictingSource("the tool names 480p and 720p only", "tool-09", ("480p", "720p")),
        ),
    ),
    ratio=Fact(Choice(("16:9", "9:16", "1:1"), "9:16"), "pages-08"),
    prompt_max_chars=_PROMPT_08,
    schemes=_HTTPS_08,
    images=Fact(30, "pages-08"),
    reference_videos=Fact(10, "pages-08", (ConflictingSource("none on the standard model, early August", "site-08", 0),)),
    reference_audios=_TEN_08,
    takes_orientation=False,
    frames=False,
    audio_alone=True,
    review="none",
    per="second",
    billing=Fact(("{model}-{resolution}", "{model}"), "pages-08"),
    files=_FILES_25,
    making_time=_TIME_25,
    notes=("Reference videos: together at most 30.2 s (pages-08).",),
)
_25_SP = replace(
    _25,
    name="2.5-sp",
    title="Seedance 2.5 SP",
    purpose="2.5 at 720p with frames, at a published price",
    duration=Fact(Span(4, 30, 4), "pages-08", (ConflictingSource("4 to 29 seconds", "site-08", Span(4, 29, 4)),)),
    resolution=Fact(Choice(("720p",), "720p"), "pages-08"),
    reference_videos=_TEN_08,
    frames=True,
    audio_with_frames=Fact(value=True, source="pages-08", conflicting=(_FRAMES_WITHOUT_AUDIO,)),
    billing=Fact(("{model}",), "pages-08"),
)
_25_GZ = replace(
    _25_SP,
    name="2.5-gz",
    title="Seedance 2.5 GZ",
    purpose="2.5 with every ratio and frames, sound on or off",
    duration=Fact(Span(4, 30, 5, also=(-1,)), "pages-08"),
    resolution=Fact(Choice(("480p", "720p"), "720p"), "pages-08"),
    ratio=Fact(Choice((*_SIX, "adaptive"), "adaptive"), "pages-08"),
    options={
        "generate_audio": Fact(value=True, source="pages-08"),
        "watermark": Fact(value=False, source="pages-08"),
        "output_format": Fact(Choice(("mp4", "mov"), "mp4"), "pages-08"),
    },
    per="million tokens",
    billing=Fact(("{model}-token", "{model}-{resolution}"), "pages-08"),
    files=_FILES_25_GZ,
    url_lifetime_seconds=_UPSTREAM_LINK,
    notes=(
        "duration -1 lets the model choose, and is charged as 30 s first (pages-08).",
        "With frames the ratio is adaptive, whatever is asked for (pages-08).",
        "Reference videos: together at most 30 s (pages-08).",
        "download_video keeps MP4 files only: leave output_format at mp4.",
        *_GZ.notes[2:],
    ),
)
_25_MD = replace(
    _25,
    name="2.5-md",
    title="Seedance 2.5 MD",
    purpose="15 s of 2.5 from pictures, one price per clip",
    page="md25-09",
    duration=Fact(Span(15, 15, 15), "md25-09"),
    resolution=None,
    ratio=Fact(Choice(("16:9", "9:16"), "9:16"), "md25-09"),
    images=Fact(30, "md25-08", (ConflictingSource("at most 9 images", "md25-09", 9),)),
    reference_videos=Fact(0, "md25-09"),
    reference_audios=Fact(0, "md25-09"),
    per="task",
    billing=Fact(("{model}",), "md25-09"),
    files=_FILES_25[:1],
    notes=("No source states the resolution; 720p is taken for it here.",),
)
_FACES_BLURRED = "seedance2.5-30s blurs faces in reference images, the sd2.5 models keep them (pages-09)."
_25_30S = replace(
    _25,
    name="2.5-30s",
    title="Seedance 2.5, 30 s",
    purpose="30 s of 2.5, no frames",
    page="pages-09",
    duration=Fact(Span(30, 30, 30), "pages-09"),
    resolution=None,
    ratio=Fact(Choice(("16:9", "9:16"), "9:16"), "pages-09"),
    prompt_max_chars=_PROMPT_09,
    schemes=_HTTPS_09,
    images=Fact(30, "pages-09"),
    reference_videos=Fact(10, "pages-09", (ConflictingSource("no reference videos", "md25-09", 0, ("seedance2.5-30s",)),)),
    reference_audios=Fact(10, "pages-09", (ConflictingSource("no audio", "md25-09", 0, ("seedance2.5-30s",)),)),
    billing=Fact(("{model}",), "pages-09"),
    notes=(_FACES_BLURRED, "No source states the resolution; 720p is taken for it here."),
)
_SD25 = replace(
    _25_30S,
    name="sd2.5",
    title="Seedance 2.5, faces kept",
    purpose="2.5 at 720p that keeps faces",
    duration=Fact(Span(4, 30, 4), "pages-09"),
    reference_videos=Fact(10, "pages-09"),
    reference_audios=Fact(10, "pages-09"),
    notes=(_FACES_BLURRED,),
)


def _sized(name: str, *sizes: str) -> tuple[Alias, ...]:
    return tuple(Alias(name.format(size), size) for size in sizes)


def _also(*names: str) -> tuple[Alias, ...]:
    return tuple(map(Alias, names))


_MINI_ALIASES = {
    "seedance2.0-mini": _sized("seedance2.0-mini-{}", "480p", "720p", "1080p"),
    "seedance2.0-mini-video": _sized("seedance2.0-mini-{}-video", "480p", "720p", "1080p"),
}
_KEPT = {route.name: route for route in (_FULL, _SP, _MINI, _MINI_SP, _MD, _ROUTES["fast-i2v"], _STD)}


def _later(old: Model) -> Model:
    """Give a model of the older edition as this one knows it."""
    route = _KEPT[old.route.name]
    stated: Fact[Availability] = Fact("delisted", "site-08") if route is _MINI_SP else _LISTED
    return replace(old, route=route, availability=stated, aliases=_MINI_ALIASES.get(old.name, ()))


def _gz(kind: str, title: str, *aliases: Alias, sizes: tuple[str, ...] = ()) -> Model:
    name, video = f"seedance2.0-gz{kind}", f"seedance2.0-gz{kind}-video"
    every = (*_sized(f"{name}-{{}}", *(sizes or _GZ_SIZES)), *aliases)
    return Model(
        name,
        title,
        _GZ,
        only_resolutions=sizes,
        video_billing=(f"{video}-{{resolution}}", video),
        aliases=every,
        availability=_LISTED,
    )


_GZ_SIZES, _SMALL = ("480p", "720p", "1080p"), ("480p", "720p")
_IN_OPENAPI: Fact[Availability] = Fact("documented", "site-08")
_933_ALIASES = _also("seedance-2.0-933", "seedance20933", "seedance2_0_933")
_25_ALIASES = _also("seedance2.5", "seedance_2.5", "seedance25")
_25_GZ_ALIASES = _also("seedance-2.5-gz", "seedance25-gz")
_MODELS = (
    *map(_later, _OLD.models),
    Model("seedance2.0-pro", "MD pro", _MD_PRO, "720p", availability=_IN_OPENAPI),
    Model("seedance2.0-fast-pro", "MD pro fast", _MD_PRO, "720p", availability=_IN_OPENAPI),
    _gz("", "GZ", Alias("seedance2.0-gz720p", "720p"), Alias("seedance20-gz-720p", "720p")),
    _gz("-fast", "GZ fast", sizes=_SMALL),
    _gz("-mini", "Official Mini", sizes=_SMALL),
    Model(
        "seedance2.0-933",
        "933",
        _933,
        aliases=(*_933_ALIASES, *_sized("seedance2.0-933-{}", "480p", "720p", "1080p")),
        availability=_LISTED,
    ),
    Model(
        "sd2-933-720p",
        "933 720p",
        _933_720P,
        "720p",
        aliases=_also("sd2_933_720p", "sd2-933720p", "sd2-adb-720p"),
        availability=_LISTED,
    ),
    *(
        Model(
            f"seedance-2.0-{size}",
            f"Seedance 2.0 {size}",
            _FIXED,
            size,
            aliases=_also(f"seedance2.0-{size}", f"seedance20-{size}"),
            availability=_DOCUMENTED,
        )
        for size in ("480p", "720p", "1080p", "4k")
    ),
    Model(
        "seedance-2.5",
        "Seedance 2.5",
        _25,
        aliases=(*_25_ALIASES, *_sized("seedance-2.5-{}", "480p", "720p")),
        availability=_LISTED,
    ),
    Model("seedance-2.5-sp", "Seedance 2.5 SP", _25_SP, availability=_LISTED),
    Model(
        "seedance2.5-gz",
        "Seedance 2.5 GZ",
        _25_GZ,
        video_billing=("seedance2.5-gz-video-token", "seedance2.5-gz-video-{resolution}"),
        aliases=(*_25_GZ_ALIASES, *_sized("seedance2.5-gz-{}", "480p", "720p")),
        availability=_LISTED,
    ),
    Model(
        "seedance2.5-md",
        "Seedance 2.5 MD",
        _25_MD,
        "720p",
        aliases=_also("seedance-2.5-md", "seedance25-md"),
        availability=_LISTED,
    ),
    Model(
        "seedance2.5-30s",
        "Seedance 2.5, 30 s",
        _25_30S,
        "720p",
        aliases=_also("seedance-2.5-30s", "seedance25-30s"),
        unit="task",
        availability=_LISTED,
    ),
    Model("sd2.5-30s", "Seedance 2.5, 30 s, faces kept", _25_30S, "720p", availability=_DOCUMENTED),
    Model("sd2.5-720p", "Seedance 2.5 720p, faces kept", _SD25, "720p", availability=_DOCUMENTED),
    Model("sd2.5-720p-ac", "Seedance 2.5 720p, one price", _SD25, "720p", unit="task", availability=_DOCUMENTED),
)

EDITION = replace(
    _OLD,
    name="2026-09",
    sources=_SOURCES,
    routes=(*_KEPT.values(), *(_MD_PRO, _GZ, _933, _933_720P, _FIXED), *(_25, _25_SP, _25_GZ, _25_MD, _25_30S, _SD25)),
    models=_MODELS,
    result_hosts=Fact(_OLD.result_hosts.value, "log-06"),
    shares_definitions=True,
    field_aliases={
        "aspect_ratio": "ratio",
        "reference_images": "images",
        "videos": "reference_videos",
        "audios": "reference_audios",
    },
    scheme_aliases={"assetId": "asset"},
    notes=(
        *_OLD.notes,
        "Values are the widest that a primary source allows; SEEDANCE_STRICT=1 refuses what another one refuses.",
    ),
)
