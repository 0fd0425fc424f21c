"""The edition 2026-07: every model of the provider's Seedance 2.0 line, each limit with its source.

The contract is the provider's page "SP Create Video" with the shared request body (source `seed`). What it leaves open is
filled from the route pages of the same age, then from the upstream vendor. A later page that disagrees never changes a
value here: it stands beside the value as a conflicting source. What no source states is `None` and is not checked.
"""

from __future__ import annotations

from seedance_mcp.catalogue.edition import Edition
from seedance_mcp.catalogue.facts import (
    Bound,
    Choice,
    ConflictingSource,
    Fact,
    FileBounds,
    FrameSize,
    MakingTime,
    Model,
    Route,
    Span,
    UploadLimits,
)

_SOURCES = {
    "seed": "the provider's page SP Create Video with the shared request body, 2026-07-03",
    "pages-07": "the provider's route pages, July 2026",
    "site-08": "the provider's later documentation, August 2026",
    "tool-08": "the provider's own command-line tool, 2026-08-16",
    "upstream": "the upstream vendor's page for Seedance 2.0, 2026",
}
"""Source key → what it is and its date."""

_SIX = ("16:9", "9:16", "1:1", "4:3", "3:4", "21:9")
_OPEN_RATIO = Fact(Choice((*_SIX, "adaptive")), "upstream")
"""The provider gives 16:9, 9:16 and 1:1 as examples and closes no list: the upstream vendor's list stands in."""

_HTTPS = Fact(("https",), "seed")
_HTTPS_PAGES = Fact(("https",), "pages-07")
_HTTPS_OR_ASSET = Fact(("https", "asset"), "seed")
_ASSET = Fact(("asset",), "seed")
_ONLY_720P = Fact(Choice(("720p",), "720p"), "seed")
_NONE = Fact(0, "seed")
_NINE_IMAGES, _THREE_CLIPS = Fact(9, "upstream"), Fact(3, "upstream")
_AUDIO_WITH_FRAMES = Fact(
    value=True,
    source="seed",
    conflicting=(ConflictingSource("frame mode does not support audio references (no route named)", "site-08", value=False),),
)

_MEGABYTE = 2**20
_FILES = (
    Fact(
        FileBounds("image", (Bound("sides_px", 300, 6000), Bound("aspect", 0.4, 2.5), Bound("bytes", 1, 30 * _MEGABYTE))),
        "upstream",
    ),
    Fact(
        FileBounds(
            "video",
            (
                Bound("seconds", 2, 15),
                Bound("sides_px", 300, 6000),
                Bound("aspect", 0.4, 2.5),
                Bound("pixels", 409_600, 2_086_876),
                Bound("bytes", 1, 50 * _MEGABYTE),
            ),
        ),
        "upstream",
    ),
    Fact(FileBounds("audio", (Bound("seconds", 2, 15), Bound("bytes", 1, 15 * _MEGABYTE))), "upstream"),
)
"""The limits of the upstream vendor, for where the provider states none of its own."""
_MD_VIDEO = Fact(
    FileBounds("video", (Bound("seconds", 0, 15), Bound("a_side_px", 720, 2160), Bound("bytes", 1, 200 * _MEGABYTE))),
    "seed",
    (ConflictingSource("together between 4 and 15 seconds, 24 to 60 frames per second", "pages-07"),),
)
"""The seed states length and size of all reference videos together: a single one may not exceed them either."""

_MD_TIME = MakingTime(840, 0.5, "four videos of 12 s with seedance2.0-fast-md took 316 to 1,042 s, a user's log of June 2026")
_MINI_TIME = MakingTime(110, 0.3, "videos of the mini models took 70 to 150 s, upstream's customers, September 2026")

_FULL_DURATION = Fact(
    Span(4, 12, 5),
    "seed",
    (ConflictingSource("the provider's later pages allow up to 15 seconds", "site-08", Span(4, 15, 5)),),
)
_FULL_RATIO = Fact(Choice((*_SIX, "Adaptive")), "seed")
_FULL_AUDIO_WITH_FRAMES = Fact(value=True, source="pages-07", conflicting=_AUDIO_WITH_FRAMES.conflicting)

_FULL_VIDEO = (
    "sd2_mx_video_720p",
    "sd2_mx_video_1080p",
    "sd2_mx_video_2k",
    "sd2_mx_video_4k",
    "sd2_mx_video_fast_720p",
    "sd2_mx_video_fast_1080p",
)

_FULL = Route(
    name="full",
    purpose="the only one with 2K and 4K; every file is reviewed first",
    title="Full (Manxue)",
    duration=_FULL_DURATION,
    resolution=None,
    ratio=_FULL_RATIO,
    schemes=_ASSET,
    images=_NINE_IMAGES,
    reference_videos=_THREE_CLIPS,
    video_models=_FULL_VIDEO,
    reference_audios=_THREE_CLIPS,
    audio_with_frames=_FULL_AUDIO_WITH_FRAMES,
    review="audit",
    per="second",
    billing=Fact(("{model}",), "seed"),
    files=_FILES,
    notes=("No source says whether a reference video is mandatory on the sd2_mx_video models.",),
)

_ECONOMY = ("seedance2.0-sp", "seedance2.0-fast-sp")
_OFFICIAL = ("seedance2.0-of-sp", "seedance2.0-of-fast-sp")

_SP = Route(
    name="sp",
    purpose="most choice: any mix of media, https links, reviewed faces",
    title="SP economy and official",
    duration=Fact(Span(4, 15, 5), "seed"),
    resolution=Fact(
        Choice(("480p", "720p", "1080p"), "720p"),
        "seed",
        (ConflictingSource("SP economy no longer takes 480p", "site-08", ("720p", "1080p"), _ECONOMY),),
    ),
    ratio=_OPEN_RATIO,
    schemes=_HTTPS_OR_ASSET,
    images=_NINE_IMAGES,
    reference_videos=Fact(
        3,
        "upstream",
        (ConflictingSource("seedance2.0-fast-sp takes no reference videos", "tool-08", 0, ("seedance2.0-fast-sp",)),),
    ),
    reference_audios=Fact(
        3,
        "upstream",
        (ConflictingSource("the shared request body names only Full, SP economy and STD for audio", "seed", 0, _OFFICIAL),),
    ),
    audio_with_frames=_AUDIO_WITH_FRAMES,
    review="library",
    per="second",
    billing=Fact(("{model}-{resolution}", "{model}"), "seed"),
    files=_FILES,
)

_MINI = Route(
    name="mini",
    purpose="the small model, up to 1080p: drafts",
    title="Mini",
    duration=Fact(Span(4, 15, 5), "pages-07"),
    resolution=Fact(
        Choice(("480p", "720p", "1080p"), "720p"),
        "pages-07",
        (ConflictingSource("the upstream Mini model has 480p and 720p only", "upstream", ("480p", "720p")),),
    ),
    ratio=_OPEN_RATIO,
    schemes=_HTTPS_PAGES,
    images=_NINE_IMAGES,
    reference_videos=_THREE_CLIPS,
    video_models=("seedance2.0-mini-video",),
    reference_audios=_THREE_CLIPS,
    audio_with_frames=_AUDIO_WITH_FRAMES,
    review="none",
    per="second",
    billing=Fact(("{model}-{resolution}", "{model}"), "site-08"),
    making_time=_MINI_TIME,
    files=_FILES,
    notes=("seedance2.0-mini-video bills the duration plus the length of the first reference video, to the nearest second.",),
)

_MINI_SP = Route(
    name="mini-sp",
    purpose="the small model, one price per clip: long drafts",
    title="Mini Special",
    duration=Fact(Span(4, 15, 5), "pages-07"),
    resolution=Fact(Choice(("480p", "720p"), "720p"), "seed"),
    ratio=_OPEN_RATIO,
    schemes=_HTTPS_PAGES,
    images=_NINE_IMAGES,
    reference_videos=_THREE_CLIPS,
    reference_audios=_THREE_CLIPS,
    audio_with_frames=_AUDIO_WITH_FRAMES,
    review="none",
    per="task",
    billing=Fact(
        ("{model}-{resolution}", "{model}"), "pages-07", (ConflictingSource("billed per second by resolution", "tool-08"),)
    ),
    making_time=_MINI_TIME,
    files=_FILES,
    notes=("No longer listed by the provider's documentation since August 2026: it may be retired.",),
)

_MD = Route(
    name="md",
    purpose="one price per clip: long 720p clips without audio references",
    title="MD",
    duration=Fact(
        Span(1, 15, 5),
        "seed",
        (
            ConflictingSource("the route's own page says 4 to 15 seconds", "pages-07", Span(4, 15, 5)),
            ConflictingSource(
                "seedance2.0-fast-md takes only 10 or 15 seconds", "site-08", (10, 15), ("seedance2.0-fast-md",)
            ),
        ),
    ),
    resolution=_ONLY_720P,
    sends_resolution=False,
    ratio=Fact(Choice(("16:9", "9:16", "1:1"), "16:9"), "seed"),
    prompt_max_chars=Fact(5000, "seed"),
    schemes=_HTTPS,
    images=Fact(4, "seed"),
    reference_videos=Fact(3, "seed"),
    reference_audios=Fact(0, "seed", (ConflictingSource("later documentation allows one audio clip", "site-08", 1),)),
    both_frames=True,
    review="none",
    per="task",
    billing=Fact(("{model}",), "pages-07"),
    making_time=_MD_TIME,
    files=(_FILES[0], Fact(FileBounds("image", (), refused=("gif",)), "pages-07"), _MD_VIDEO),
    notes=(
        (
            "Reference videos: together at most 15 s and 200 MB, each 720 to 2160 px (seed), 24 to 60 frames per second "
            "(pages-07). Each uploaded file is checked by itself; what lies behind a URL is not known."
        ),
        "No GIF among the images (pages-07).",
    ),
)

_FAST_I2V = Route(
    name="fast-i2v",
    purpose="one price per clip: from pictures or frames only",
    title="Fast image to video",
    duration=Fact(Span(1, 15, 5), "pages-07"),
    resolution=_ONLY_720P,
    sends_resolution=False,
    ratio=Fact(Choice(("16:9", "9:16", "1:1"), "16:9"), "pages-07"),
    prompt_max_chars=Fact(5000, "pages-07"),
    schemes=_HTTPS,
    images=Fact(9, "seed"),
    reference_videos=_NONE,
    reference_audios=_NONE,
    review="none",
    per="task",
    billing=Fact(("{model}",), "pages-07"),
    files=_FILES[:1],
    notes=("No source says whether an image is mandatory on this route.",),
)

_STD = Route(
    name="std",
    purpose="one price per clip: 720p with pictures, videos and audio",
    title="STD",
    duration=Fact(Span(4, 15, 5), "seed"),
    resolution=_ONLY_720P,
    sends_resolution=False,
    ratio=Fact(Choice(_SIX, "16:9"), "seed"),
    schemes=_HTTPS,
    images=Fact(9, "seed"),
    reference_videos=_THREE_CLIPS,
    reference_audios=Fact(3, "seed"),
    audio_with_frames=Fact(value=False, source="seed"),
    review="none",
    per="task",
    billing=Fact(("{model}",), "pages-07"),
    files=_FILES,
)

_MODELS = (
    Model("sd2_mx_720p", "Full 720p", _FULL, "720p"),
    Model("sd2_mx_1080p", "Full 1080p", _FULL, "1080p"),
    Model("sd2_mx_2k", "Full 2K", _FULL, "2k"),
    Model("sd2_mx_4k", "Full 4K", _FULL, "4k"),
    Model("sd2_mx_fast_720p", "Full fast 720p", _FULL, "720p"),
    Model("sd2_mx_fast_1080p", "Full fast 1080p", _FULL, "1080p"),
    Model("sd2_mx_video_720p", "Full video reference 720p", _FULL, "720p"),
    Model("sd2_mx_video_1080p", "Full video reference 1080p", _FULL, "1080p"),
    Model("sd2_mx_video_2k", "Full video reference 2K", _FULL, "2k"),
    Model("sd2_mx_video_4k", "Full video reference 4K", _FULL, "4k"),
    Model("sd2_mx_video_fast_720p", "Full fast video reference 720p", _FULL, "720p"),
    Model("sd2_mx_video_fast_1080p", "Full fast video reference 1080p", _FULL, "1080p"),
    Model("seedance2.0-sp", "SP economy", _SP, billing=("sd2_sp_{resolution}",)),
    Model("seedance2.0-fast-sp", "SP economy fast", _SP, billing=("sd2_sp_fast_{resolution}",)),
    Model("seedance2.0-of-sp", "SP official", _SP),
    Model("seedance2.0-of-fast-sp", "SP official fast", _SP),
    Model("seedance2.0-mini", "Mini", _MINI),
    Model(
        "seedance2.0-mini-video",
        "Mini video reference",
        _MINI,
        billing=("seedance2.0-mini-{resolution}-video",),
        bills_first_video=True,
    ),
    Model("seedance2.0-mini-sp", "Mini Special", _MINI_SP),
    Model("seedance2.0-md", "MD", _MD),
    Model("seedance2.0-fast-md", "MD fast", _MD),
    Model("seedance2.0-fast-i2v", "Fast image to video", _FAST_I2V),
    Model("seedance2.0-std", "STD", _STD),
)

_PIXELS = {
    "16:9": {"480p": (864, 496), "720p": (1280, 720), "1080p": (1920, 1080), "2k": (2560, 1440), "4k": (3840, 2160)},
    "4:3": {"480p": (752, 560), "720p": (1112, 834), "1080p": (1664, 1248), "2k": (2224, 1668), "4k": (3336, 2502)},
    "1:1": {"480p": (640, 640), "720p": (960, 960), "1080p": (1440, 1440), "2k": (1920, 1920), "4k": (2880, 2880)},
    "3:4": {"480p": (560, 752), "720p": (834, 1112), "1080p": (1248, 1664), "2k": (1668, 2224), "4k": (2502, 3336)},
    "9:16": {"480p": (496, 864), "720p": (720, 1280), "1080p": (1080, 1920), "2k": (1440, 2560), "4k": (2160, 3840)},
    "21:9": {"480p": (992, 432), "720p": (1470, 630), "1080p": (2206, 946), "2k": (2940, 1260), "4k": (4410, 1890)},
}
"""Width and height by ratio and resolution: upstream up to 1080p; no source states 2k and 4k, here twice and thrice 720p."""

_UPLOADS = Fact(
    UploadLimits(
        max_bytes=100 * _MEGABYTE,
        endings={
            "image": ("jpg", "jpeg", "png", "gif", "webp", "bmp", "svg"),
            "video": ("mp4", "mov", "avi", "webm", "mkv", "m4v", "flv"),
            "audio": ("mp3", "wav", "aac", "m4a", "flac", "ogg"),
        },
    ),
    "pages-07",
)
_RESULT_HOSTS = Fact(("https://*.viraltok.ai", "https://opcbucket.oss-cn-beijing.aliyuncs.com"), "site-08")
"""The domain that the provider's API, image and document hosts share, and the bucket of the first result that was published.
No source names all hosts of results, and an account with a storage of its own has a domain of its own."""

EDITION = Edition(
    name="2026-07",
    currency="JimiCoin",
    contract="seed",
    sources=_SOURCES,
    routes=(_FULL, _SP, _MINI, _MINI_SP, _MD, _FAST_I2V, _STD),
    models=_MODELS,
    uploads=_UPLOADS,
    url_lifetime_seconds=Fact(3 * 24 * 3600, "pages-07"),
    result_hosts=_RESULT_HOSTS,
    poll_interval_seconds=Fact(Span(5, 15, 5), "tool-08"),
    frames_per_second=Fact(24, "upstream"),
    frame_sizes={
        ratio: {resolution: FrameSize(*pixels) for resolution, pixels in by_resolution.items()}
        for ratio, by_resolution in _PIXELS.items()
    },
    notes=(
        (
            "Not stated by any source: format of a single reference, length of a prompt where the table says so, typical "
            "generation time, rate limits, sound of the result."
        ),
    ),
)
