"""Each program in `examples` runs as its first lines say, on the sandbox and without a key."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parent.parent / "examples"
DEADLINE_SECONDS = 120.0

pytestmark = pytest.mark.slow


def run(name: str, *arguments: str | Path) -> list[str]:
    """The lines that an example prints."""
    command = [sys.executable, EXAMPLES / f"{name}.py", *arguments]
    done = subprocess.run(
        command, capture_output=True, encoding="utf-8", check=False, timeout=DEADLINE_SECONDS, env=dict(os.environ)
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def test_every_example_is_tested() -> None:
    names = {f'"{path.stem}"' for path in EXAMPLES.glob("*.py")}
    assert names
    assert all(name in Path(__file__).read_text("utf-8") for name in names)


def test_the_server_runs_embedded_in_a_program() -> None:
    models, estimate = run("embed")
    assert "'seedance2.0-sp'" in models
    assert estimate == "0.25"


def test_the_official_client_makes_and_saves_a_video(tmp_path: Path) -> None:
    *progress, path = run("client", tmp_path)
    assert any("completed 100 %" in line for line in progress)
    assert path == str(tmp_path / "rain.mp4")
    assert Path(path).read_bytes()[4:8] == b"ftyp"


def test_over_http_only_a_token_opens_the_server() -> None:
    with socket.socket() as held:  # nobody else is given this port meanwhile, and the server may still listen on it
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        held.bind(("127.0.0.1", 0))
        assert run("http_with_token", str(held.getsockname()[1])) == ["401", "0"]
