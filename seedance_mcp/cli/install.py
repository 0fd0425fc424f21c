"""`seedance-mcp install` adds one entry to a client's own configuration, and `--undo` restores the file.

Beside the file a copy of its earlier content is kept. The copy's name carries a digest of the file as it was written: if the
digest still fits, nobody changed the file since, and undoing restores the copy byte for byte.
"""

from __future__ import annotations

import difflib
import glob
import hashlib
import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import reduce
from pathlib import Path

from pydantic import SecretStr

from seedance_mcp.cli import jsonc_edit, remote, toml_edit, yaml_edit
from seedance_mcp.cli.installed import ClientFile, client_files, is_here, places
from seedance_mcp.cli.invocation import as_typed
from seedance_mcp.cli.mcp_clients import BY_NAME, KEY, SERVER, ClientApp, ServerEntry, own_command, uvx_command
from seedance_mcp.cli.remote import Access
from seedance_mcp.errors import InvalidRequest, NotConfigured
from seedance_mcp.settings import Settings, check_settings, load_settings
from seedance_mcp.storage.whole_file import written
from seedance_mcp.untrusted import sanitize

_SECRET = re.compile(rf'({KEY}"?\s*[:=]\s*|Authorization"?\s*[:=]\s*)"(?!(?:Bearer )?[${{])[^"]+"')
_FIELD = re.compile(r"""[:=]\s*["'\[{\d]""")
"""Where the value of a field begins."""
_CONTROL = re.compile(r"[^\n\t\x20-\x7e\u00a0-\u2027\u202f-\u2065\u2070-\ufefe\uff00-\U0010ffff]")
"""Characters that a terminal obeys."""
_BOM = b"\xef\xbb\xbf"
_PRIVATE_MODE = 0o600
_SHOWN_CHARS = 160
_DIGEST_CHARS = 16
_CHANGED = "The file was changed since: only the entry is removed."
_NO_FILE = "It is gone again: there was none before."
_AS_BEFORE = "It is as it was before, byte for byte."
_COPY = "Its earlier content: "
_UNLIMITED = "none in the entry; to add one, set SEEDANCE_MAX_COST_PER_DAY in this shell and install again"
_PASSED_ON = (
    "max_cost_per_video",
    "max_cost_per_day",
    "max_cost_total",
    "max_cost_account_per_day",
    "max_cost_account_total",
    "confirm_above",
    "output_dir",
    "download_proxy",
)
_EDITORS = {"toml": toml_edit, "yaml": yaml_edit}
"""What edits a file that is no JSON."""
_KEPT, _ABSENT = "before-seedance", "none-before-seedance"
"""In the name of a copy: the file had content, or did not exist."""


@dataclass(frozen=True, slots=True)
class Change:
    """A file's content before and after; `None` means that there is no file."""

    path: Path
    before: bytes | None
    after: bytes | None
    private: bool = False
    """Whether the key itself is in it."""
    note: str = ""
    """A sentence for the user, for example that others changed the file since."""
    entry: str = ""
    """The entry in the client's own format; shown for a file whose lines are too long to show."""

    def as_text(self) -> str:
        """Show the diff without neighbouring lines, which may hold other servers' secrets, and without the key.

        Of a line that is long or holds several fields nothing is shown; then the whole entry follows below.
        """
        name = str(self.path)
        diff = difflib.unified_diff(_lines(self.before), _lines(self.after), name, name, lineterm="", n=0)
        shown = _without_others(list(diff))
        text = "\n".join(shown) or "Nothing to change."
        cut = self.entry and any(line.endswith("…") for line in shown)
        text = _CONTROL.sub("", text)
        return "\n".join([text, "The entry:", *_lines(self.entry.encode())]) if cut else text


def _without_others(diff: list[str]) -> list[str]:
    """Leave out what is not ours: a line that only gets a comma, and the content of one that holds several fields."""
    bodies = {sign: {line[1:] for line in diff if line.startswith(sign)} for sign in "-+"}
    commas = {text for text in bodies["-"] ^ bodies["+"] if f"{text}," in bodies["-"] | bodies["+"]}
    commas |= {f"{text}," for text in commas}
    return [
        f"{line[0]}…" if len(line) > _SHOWN_CHARS or len(_FIELD.findall(line)) > 1 else line
        for line in diff
        if line[1:] not in commas
    ]


def _lines(content: bytes | None) -> list[str]:
    """Split a file into lines in which the key is replaced by stars."""
    text = (content or b"").decode("utf-8-sig")
    return _SECRET.sub(r'\1"********"', text).splitlines()


def plan_install(client: ClientApp, entry: ServerEntry, *, private: bool = False) -> Change:
    """Plan the installation of an entry; nothing is written.

    Args:
        client: The client whose file is changed.
        entry: The entry of our server.
        private: The entry holds the key itself, so the file becomes readable only by its owner.

    Raises:
        InvalidRequest: The file is invalid and cannot be edited.
    """
    path = client.path()
    target, before = path.resolve(), _content(path)
    base = _base(client, target, before)
    after = _edited(path, base, lambda text: _with_entry(client, text, entry))
    return Change(path, before, after, private, entry=_standalone(client, entry))


def _standalone(client: ClientApp, entry: ServerEntry) -> str:
    """Write the entry in the client's own format, as in a file that holds nothing else."""
    editor = _EDITORS.get(client.format)
    return editor.put("", client.servers, entry) if editor else jsonc_edit.put("", (SERVER,), entry)


def plan_undo(client: ClientApp) -> Change:
    """Plan the removal of the entry; nothing is written.

    Raises:
        InvalidRequest: The file is invalid and cannot be edited.
    """
    path = client.path()
    target, before = path.resolve(), _content(path)
    after, restored = _undone(client, target, before)
    whole = _NO_FILE if after is None else _AS_BEFORE
    return Change(path, before, after, note=whole if restored else _note(target, before, after))


def _note(target: Path, before: bytes | None, after: bytes | None) -> str:
    """Say that others changed the file since, and name the copies that hold more than the file does."""
    kept = _kept(target)
    left = ", ".join(str(copy) for copy in kept if not _is_redundant(copy, after))
    return " ".join([*([_CHANGED] if kept and after != before else []), *([f"{_COPY}{left}"] if left else [])])


def install(client: ClientApp, change: Change) -> Path | None:
    """Write a planned installation.

    Returns:
        The copy of the earlier content, `None` if there was no file.
    """
    target = change.path.resolve()
    base = _base(client, target, change.before)
    earlier = _copies(target, change.before)
    mode = (earlier or [target])[0].stat().st_mode & 0o777 if change.before is not None else _PRIVATE_MODE
    target.parent.mkdir(parents=True, exist_ok=True)
    for copy in earlier:
        copy.unlink()
    kept = target.with_name(f"{target.name}.{_ABSENT if base is None else _KEPT}-{_digest(change.after)}")
    _write(kept, base or b"", mode)
    _write(target, change.after or b"", _PRIVATE_MODE if change.private else mode)
    return None if base is None else kept


def undo(change: Change) -> None:
    """Write a planned removal, and delete the copies that are needed no more."""
    target = change.path.resolve()
    copies = _copies(target, change.before)
    mode = (copies or [target])[0].stat().st_mode & 0o777 if change.after is not None else 0
    if change.after is None:
        target.unlink(missing_ok=True)
    elif change.after != change.before:
        _write(target, change.after, mode)
    for copy in copies or [copy for copy in _kept(target) if _is_redundant(copy, change.after)]:
        copy.unlink()


def _content(path: Path) -> bytes | None:
    return path.read_bytes() if path.exists() else None


def _digest(content: bytes | None) -> str:
    return hashlib.sha256(content or b"").hexdigest()[:_DIGEST_CHARS]


def _copies(target: Path, content: bytes | None) -> list[Path]:
    """List the copies that belong to exactly this content of the file."""
    found = [target.with_name(f"{target.name}.{kind}-{_digest(content)}") for kind in (_KEPT, _ABSENT)]
    return [path for path in found if path.exists()] if content is not None else []


def _undone(client: ClientApp, target: Path, content: bytes | None) -> tuple[bytes | None, bool]:
    """Undo an installation.

    Returns:
        The file without our entry, and whether that is the earlier content, byte for byte.
    """
    for copy in _copies(target, content):
        return (None if f".{_ABSENT}-" in copy.name else copy.read_bytes()), True
    if not content:
        return content, False
    return _edited(client.path(), content, lambda text: _without_entry(client, text, _own_containers(client, target))), False


def _base(client: ClientApp, target: Path, content: bytes | None) -> bytes | None:
    """Give the content that an installation starts from; an entry that we did not write stays in it."""
    left, restored = _undone(client, target, content)
    return left if restored or _kept(target) else content


def _kept(target: Path) -> list[Path]:
    """List all copies of this file; if none belongs to its content, others changed it since."""
    return sorted(path for path in target.parent.glob(f"{glob.escape(target.name)}.*{_KEPT}-*") if path.is_file())


def _is_redundant(copy: Path, content: bytes | None) -> bool:
    """Say whether a copy holds nothing that the file lacks."""
    return copy.read_bytes() in {b"", content}


def _own_containers(client: ClientApp, target: Path) -> list[str]:
    """Name the containers that are in no copy: an installation made them."""
    copies = [path.read_bytes().decode("utf-8-sig") for path in _kept(target)]
    names = [client.servers, "inputs"] if copies and client.format == "json" else []
    return [name for name in names if all(jsonc_edit.remove(text, (name,)) == text for text in copies)]


def _edited(path: Path, content: bytes | None, edit: Callable[[str], str]) -> bytes:
    """Edit a file's text and keep its byte order mark.

    Raises:
        InvalidRequest: The file is invalid; the message names it.
    """
    raw = content or b""
    mark = _BOM if raw.startswith(_BOM) else b""
    try:
        return mark + edit(raw.removeprefix(_BOM).decode()).encode()
    except (InvalidRequest, UnicodeDecodeError) as error:
        fault = error.message if isinstance(error, InvalidRequest) else "It is not UTF-8 text."
        raise InvalidRequest(f"{path} cannot be edited. {fault} Nothing was changed: correct it, then try again.") from error


def _with_entry(client: ClientApp, text: str, entry: ServerEntry) -> str:
    """Add the entry, and the client's question for the key if the entry refers to it."""
    if editor := _EDITORS.get(client.format):
        return editor.put(text, client.servers, entry)
    place = places(client, text)[0]
    unknown = client.not_nested if len(place) > 1 else ()
    known = {name: value for name, value in entry.items() if name not in unknown}
    text = jsonc_edit.put(text, (*place, SERVER), known)
    asked = [each for each in client.inputs if f"${{input:{each['id']}}}" in json.dumps(entry)]
    return reduce(lambda left, each: jsonc_edit.put(left, ("inputs", each["id"]), each), asked, text)


def _without_entry(client: ClientApp, text: str, own_containers: list[str]) -> str:
    """Remove the entry, and those of our own containers that are empty then."""
    if editor := _EDITORS.get(client.format):
        return editor.remove(text, client.servers)
    left = reduce(lambda kept, place: jsonc_edit.remove(kept, (*place, SERVER)), places(client, text), text)
    left = reduce(lambda kept, each: jsonc_edit.remove(kept, ("inputs", each["id"])), client.inputs, left)
    return reduce(jsonc_edit.prune, own_containers, left) if left != text else text


def _write(path: Path, content: bytes, mode: int) -> None:
    with written(path, mode=mode) as file:
        file.write(content)


@dataclass(frozen=True, slots=True)
class InstallOptions:
    """The options of `seedance-mcp install` as typed."""

    client: str | None
    url: str | None = None
    token_from_env: bool = False
    sign_in: bool = False
    sandbox: bool = False
    key_from_env: bool = False
    dry_run: bool = False
    undo: bool = False
    command: list[str] | None = None


def run(options: InstallOptions) -> None:
    """Show the change and make it; without a client, show where the server is installed.

    Raises:
        InvalidRequest: The options do not fit the client, or its file cannot be read, edited or written.
        NotConfigured: The key or a limit of this shell is missing or invalid.
    """
    if options.client is None:
        print(as_typed(_listing(options)))
        return
    client = BY_NAME[options.client]
    try:
        print(as_typed(_take_out(client, options) if options.undo else _put_in(client, options)))
    except OSError as error:
        raise InvalidRequest(f"{client.path()} cannot be changed ({error}).") from error


def _listing(options: InstallOptions) -> str:
    """List the clients, the file of each, and what our entry there starts.

    Raises:
        InvalidRequest: An option says that a change is wanted.
    """
    if options != InstallOptions(None):
        raise InvalidRequest(f"Which client? Allowed: {', '.join(BY_NAME)}.")
    files = {file.client.name: file for file in client_files()}
    lines = [f"{name:15} {_state(files.get(name) or ClientFile(client))}" for name, client in BY_NAME.items()]
    return "\n".join(
        [*lines, "To add or remove an entry: seedance-mcp install NAME [--sandbox | --url URL] [--dry-run] [--undo]"]
    )


def _state(file: ClientFile) -> str:
    """Say in a line what a client's file holds of ours, and nothing of others."""
    if file.fault:
        return f"{file.path}: {file.fault}"
    if file.entry is None:
        here = "here, not connected" if is_here(file.client) else "not found here"
        return f"{here}; its file: {file.path}"
    if file.address:
        return f"installed in {file.path}, connects to {file.address}"
    started = f"starts {sanitize(file.program)}" if file.program else "starts no program"
    sandbox = ", sandbox" if "SEEDANCE_SANDBOX" in file.variables({}) else ""
    return f"installed in {file.path}{sandbox}, {started}"


def _put_in(client: ClientApp, options: InstallOptions) -> str:
    if options.url is not None:
        return _connect(client, options.url, options)
    if options.token_from_env or options.sign_in:
        raise InvalidRequest("--token-from-env and --sign-in belong to --url, the address of a server over HTTP.")
    key = _key(client) if options.key_from_env else None
    variables, limits = _passed_on()
    entry = client.entry(_command(options), sandbox=options.sandbox, key=key, variables=variables)
    how = "none: the sandbox needs none" if options.sandbox else "in the file, mode 0600" if key else client.key_hint
    change = plan_install(client, entry, private=key is not None)
    shown = "none, and nothing is charged there" if options.sandbox and limits == _UNLIMITED else limits
    return _carried_out(client, change, [f"Limits: {shown}."], f"Key: {how}.", dry_run=options.dry_run)


def _carried_out(client: ClientApp, change: Change, more: list[str], access: str, *, dry_run: bool) -> str:
    """Make a planned change, and report it."""
    lines = [f"{client.title}: {change.path}", change.as_text(), *more]
    if dry_run:
        return "\n".join([*lines, "Nothing was written (--dry-run)."])
    if change.after != change.before and (copy := install(client, change)):
        lines.append(f"{_COPY}{copy}")
    lines += [access, f"Next: {client.reload_hint}", f"To undo: seedance-mcp install {client.name} --undo"]
    return "\n".join(lines)


def _connect(client: ClientApp, url: str, options: InstallOptions) -> str:
    """Add an entry that names a server over HTTP.

    Raises:
        InvalidRequest: An option belongs to a server that the client starts, or the address or the token cannot be used.
        NotConfigured: The token is not set.
    """
    if options.sandbox or options.key_from_env or options.command is not None:
        raise InvalidRequest(
            "--sandbox, --key-from-env and --command are for a server that the client starts; --url names one."
        )
    access: Access = "file" if options.token_from_env else "sign in" if options.sign_in else "reference"
    entry = remote.entry(client, url, access)
    change = plan_install(client, entry, private=access == "file")
    more = ["Key and limits: those of the server."]
    return _carried_out(client, change, more, f"Token: {remote.token_hint(client, access)}.", dry_run=options.dry_run)


def _passed_on() -> tuple[dict[str, str], str]:
    """Find limits, output folder and proxy of this shell: clients start servers with little more than HOME and PATH.

    Returns:
        The variables for the entry, with absolute paths, and a text about the limits among them.

    Raises:
        NotConfigured: One of these variables is invalid.
    """
    settings, problems = check_settings()
    if wrong := [each for each in problems if each.startswith(tuple(map(_variable, _PASSED_ON)))]:
        raise NotConfigured("; ".join(wrong))
    variables = {_variable(name): text for name in _PASSED_ON if (text := _plain(settings, name))}
    limits = ", ".join(f"{_variable(name)}={variables[_variable(name)]}" for name in settings.limits)
    return variables, f"{limits}, written into the entry" if limits else _UNLIMITED


def _variable(name: str) -> str:
    return f"SEEDANCE_{name.upper()}"


def _plain(settings: Settings, name: str) -> str:
    """Write a setting as text, empty if it is not set."""
    value = getattr(settings, name) if name in settings.model_fields_set else None
    if isinstance(value, SecretStr):
        return "" if "@" in value.get_secret_value() else value.get_secret_value()  # a password stays where it is
    return str(value.absolute()) if isinstance(value, Path) else "" if value is None else f"{value:f}"


def _take_out(client: ClientApp, options: InstallOptions) -> str:
    change = plan_undo(client)
    lines = [f"{client.title}: {change.path}", change.as_text(), *([change.note] if change.note else [])]
    if options.dry_run:
        return "\n".join([*lines, "Nothing was written (--dry-run)."])
    undo(change)
    return "\n".join(lines)


def _command(options: InstallOptions) -> list[str]:
    if options.command == []:
        raise InvalidRequest("--command needs the command that the client starts, or uvx.")
    if options.command == ["uvx"]:
        return uvx_command(sandbox=options.sandbox)
    return options.command or own_command(sandbox=options.sandbox)


def _key(client: ClientApp) -> str:
    """Give the key of this shell, for the only client that has no other way.

    Raises:
        InvalidRequest: The client gets the key without it being in the file.
        NotConfigured: No key is set.
    """
    if client.key_fields:
        raise InvalidRequest(f"{client.title} needs no key in its file: {client.key_hint}.")
    settings = load_settings()
    if settings.api_key is None:
        raise NotConfigured(f"{KEY} is not set in this shell: there is no key to write.")
    return settings.api_key.get_secret_value()
