"""The operator's settings, read from the environment, checked at the start and explained where they are wrong."""

from __future__ import annotations

import ipaddress
import os
import re
from collections.abc import Callable
from decimal import Decimal
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple
from urllib.parse import SplitResult, urlsplit

from platformdirs import user_data_path, user_downloads_path, user_music_path, user_pictures_path, user_videos_path
from pydantic import (
    AfterValidator,
    AliasChoices,
    BeforeValidator,
    Field,
    SecretStr,
    ValidationError,
    ValidationInfo,
    ValidatorFunctionWrapHandler,
    WrapValidator,
    field_validator,
    model_validator,
)
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from seedance_mcp.errors import NotConfigured

DEFAULT_BASE_URL = "https://api.viraltok.ai"
TOKEN_MIN_CHARS = 16
_PLACEHOLDER = re.compile(r"\$?\{.*\}|\$[A-Za-z_]\w*|%\w+%", re.DOTALL)
"""A value that a client left as it is in its own file: `${VARIABLE}`, `${input:…}`, `$VARIABLE`, `%VARIABLE%`, `{}`."""
_LEFT_OVER = re.compile(r"\$[{(A-Za-z_]|%\w+%|\{.*\}", re.DOTALL)
"""The same inside a path."""
_NO_TEXT = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff]")
_QUOTES = "\"'`"
_HOST = re.compile(r"(?=.{1,253}$)\w([\w-]{0,61}\w)?(\.\w([\w-]{0,61}\w)?)*\.?")


def is_loopback(url: str) -> bool:
    """Whether a URL's host is this machine."""
    return is_loopback_host(urlsplit(url).hostname or "")


def is_loopback_host(host: str) -> bool:
    """Whether only this machine reaches a name or an address to listen on."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _of_text(read: Callable[[str], Any]) -> BeforeValidator:
    """Have a function read a text; what is none is left to pydantic."""
    return BeforeValidator(lambda value: read(value) if isinstance(value, str) else value)


def _is_bare(parts: SplitResult) -> bool:
    """Whether a URL names a host, and neither user, query nor fragment."""
    return bool(parts.scheme in {"https", "http"} and parts.hostname) and not (parts.username or parts.query or parts.fragment)


def _url(value: str) -> str:
    parts = urlsplit(value)
    if not parts.hostname or not _is_bare(parts):
        raise ValueError("must be https://host without user, query or fragment")
    if not (value.isprintable() and _has_port(value) and (":" in parts.hostname or _HOST.fullmatch(parts.hostname))):
        raise ValueError("must be https://host: what stands there is no name, no address or no port")
    if parts.scheme == "http" and not is_loopback(value):
        raise ValueError("http:// is only for loopback; use https://")
    return value


def _base_url(value: str) -> str:
    return _url(value.strip()).rstrip("/")


def _public_url(value: str) -> str:
    """The beginning of our own URLs; unlike the provider's it may be `http://` inside a network."""
    text = value.strip().rstrip("/")
    if not _is_bare(urlsplit(text)) or text.endswith(("/mcp", "/sse")):
        raise ValueError("must be https://host or http://host, without /mcp, user, query or fragment")
    return text


_PROXY_SCHEMES = {"http", "https", "socks5", "socks5h"}


def _proxy(value: str) -> str:
    """The address of a proxy, which may hold a password, or `env`."""
    text = value.strip()
    parts = urlsplit(text)
    has_more = parts.path.strip("/") or parts.query or parts.fragment
    if text != "env" and (parts.scheme not in _PROXY_SCHEMES or not parts.hostname or has_more or not _has_port(text)):
        raise ValueError("must be env, or the address of a proxy such as http://127.0.0.1:7890 (https:// and socks5:// too)")
    return text


_PRIVATE = r"(127|10|192\.168|172\.(1[6-9]|2\d|3[01]))(\.\d{1,3}){1,3}|\[::1\]|[a-z0-9_-]+|[a-z0-9_.-]+\.(internal|local|svc)"
_RECEIVER = re.compile(rf"https://[^\s/#]+[^\s#]*|http://({_PRIVATE})(:\d{{1,5}})?([/?][^\s#]*)?", re.IGNORECASE)
_SIGNING = re.compile(r"(whsec_)?[A-Za-z0-9+/]{32,86}={0,2}")


def _formed(form: re.Pattern[str], allowed: str) -> BeforeValidator:
    """Take only a secret of this form."""

    def check(value: str) -> str:
        if not form.fullmatch(value.strip()):
            raise ValueError(f"must be {allowed}")
        return value.strip()

    return _of_text(check)


def _has_port(url: str) -> bool:
    """Whether a URL names a port from 1 to 65535, or none."""
    try:
        return urlsplit(url).port != 0
    except ValueError:
        return False


def _identifier(value: str) -> str:
    """A URL that is compared character by character, and stands in a header."""
    if not value.isascii() or not value.isprintable() or set(value) & set(' "\\{}'):
        raise ValueError("must be printable ASCII without blanks, quotes, braces and backslashes")
    return _url(value)


def _key(value: str) -> str | None:
    """A key without the blanks and the quotes of a paste."""
    key = value.strip()
    if len(key) > 1 and key[0] == key[-1] and key[0] in _QUOTES:
        key = key[1:-1].strip()
    if not key or _PLACEHOLDER.fullmatch(key):
        return None
    if not key.isascii() or not key.isprintable() or set(key) & {" ", *_QUOTES}:
        raise ValueError("must be printable ASCII without blanks and quotes")
    return key


def _paths(value: str) -> list[Path]:
    """Folders in one variable, separated as in PATH."""
    roots = [_path(part) for part in value.split(os.pathsep) if part.strip()]
    if any(map(is_too_wide, roots)):
        raise ValueError("must name no whole disk, and neither your home folder nor one above it: name the folders below it")
    return roots


def is_too_wide(root: Path) -> bool:
    """Whether a folder to read media from is a whole disk, or holds all of the home folder."""
    resolved = root.resolve()
    return resolved == Path(resolved.anchor) or Path.home().resolve().is_relative_to(resolved)


def _path(value: Any) -> Any:
    """A path that means the same in every working directory."""
    if not isinstance(value, (str, Path)):
        return value
    text = str(value).strip()
    if text[:1] in _QUOTES or text[-1:] in _QUOTES:
        raise ValueError("must be without the quotes around it")
    if _NO_TEXT.search(text):
        raise ValueError("must be text: no control character, and no byte that is none of UTF-8")
    if _LEFT_OVER.search(text):
        raise ValueError("must be a plain path: a variable in it was not filled in")
    try:
        path = Path(text).expanduser()
    except RuntimeError:
        raise ValueError("must begin with the absolute path of a folder: its ~ names no home folder") from None
    if not path.is_absolute():
        raise ValueError("must be an absolute path, or begin with ~/")
    return path


def _default_data() -> Path:
    """The platform's folder; a relative one is ignored, as the rule of XDG is."""
    usual = user_data_path("seedance-mcp")
    return usual if usual.is_absolute() else Path.home() / ".local" / "share" / "seedance-mcp"


def _default_output() -> Path:
    videos = user_videos_path()
    return (videos if videos.is_dir() else Path.home()) / "seedance-videos"


def _pairs(text: str) -> list[tuple[str, str]]:
    """Read all `name:token` pairs; a token shorter than 16 characters can be guessed and is refused."""
    pairs = [part.strip().partition(":") for part in text.split(",") if part.strip()]
    for number, (name, _, token) in enumerate(pairs, 1):
        if wrong := _pair_fault(name, token):
            allowed = f"name:token pairs, comma separated, each token of {TOKEN_MIN_CHARS} ASCII characters or more"
            raise ValueError(f"pair {number} has {wrong}; allowed: {allowed}")
    return [(name, token) for name, _, token in pairs]


def _pair_fault(name: str, token: str) -> str:
    """Say what is wrong with a pair without repeating any part: a token may stand where the name should."""
    if not name or not token:
        return "no token" if name else "no name"
    if _PLACEHOLDER.fullmatch(token) or "${" in token:
        return "a token that was not filled in"
    if not token.isascii():
        return "a token that is not ASCII"
    return "too short a token" if len(token) < TOKEN_MIN_CHARS else ""


_HOST_NAME = re.compile(r"(?:https?://)?(\[[0-9a-f:.]+\]|[a-z0-9_]([a-z0-9_.-]*[a-z0-9_])?)\.?(?::[0-9]{1,5})?/?")
_BARE_IPV6 = re.compile(r"(?=.*:.*:)[0-9a-f:.]+")


def _host_names(text: str) -> list[str]:
    """All names, without what a pasted address has around its host; raises `ValueError` for what names no single host."""
    names = [part.strip().lower() for part in text.split(",") if part.strip()]
    found = [_HOST_NAME.fullmatch(f"[{name}]" if _BARE_IPV6.fullmatch(name) else name) for name in names]
    if None in found:
        told = f"entry {found.index(None) + 1} is no host; allowed: names or addresses, comma separated, no path and no *"
        raise ValueError(told)
    return [match[1] for match in found if match]


def _allowed(description: str) -> WrapValidator:
    """Say in plain words what is wrong with a value and what is allowed."""

    def check(value: Any, read: ValidatorFunctionWrapHandler) -> Any:
        try:
            return read(value)
        except ValidationError as error:
            kind = error.errors()[0]["type"].partition("_than")[0]
            wrong = {"greater": "too low", "less": "too high"}.get(kind, "cannot be read")
            raise ValueError(f"{wrong}; allowed: {description}") from error

    return WrapValidator(check)


def _database(value: str) -> str:
    """The address of a database, which holds a password."""
    text = value.strip()
    if urlsplit(text).scheme not in {"postgresql", "postgres"} or not text.isprintable():
        raise ValueError("must be postgresql://user:password@host:port/database; several hosts and ?options may follow")
    return text


_BUCKET = re.compile(r"(s3|gs|az)://[A-Za-z0-9][\w.-]*(/[\w.-]+)*", re.ASCII)


def _bucket(value: str) -> str:
    """The address of a store of videos, which holds no secret."""
    text = value.strip().rstrip("/")
    if not _BUCKET.fullmatch(text):
        raise ValueError("must be s3://bucket/prefix, gs://bucket/prefix or az://account/container/prefix, without query")
    return text


def _names(value: str) -> str:
    if value and not value.replace(",", "").strip():
        raise ValueError("names no model or route: leave it out to offer all")
    return value


Amount = Annotated[Decimal | None, Field(ge=0, le=10**9), _allowed("a number from 0 to 1000000000, in JimiCoin")]
Switch = Annotated[bool, _allowed("1 or 0")]
Folder = Annotated[Path, BeforeValidator(_path)]


NEVER_SKIPPED = {
    *("data_dir", "database_url", "video_store", "output_dir", "media_roots", "prices", "edition", "models"),
    *("max_cost_per_video", "max_cost_per_day", "max_cost_total", "confirm_above"),
    *("max_cost_account_per_day", "max_cost_account_total"),
    *("http_tokens", "http_oauth_issuer", "http_oauth_audience"),
}
"""Settings whose default spends, opens or writes more than the operator wanted: a value that cannot be read is refused."""


def is_placeholder(value: Any) -> bool:
    """Say whether a value is a variable of a client's that was not filled in."""
    return isinstance(value, str) and _PLACEHOLDER.fullmatch(value.strip()) is not None


class Settings(BaseSettings):
    """The operator's settings; each is an environment variable that starts with SEEDANCE_."""

    model_config = SettingsConfigDict(
        env_prefix="SEEDANCE_",
        env_ignore_empty=True,
        populate_by_name=True,
        hide_input_in_errors=True,
    )

    api_key: Annotated[SecretStr | None, _of_text(_key)] = Field(
        default=None, validation_alias=AliasChoices("SEEDANCE_API_KEY", "JIMMYAI_API_KEY")
    )
    """The provider's key. Without it the server starts and lists everything, and paid tools answer `not_configured`."""
    base_url: Annotated[str, AfterValidator(_base_url)] = Field(
        default=DEFAULT_BASE_URL, validation_alias=AliasChoices("SEEDANCE_BASE_URL", "JIMMYAI_BASE_URL")
    )
    """The provider's address; `http://` only for loopback."""
    sandbox: Switch = False
    """1: the embedded sandbox provider, no key, nothing charged; every result is marked."""
    data_dir: Folder = Field(default_factory=_default_data)
    """Where the ledger is kept, and the parts of downloads that were cut off."""
    database_url: Annotated[SecretStr | None, _of_text(_database)] = None
    """`postgresql://…`: the ledger is kept in that database, which any number of servers share (extra `postgres`)."""
    output_dir: Folder = Field(default_factory=_default_output)
    """The only folder that videos are saved to."""
    video_store: Annotated[str | None, _of_text(_bucket)] = None
    """`s3://bucket/prefix`, `gs://…` or `az://…`: finished videos are kept there instead (extra `storage`)."""
    auto_save: Switch = False
    """1: every finished video is saved without being asked, also while no call waits for it."""
    media_roots: Annotated[list[Path] | None, NoDecode, _of_text(_paths)] = None
    """The only folders that upload_asset reads, separated as in PATH."""
    download_proxy: Annotated[SecretStr | None, _of_text(_proxy)] = None
    """The proxy that videos are fetched through where no direct way leads to their hosts: its address, or `env` for that of
    the environment."""
    edition: Annotated[str, AfterValidator(str.strip)] = "2026-07"
    """The dated catalogue: `2026-07`, the contract, or a later one."""
    strict: Switch = False
    """1: a value that any source refuses is refused, also where the edition allows it."""
    models: Annotated[str, AfterValidator(_names)] = ""
    """The models or routes that are offered, comma separated; without it all are."""
    prices: Folder | None = None
    """A price file in the form of `prices.toml`, for accounts with their own rates."""
    max_cost_per_video: Amount = None
    """Hard limit for one video, in JimiCoin."""
    max_cost_per_day: Amount = None
    """Hard limit for one UTC day, in JimiCoin."""
    max_cost_total: Amount = None
    """Hard limit for all time, in JimiCoin."""
    max_cost_account_per_day: Amount = None
    """Hard limit for one UTC day over all principals together, in JimiCoin."""
    max_cost_account_total: Amount = None
    """Hard limit for all time over all principals together, in JimiCoin."""
    allow_unpriced: Switch = False
    """1: requests without a known price are sent although a limit is set."""
    confirm_above: Amount = None
    """Ask the user before a request that costs more than this, in JimiCoin, or whose price is unknown."""
    dedupe_seconds: Annotated[float, Field(ge=0, le=31_536_000), _allowed("a number from 0 to 31536000")] = 600
    """A duplicate of a request within this time, in seconds, is answered with the earlier task; 0 turns it off."""
    poll_floor_seconds: Annotated[float | None, Field(ge=0.001, le=3600), _allowed("a number from 0.001 to 3600")] = None
    """Minimum poll interval of one task, in seconds: 5, or 0.2 on loopback."""
    http_tokens: SecretStr | None = None
    """`name:token` pairs for the HTTP transports, comma separated; without any token or OAuth they listen only on loopback."""
    http_oauth_issuer: Annotated[str | None, AfterValidator(lambda url: url and _identifier(url))] = None
    """The OAuth authorization server whose access tokens the HTTP transports accept, exactly as it writes its own URL."""
    http_oauth_audience: Annotated[str | None, AfterValidator(lambda url: url and _identifier(url))] = Field(
        default=None, validate_default=True
    )
    """Whom these tokens must be made for: the public address of `/mcp` (or `/sse`)."""
    http_hosts: Annotated[str, AfterValidator(lambda text: ",".join(_host_names(text)))] = ""
    """Names under which the HTTP transports are reached beside loopback and the audience's, comma separated."""
    public_url: Annotated[str | None, AfterValidator(lambda url: url and _public_url(url))] = None
    """The address that callers reach the HTTP transports at, without `/mcp`, where it is not the one that they ask: it begins
    the URLs of files."""
    link_seconds: Annotated[float, Field(ge=60, le=604_800), _allowed("a number from 60 to 604800")] = 3600
    """How long the URL of a saved video that a caller over HTTP is given lives, in seconds."""
    http_requests_per_minute: Annotated[int, Field(ge=1), _allowed("a whole number from 1")] = 600
    """How many requests one caller may make in a minute."""
    notify_url: Annotated[SecretStr | None, _formed(_RECEIVER, "https://, or http:// with a private address or name")] = None
    """Where a signed notice of each video that ended is posted (Standard Webhooks; extra `notify`); it may be private."""
    notify_secret: Annotated[SecretStr | None, _formed(_SIGNING, "whsec_ and the base64 of 24 to 64 bytes")] = Field(
        default=None, validate_default=True
    )
    """The secret that signs notices: `whsec_` and the base64 of 24 to 64 random bytes."""
    instant_start: Switch = True
    """0: load everything before the first answer."""
    schema_profile: Annotated[Literal["auto", "union", "flat"], _allowed("auto, union or flat")] = "auto"
    """How `create_video` shows its request: `union`, `flat`, or by the client's name."""
    log_format: Annotated[Literal["text", "json"], _allowed("text or json")] = "text"
    """How the log is written: `text`, or `json` for one object a line with `time`, `level`, `logger`, `message` and more."""
    log_level: Annotated[
        Literal["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"], _allowed("DEBUG, INFO, WARNING, ERROR or CRITICAL")
    ] = "WARNING"
    """The level of the log on standard error, which never holds a key, a prompt or a signed URL."""

    @model_validator(mode="before")
    @classmethod
    def _without_placeholders(cls, given: dict[str, Any]) -> dict[str, Any]:
        """A placeholder that a client left in counts as not set; where money or safety depends on it, it is refused."""
        return {name: value for name, value in given.items() if name in NEVER_SKIPPED or not is_placeholder(value)}

    @property
    def http_host_names(self) -> set[str]:
        """The further names, as they are compared with a Host header."""
        return set(_host_names(self.http_hosts))

    @cached_property
    def http_token_pairs(self) -> dict[str, str]:
        """Principal → token."""
        text = self.http_tokens.get_secret_value() if self.http_tokens else ""
        return dict(_pairs(text))

    @property
    def model_names(self) -> tuple[str, ...]:
        """The models or routes that are offered; empty for all."""
        return tuple(name.strip() for name in self.models.split(",") if name.strip())

    @property
    def ledger_dir(self) -> Path:
        """The folder of the ledger; the sandbox has one of its own."""
        return self.data_dir / "sandbox" if self.sandbox else self.data_dir

    @property
    def ledger_url(self) -> str | None:
        """The database of the ledger; the sandbox keeps its own in a file."""
        return self.database_url.get_secret_value() if self.database_url and not self.sandbox else None

    @property
    def limits(self) -> dict[str, Decimal]:
        """Those of the hard limits that the operator set, by name, in JimiCoin."""
        own = ("max_cost_per_video", "max_cost_per_day", "max_cost_total")
        names = (*own, "max_cost_account_per_day", "max_cost_account_total")
        return {name: getattr(self, name) for name in names if getattr(self, name) is not None}

    @field_validator("http_tokens")
    @classmethod
    def _readable(cls, tokens: SecretStr | None) -> SecretStr | None:
        pairs = _pairs(tokens.get_secret_value()) if tokens else []
        if len({name for name, _ in pairs}) < len(pairs):
            raise ValueError("names must be unique")
        if len({token for _, token in pairs}) < len(pairs):
            raise ValueError("two names have the same token; each must have its own")
        return tokens if pairs else None

    @field_validator("http_oauth_audience")
    @classmethod
    def _paired(cls, audience: str | None, info: ValidationInfo) -> str | None:
        if "http_oauth_issuer" in info.data and bool(audience) != bool(info.data["http_oauth_issuer"]):
            raise ValueError("must be set together with SEEDANCE_HTTP_OAUTH_ISSUER")
        return audience

    @field_validator("notify_secret")
    @classmethod
    def _signs_for_somebody(cls, secret: SecretStr | None, info: ValidationInfo) -> SecretStr | None:
        if "notify_url" in info.data and (secret is None) != (info.data["notify_url"] is None):
            raise ValueError("must be set together with SEEDANCE_NOTIFY_URL")
        return secret

    @property
    def min_poll_interval_seconds(self) -> float:
        """The minimum poll interval of one task."""
        return self.poll_floor_seconds or (0.2 if self.sandbox or is_loopback(self.base_url) else 5.0)

    @property
    def upload_roots(self) -> list[Path]:
        """The folders that upload_asset may read, resolved; never a whole disk, or a folder that holds the home folder."""
        if self.media_roots is not None:
            return [root.resolve() for root in self.media_roots]
        usual = (user_pictures_path(), user_videos_path(), user_music_path(), user_downloads_path())
        return [each.resolve() for each in (self.output_dir, Path.cwd(), *usual) if not is_too_wide(each)]


def load_settings() -> Settings:
    """Read the environment; raises `NotConfigured`, which names each variable that is wrong and never its value."""
    return check_settings().sound()


_PAIRED = ({"http_oauth_issuer", "http_oauth_audience"}, {"notify_url", "notify_secret"})
"""Settings that are set together or not at all."""


class CheckedSettings(NamedTuple):
    """The environment's settings, and what is wrong with them."""

    settings: Settings
    """With the default for each variable that is wrong."""
    problems: list[str]
    """Each names a variable and what is allowed, never the value."""

    def sound(self) -> Settings:
        """Give the settings; raises `NotConfigured` with the problems, where there are any."""
        if self.problems:
            raise NotConfigured("; ".join(self.problems))
        return self.settings


def check_settings() -> CheckedSettings:
    """Read the environment and report every variable that is wrong."""
    try:
        return CheckedSettings(Settings(), [])
    except ValidationError as error:
        found = {
            _variable(each["loc"]): each["msg"].removeprefix("Value error, ") for each in error.errors(include_input=False)
        }
    wrong = {name.partition("_")[2].lower() for name in found}
    wrong = wrong.union(*(pair for pair in _PAIRED if wrong & pair))  # one of the two alone would be wrong again
    kept = {name: Settings.model_fields[name].get_default(call_default_factory=True) for name in wrong}
    return CheckedSettings(Settings(**kept), [f"{name}: {problem}" for name, problem in found.items()])


def _variable(location: tuple[int | str, ...]) -> str:
    name = str(location[0])
    return name if name.isupper() else f"SEEDANCE_{name.upper()}"
