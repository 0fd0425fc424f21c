"""Where this installation came from, so that advice installs from there.

The package index may give its name to a stranger as long as the package is not published: no advice fetches it by its name.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Sequence
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

PACKAGE = "seedance-mcp"
PUBLISHED = False
"""Whether the name on the package index is ours; set when the first version is there."""
_EXTRA = re.compile(r"""\s*;\s*extra\s*==\s*['"](\w+)['"]$""")


def requirement(extra: str = "", recorded: str | None = None, *, published: bool = PUBLISHED) -> str | None:
    """Give the requirement that makes an installer take this package from where it came from.

    Args:
        extra: An extra of the package.
        recorded: The installer's record of the origin, `direct_url.json`; by default that of this installation.
        published: Whether the package may be fetched by its name.

    Returns:
        A folder, or the name with the address of an archive or a repository; `None` if no origin is known.
    """
    recorded = _record() if recorded is None else recorded
    if found := _direct(json.loads(recorded), extra) if recorded else None:
        return found
    return f"{_with(PACKAGE, extra)}=={metadata.version(PACKAGE)}" if published else None


def install_command(extra: str, recorded: str | None = None) -> str:
    """Give the command that adds an extra to this installation.

    Without a known origin it names the libraries of the extra, which are other packages.
    """
    wanted = [found] if (found := requirement(extra, recorded)) else requirements(extra)
    python = sys.executable
    installer = [python, "-m", "pip", "install"] if find_spec("pip") else ["uv", "pip", "install", "--python", python]
    return typed_line([*installer, *wanted])


def typed_line(words: Sequence[str], system: str = os.name) -> str:
    """Write a command so that it can be typed: quoted as a POSIX shell wants it, or as the prompt of Windows does.

    Args:
        words: The program and its arguments.
        system: The system, as in `os.name`.
    """
    return subprocess.list2cmdline(words) if system == "nt" else shlex.join(words)


def program(name: str, system: str = os.name) -> str:
    """Give the file name of a program on a system, named as in `os.name`."""
    return f"{name}.exe" if system == "nt" else name


def advice(extra: str, *, remote: bool) -> str:
    """Say how to add an extra; a remote caller learns nothing of the server's folders."""
    done = "seedance-mcp doctor on the server, which says how" if remote else install_command(extra)
    return f"the operator should run {done}{f' to add the extra {extra}' * remote}."


def requirements(*extras: str | None) -> list[str]:
    """List the other packages that extras need, and with `None` those that are always needed."""
    return [_EXTRA.sub("", each) for each in metadata.requires(PACKAGE) or [] if _extra(each) in extras]


def _extra(requirement: str) -> str | None:
    """Give the extra that a requirement belongs to, `None` for one that is always installed."""
    found = _EXTRA.search(requirement)
    return found[1] if found else None


def _record() -> str:
    return metadata.distribution(PACKAGE).read_text("direct_url.json") or ""


def _direct(record: dict[str, Any], extra: str) -> str | None:
    """Read the record of the origin; `None` for a file or folder that is there no more."""
    url: str = record["url"]
    if urlsplit(url).scheme == "file" and not Path(folder_of(url)).exists():
        return None
    if "dir_info" in record:
        return _with(folder_of(url), extra)
    kind: dict[str, str] = record.get("vcs_info", {})
    revision = f"@{kind['commit_id']}" if kind else ""
    return f"{_with(PACKAGE, extra)} @ {kind['vcs'] + '+' if kind else ''}{url}{revision}"


def folder_of(url: str, system: str = os.name) -> str:
    """Give the path that a `file://` URL means on a system, named as in `os.name`: a drive stands behind a slash in it."""
    path = unquote(urlsplit(url).path)
    return path.removeprefix("/") if system == "nt" and path[2:3] == ":" else path


def _with(name: str, extra: str) -> str:
    return f"{name}[{extra}]" if extra else name
