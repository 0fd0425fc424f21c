"""The results of tools: one pydantic model each, and its text for clients that read only text."""

# No `from __future__ import annotations` here: to evaluate the annotations of thirty models from text takes longer.
import json
from pathlib import PurePath
from typing import Any, ClassVar, Literal, NamedTuple
from urllib.parse import unquote, urlsplit

from pydantic import BaseModel, ConfigDict, Field, SerializerFunctionWrapHandler, model_serializer
from pydantic.json_schema import SkipJsonSchema

from seedance_mcp.task import Status

_Bytes = bytes
"""The type, in a class that has a field of that name."""

SANDBOX_NOTE = "SANDBOX: nothing is real, nothing is charged."


class FileLink(NamedTuple):
    """A file that goes with a result."""

    url: str
    name: str
    mime_type: str
    size_bytes: int


class Picture(NamedTuple):
    """An image that goes with a result."""

    data: bytes
    mime_type: str


class Result(BaseModel):
    """The base of every result."""

    model_config = ConfigDict(defer_build=True)

    structured: ClassVar[bool] = True
    """Whether the facts are given as structured content too, in whose place some clients show nothing else."""
    sandbox: bool = False
    """True: the sandbox made it, and nothing was charged."""

    def as_text(self, facts: dict[str, Any]) -> str:
        """Give every field that is not empty, each on a line; `facts` is the structured content, which the text says whole."""
        said = {name: value for name, value in facts.items() if value not in _NOTHING and name != "sandbox"}
        told = [f"{name}: {value if isinstance(value, str) else _line(value)}" for name, value in said.items()]
        return "\n".join([SANDBOX_NOTE, *told] if self.sandbox else told)

    def attached(self) -> list[FileLink | Picture]:
        """Give the files and pictures that go with the text."""
        return []


_NOTHING: tuple[Any, ...] = (None, [], {})
"""Values that are not worth a line; false and 0 are."""


_COMPACT = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"))


def _line(value: Any) -> str:
    return repr(value) if type(value) in (int, float) else _COMPACT.encode(value)


class Part(BaseModel):
    """The base of the parts of results."""

    model_config = ConfigDict(defer_build=True)


class Row(Part):
    """The base of brief rows: what is not known or empty takes no room."""

    @model_serializer(mode="wrap")
    def _brief(self, whole: SerializerFunctionWrapHandler) -> dict[str, Any]:
        facts: dict[str, Any] = whole(self)
        return {name: value for name, value in facts.items() if value not in _NOTHING and value != ""}


class Next(Part):
    """The one sensible next call; after a dry run, what to change in that call."""

    tool: str
    arguments: dict[str, Any]
    after_seconds: float


class Failure(Part):
    """The reason why there is no video, whether money went, and what to do; the provider's own words are marked."""

    code: str
    message: str
    cause: str | None = None


class Task(Result):
    """One video on its way, or a joined film with its `parts`, which costs what they cost."""

    task_id: str | None = None
    request_id: str
    model: str | None = None
    prompt: str | None = None
    status: Status
    progress: int = 0
    created_at: str | None = None
    completed_at: str | None = None
    elapsed_seconds: float | None = None
    eta_seconds: float | None = None
    video_url: str | None = None
    video_url_expires_at: str | None = None
    saved_path: str | None = None
    cost: float | None = None
    estimated_cost: float | None = None
    estimate: str | None = None
    currency: str
    error: Failure | None = None
    warnings: list[str] = []
    deduplicated: bool = False
    dry_run: bool = False
    would_send: dict[str, Any] | None = None
    project: str | None = None
    take: int | None = None
    parts: list[str] = []
    request: dict[str, Any] | None = None
    next: Next | None = None


class SavedTask(Task):
    """One video that is saved on the server of a caller over HTTP."""

    saved_url: str
    saved_url_expires_at: str


class TaskRow(Row):
    """One task in a list, in at most 250 characters of JSON; a film has `parts`, and its `cost` is theirs."""

    task_id: str
    status: Status
    progress: int | None = None
    made: str | None = None
    model: str | None = None
    prompt: str | None = None
    cost: float | None = None
    estimated_cost: float | None = None
    project: str | None = None
    take: int | None = None
    saved: bool | None = None
    parts: list[str] = []
    path: str | None = None


class Totals(Part):
    """Sums over all tasks that fit the filters, in JimiCoin.

    `unsaved` counts finished videos without a file of their own, those in a saved film too: the film keeps them as joined.
    """

    count: int
    estimated: float
    charged: float
    reserved: float
    unsaved: int


class TaskList(Result):
    """Tasks and joined films, newest first; `total` counts all that fit."""

    tasks: list[TaskRow | Task]
    total: int
    totals: Totals
    next_cursor: str | None = None
    warnings: list[str] = []


class SavedVideo(Result):
    """A finished video: on this machine's disk, or with a URL that lives for a time (over HTTP, and from a bucket)."""

    path: str | None
    bytes: int
    sha256: str
    mime_type: str = "video/mp4"
    task_id: str
    note: SkipJsonSchema[str] = Field("", exclude=True)
    """A warning that only the text holds."""
    url: str | None = None
    """Where it can be fetched; `None` for a file of the caller's own machine."""
    expires_at: str | None = None
    location: SkipJsonSchema[str | None] = Field(None, exclude=True)
    """Where the file can be opened, as a URL; `None` where the video store gives no address."""

    def as_text(self, facts: dict[str, Any]) -> str:
        """Give the fields, and the note where there is one."""
        return "\n".join([super().as_text(facts), *([f"warning: {self.note}"] if self.note else [])])

    def attached(self) -> list[FileLink | Picture]:
        """The file itself."""
        if self.location is None:
            return []
        name = PurePath(self.path or unquote(urlsplit(self.location).path)).name
        return [FileLink(self.location, name, self.mime_type, self.bytes)]


class FilmClip(Part):
    """One clip of a film; `cost` is its charge, or its estimate while that is not settled.

    `saved` says whether the clip has a file of its own beside the film; without one its bytes end with its URL.
    """

    task_id: str
    seconds: float
    cost: float
    saved: bool


class JoinedVideo(SavedVideo):
    """A film, with its own id as `task_id`; a crossfade's seconds belong to both of its clips."""

    seconds: float
    clips: list[FilmClip]


class Shown(NamedTuple):
    """A video of which frames are shown, and when in the video they are."""

    task_id: str
    width_px: int
    height_px: int
    seconds: list[float]

    @property
    def description(self) -> str:
        """Which video it is, and its frames."""
        frames = ", ".join(f"{each:g}" for each in self.seconds)
        return f"{self.task_id} ({self.width_px}x{self.height_px}, frames at {frames} s)"


class Preview(Result):
    """Frames of videos as one picture, a row for each video; it has no structured content, which hides pictures in clients."""

    structured: ClassVar[bool] = False
    shown: list[Shown]
    sheet: _Bytes

    def as_text(self, facts: dict[str, Any]) -> str:
        """Say in one line what the picture shows."""
        rows = "; ".join(f"row {number}: {each.description}" for number, each in enumerate(self.shown, 1))
        told = rows if len(self.shown) > 1 else self.shown[0].description
        return f"{SANDBOX_NOTE} {told}" if self.sandbox else told

    def attached(self) -> list[FileLink | Picture]:
        """The contact sheet."""
        return [Picture(self.sheet, "image/jpeg")]


class Range(Part):
    """Whole numbers, both ends included."""

    min: int
    max: int
    default: int


class Options(Part):
    """A closed list; `default` is null where no source names one."""

    allowed: list[str]
    default: str | None


class MediaLimit(Part):
    """How many of one kind of media, by which schemes, and who states the number."""

    max: int
    schemes: list[str]
    source: str


class Frames(Part):
    """Whether first_image and last_image are taken, and whether only as a pair."""

    both_required: bool
    schemes: list[str]
    source: str


class Billing(Part):
    """The unit that one video is billed by; `unit_price` is null where it is not published."""

    per: Literal["second", "task", "million tokens"]
    name: str
    unit_price: float | None
    source: str
    seen: str | None


class ModelInfo(Part):
    """One model of the catalogue."""

    model: str
    route: str
    title: str
    duration: Range
    resolution: Options
    ratio: Options
    prompt_max_chars: int | None
    images: MediaLimit
    frames: Frames
    reference_videos: MediaLimit
    reference_audios: MediaLimit
    rules: list[str]
    asset_review: Literal["audit", "library", "none"]
    billing: Billing
    prices: dict[str, float | None]
    purpose: str
    listed: bool | None
    notes: list[str]
    request_schema: dict[str, Any] | None = None


class ModelRow(Row):
    """One model in a list: `price` by resolution, for its route's unit; `videos` where it takes reference videos.

    `listed` is false where the provider's price list of `prices_as_of` does not name it, and is else left out.
    """

    model: str
    route: str
    price: dict[str, float | None]
    videos: int | None = None
    listed: bool | None = None


class RouteRow(Row):
    """The limits that all models of a route share; `purpose` is our advice. A list of many routes leaves out most of them."""

    route: str
    purpose: str
    price_per: str | None = None
    seconds: str | None = None
    ratios: str | None = None
    images: int | None = None
    audios: int | None = None
    frames: str | None = None
    links: str | None = None
    review: str | None = None
    prompt_chars: int | None = None


class ModelList(Result):
    """The models that fit the filters; the limits of a brief row stand with its route."""

    edition: str
    currency: str
    prices_as_of: str | None
    models: list[ModelRow | ModelInfo]
    routes: list[RouteRow] = []
    cheapest: dict[str, str] = {}
    notes: list[str] = []


class Asset(Result):
    """A file or link on its way to being a reference."""

    reference: str
    ready: bool
    status: Literal["processing", "active", "failed"]
    kind: Literal["image", "video", "audio"] | None
    asset_id: str | None = None
    expires_at: str | None = None
    bytes: int | None = None
    use_in: list[str] = []
    changes: list[str] = []
    name: str | None = None
    note: str = ""
    next: Next | None = None


class AssetRow(Row):
    """One named asset; `used_with` names the routes that took it."""

    name: str
    kind: Literal["image", "video", "audio"]
    used_with: list[str]
    ready: bool
    expires_at: str | None


class AssetList(Result):
    """The named assets."""

    assets: list[AssetRow]

    def as_text(self, facts: dict[str, Any]) -> str:
        """Give the assets, or say that there are none and what makes one."""
        nothing = [] if self.assets else ["assets: none; upload_asset with name keeps one"]
        return "\n".join(filter(None, [super().as_text(facts), *nothing]))


class AccountBalance(Part):
    """The account, in JimiCoin: `available` is `balance` less `used`; null where the provider gives no figure."""

    balance: float | None
    used: float | None
    available: float | None


class KeyBalance(Part):
    """The key's own quota, in JimiCoin; it caps what the account can pay."""

    name: str | None
    total_quota: float | None
    used_quota: float | None
    available_quota: float | None
    unlimited: bool


class Spending(Part):
    """The money that went through this server, in JimiCoin; `reserved` is the part of `total` that is not settled."""

    today: float
    total: float
    reserved: float


class Balance(Result):
    """Money: the account's, the key's, and what this server spent."""

    currency: str
    account: AccountBalance
    key: KeyBalance
    spent_here: Spending
    limits: dict[str, float]
    left_today: float | None
    unclear: list[str] = []
    warnings: list[str] = []
