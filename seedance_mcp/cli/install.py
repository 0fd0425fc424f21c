"""`seedance-mcp install`: one entry in a client's own configuration, shown first, and taken back."""

from __future__ import annotations

import difflib
import glob
import hashlib
import os
import re
import tempfile
import tomllib
from collections.abc import Callable
from dataclasses import dataclass
from functools import reduce
from pathlib import Path
from typing import Any, cast

from seedance_mcp.cli import jsonc_edit
from seedance_mcp.cli.mcp_clients import BY_NAME, KEY, SERVER, ClientApp, Entry, own_command, uvx_command
from seedance_mcp.errors import InvalidRequest, NotConfigured
from seedance_mcp.settings import Settings, check_settings, load_settings

_SECRET = re.compile(rf'({KEY}"?\s*[:=]\s*)"(?!\$)[^"]+"')
_LONE = re.compile(r"(?<!\r)\n")
_BOM = b"\xef\xbb\xbf"
_PRIVATE = 0o600
_SHOWN_CHARS = 160
_DIGEST_CHARS = 16
_CHANGED = "The file was changed since: only the entry goes."
_COPY = "What was there before: "
_UNLIMITED = "none in the entry: set SEEDANCE_MAX_COST_PER_DAY here and install again, and it is written there"
_PASSED_ON = ("max_cost_per_video", "max_cost_per_day", "max_cost_total", "confirm_above", "output_dir")
_KEPT, _NONE = "before-seedance", "none-before-seedance"


@dataclass(frozen=True, slots=True)
class Change:
    """What a file holds and what it is to hold; `None`: no file."""

    path: Path
    before: bytes | None
    after: bytes | None
    private: bool = False
    """Whether the key is in it."""
    note: str = ""
    entry: str = ""
    """What is written under the server's name, for a file whose lines are too long to show."""

    def as_text(self) -> str:
        """A diff without neighbouring lines and without the key: other servers' secrets may stand close by.

        Where long lines are cut, the entry stands below it.
        """
        name = str(self.path)
        diff = difflib.unified_diff(_lines(self.before), _lines(self.after), name, name, lineterm="", n=0)
        shown = [line if len(line) <= _SHOWN_CHARS else f"{line[:_SHOWN_CHARS]}…" for line in diff]
        told = "\n".join(shown) or "Nothing to change."
        cut = self.entry and any(line.endswith("…") for line in shown)
        return "\n".join([told, "The entry:", *_lines(self.entry.encode())]) if cut else told


def _lines(content: bytes | None) -> list[str]:
    text = (content or b"").decode("utf-8-sig")
    return _SECRET.sub(r'\1"********"', text).splitlines()


def plan_install(client: ClientApp, entry: Entry, *, private: bool = False) -> Change:
    """What installation would do; raises `InvalidRequest` where the file cannot be edited."""
    path = client.path()
    target, before = path.resolve(), _content(path)
    base = _base(client, target, before)
    after = _edited(path, base, lambda text: _with_entry(client, text, entry))
    return Change(path, before, after, private, entry=_alone(client, entry))


def _alone(client: ClientApp, entry: Entry) -> str:
    """The entry in the client's own form, as it stands in a file that holds nothing else."""
    return _with_table("", client.servers, entry) if client.format == "toml" else jsonc_edit.put("", (SERVER,), entry)


def plan_undo(client: ClientApp) -> Change:
    """What taking the entry back would do."""
    path = client.path()
    target, before = path.resolve(), _content(path)
    after, restored = _undone(client, target, before)
    return Change(path, before, after, note="" if restored else _note(target, before, after))


def _note(target: Path, before: bytes | None, after: bytes | None) -> str:
    """What is told where the file is not the one that was written."""
    kept = _kept(target)
    left = ", ".join(str(copy) for copy in kept if not _is_spent(copy, after))
    return " ".join([*([_CHANGED] if kept and after != before else []), *([f"{_COPY}{left}"] if left else [])])


def install(client: ClientApp, change: Change) -> Path | None:
    """Write the entry; gives the copy of what was there, `None` where there was no file."""
    target = change.path.resolve()
    base = _base(client, target, change.before)
    earlier = _copies(target, change.before)
    mode = (earlier or [target])[0].stat().st_mode & 0o777 if change.before is not None else _PRIVATE
    target.parent.mkdir(parents=True, exist_ok=True)
    for copy in earlier:
        copy.unlink()
    kept = target.with_name(f"{target.name}.{_NONE if base is None else _KEPT}-{_digest(change.after)}")
    _write(kept, base or b"", mode)
    _write(target, change.after or b"", _PRIVATE if change.private else mode)
    return None if base is None else kept


def undo(change: Change) -> None:
    """Take the entry back: the file as it was, or without the entry where others changed it since."""
    target = change.path.resolve()
    copies = _copies(target, change.before)
    mode = (copies or [target])[0].stat().st_mode & 0o777 if change.after is not None else 0
    if change.after is None:
        target.unlink(missing_ok=True)
    elif change.after != change.before:
        _write(target, change.after, mode)
    for copy in copies or [copy for copy in _kept(target) if _is_spent(copy, change.after)]:
        copy.unlink()


def _content(path: Path) -> bytes | None:
    return path.read_bytes() if path.exists() else None


def _digest(content: bytes | None) -> str:
    return hashlib.sha256(content or b"").hexdigest()[:_DIGEST_CHARS]


def _copies(target: Path, content: bytes | None) -> list[Path]:
    """What was kept when the file was written as it is now."""
    found = [target.with_name(f"{target.name}.{kind}-{_digest(content)}") for kind in (_KEPT, _NONE)]
    return [path for path in found if path.exists()] if content is not None else []


def _undone(client: ClientApp, target: Path, content: bytes | None) -> tuple[bytes | None, bool]:
    """The file without our entry, and whether that is to the byte what was there before."""
    for copy in _copies(target, content):
        return (None if f".{_NONE}-" in copy.name else copy.read_bytes()), True
    if not content:
        return content, False
    return _edited(client.path(), content, lambda text: _without_entry(client, text, _made(client, target))), False


def _base(client: ClientApp, target: Path, content: bytes | None) -> bytes | None:
    """What an installation starts from; an entry that we never wrote belongs to it."""
    left, restored = _undone(client, target, content)
    return left if restored or _kept(target) else content


def _kept(target: Path) -> list[Path]:
    """All copies; where none fits, others wrote since."""
    return sorted(path for path in target.parent.glob(f"{glob.escape(target.name)}.*{_KEPT}-*") if path.is_file())


def _is_spent(copy: Path, content: bytes | None) -> bool:
    """Whether a copy holds nothing that the file lacks."""
    return copy.read_bytes() in {b"", content}


def _made(client: ClientApp, target: Path) -> list[str]:
    """The containers that no copy has: an installation made them."""
    copies = [path.read_bytes().decode("utf-8-sig") for path in _kept(target)]
    names = [client.servers, "inputs"] if copies and client.format == "json" else []
    return [name for name in names if all(jsonc_edit.remove(text, (name,)) == text for text in copies)]


def _edited(path: Path, content: bytes | None, edit: Callable[[str], str]) -> bytes:
    """The text changed, with its byte order mark as it was."""
    raw = content or b""
    mark = _BOM if raw.startswith(_BOM) else b""
    try:
        return mark + edit(raw.removeprefix(_BOM).decode()).encode()
    except (InvalidRequest, UnicodeDecodeError) as error:
        told = error.message if isinstance(error, InvalidRequest) else "It is no UTF-8 text."
        raise InvalidRequest(f"{path} cannot be edited. {told} Nothing was changed: mend it, then try again.") from None


def _with_entry(client: ClientApp, text: str, entry: Entry) -> str:
    if client.format == "toml":
        return _with_table(text, client.servers, entry)
    text = jsonc_edit.put(text, (client.servers, SERVER), entry)
    asks = client.input and KEY in entry["env"]
    return jsonc_edit.put(text, ("inputs", client.input["id"]), client.input) if client.input and asks else text


def _put_table(servers: Any, entry: Entry) -> None:
    """In place, so that comments around an earlier entry stay."""
    table = servers.setdefault(SERVER, {})
    for name in [each for each in table if each not in entry]:
        del table[name]
    table.update(entry)


def _without_entry(client: ClientApp, text: str, made: list[str]) -> str:
    """Without the entry, and without what held it and was `made` for it, where it is left empty."""
    if client.format == "toml":
        return _toml(text, client.servers, lambda servers: servers.pop(SERVER, None)) if SERVER in text else text
    left = jsonc_edit.remove(text, (client.servers, SERVER))
    left = jsonc_edit.remove(left, ("inputs", client.input["id"])) if client.input else left
    return reduce(jsonc_edit.prune, made, left) if left != text else text


def _with_table(text: str, name: str, entry: Entry) -> str:
    """The entry at the end, where that is sound; else in its place."""
    import tomlkit  # noqa: PLC0415 - one client alone needs it

    gap = "" if not text else "\n" if text.endswith("\n") else "\n\n"
    appended = text + _like(text, gap + tomlkit.dumps({name: {SERVER: entry}}))
    try:
        tomllib.loads(appended)
    except tomllib.TOMLDecodeError:
        return _toml(text, name, lambda servers: _put_table(servers, entry))
    return appended


def _toml(text: str, name: str, edit: Callable[[Any], object]) -> str:
    """The servers' table changed, and everything else as it was written."""
    import tomlkit  # noqa: PLC0415 - one client alone needs it
    from tomlkit.exceptions import TOMLKitError  # noqa: PLC0415 - likewise

    try:
        document = tomlkit.parse(text)
    except TOMLKitError as error:
        raise InvalidRequest(f"It is no TOML: {error}.") from None
    servers: Any = cast("dict[str, Any]", document).get(name, {})
    if not isinstance(servers, dict):
        raise InvalidRequest(f"{name} is no table.")
    edit(servers)
    return _like(text, tomlkit.dumps(document))


def _like(text: str, made: str) -> str:
    """With the line ends of the text."""
    return _LONE.sub("\r\n", made) if "\r\n" in text and not _LONE.search(text) else made


def _write(path: Path, content: bytes, mode: int) -> None:
    """Put the whole content there at once, so that no reader finds half of it."""
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        Path(name).chmod(mode)
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


@dataclass(frozen=True, slots=True)
class Wish:
    """What was typed."""

    client: str
    sandbox: bool = False
    key_from_env: bool = False
    dry_run: bool = False
    undo: bool = False
    command: list[str] | None = None


def run(wish: Wish) -> None:
    """Show the change and make it; every trouble with the file is an `InvalidRequest`."""
    client = BY_NAME[wish.client]
    try:
        print(_take_out(client, wish) if wish.undo else _put_in(client, wish))
    except OSError as error:
        raise InvalidRequest(f"{client.path()} cannot be changed ({error}).") from None


def _put_in(client: ClientApp, wish: Wish) -> str:
    key = _key(client) if wish.key_from_env else None
    given, limits = _given()
    entry = client.entry(_command(wish), sandbox=wish.sandbox, key=key, given=given)
    change = plan_install(client, entry, private=key is not None)
    told = [f"{client.title}: {change.path}", change.as_text(), f"Limits: {limits}."]
    if wish.dry_run:
        return "\n".join([*told, "Nothing was written (--dry-run)."])
    if change.after != change.before and (copy := install(client, change)):
        told.append(f"What was there: {copy}")
    how = "none: the sandbox needs none" if wish.sandbox else "stands in the file, mode 0600" if key else client.key_told
    return "\n".join([*told, f"Key: {how}.", f"Next: {client.then}", f"Back: seedance-mcp install {client.name} --undo"])


def _given() -> tuple[dict[str, str], str]:
    """What this shell sets of limits and the output folder, as a server in another place has to read it; and the limits told.

    Clients start servers with little more than HOME and PATH of their own environment.
    """
    settings, problems = check_settings()
    if wrong := [each for each in problems if each.startswith(tuple(map(_variable, _PASSED_ON)))]:
        raise NotConfigured("; ".join(wrong))
    given = {_variable(name): _plain(settings, name) for name in _PASSED_ON if _plain(settings, name)}
    limits = ", ".join(f"{_variable(name)}={given[_variable(name)]}" for name in settings.limits)
    return given, f"{limits}, written into the entry" if limits else _UNLIMITED


def _variable(name: str) -> str:
    return f"SEEDANCE_{name.upper()}"


def _plain(settings: Settings, name: str) -> str:
    """A setting as text, empty where it is not set."""
    value = getattr(settings, name) if name in settings.model_fields_set else None
    return str(value.absolute()) if isinstance(value, Path) else "" if value is None else f"{value:f}"


def _take_out(client: ClientApp, wish: Wish) -> str:
    change = plan_undo(client)
    told = [f"{client.title}: {change.path}", change.as_text(), *([change.note] if change.note else [])]
    if wish.dry_run:
        return "\n".join([*told, "Nothing was written (--dry-run)."])
    undo(change)
    return "\n".join(told)


def _command(wish: Wish) -> list[str]:
    if wish.command == []:
        raise InvalidRequest("--command needs what the client is to start.")
    if wish.command == ["uvx"]:
        return uvx_command(sandbox=wish.sandbox)
    return wish.command or own_command(sandbox=wish.sandbox)


def _key(client: ClientApp) -> str:
    """The key of this process' environment, for the one client that has no other way."""
    if client.key:
        raise InvalidRequest(f"{client.title} needs no key in its file: {client.key_told}.")
    settings = load_settings()
    if settings.api_key is None:
        raise NotConfigured(f"{KEY} is not set here, so there is no key to write.")
    return settings.api_key.get_secret_value()
