"""Each program in `examples` runs as its first lines say, on the sandbox and without a key."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from deadline import ran
from served import held_port

EXAMPLES = Path(__file__).parent.parent / "examples"

pytestmark = pytest.mark.slow


def printed(name: str, *arguments: str) -> list[str]:
    """The lines that an example prints."""
    done = ran([sys.executable, str(EXAMPLES / f"{name}.py"), *arguments])
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def test_every_example_is_tested() -> None:
    names = {f'"{path.stem}"' for path in EXAMPLES.glob("*.py")}
    assert names
    assert all(name in Path(__file__).read_text("utf-8") for name in names)


def test_the_server_runs_embedded_in_a_program() -> None:
    models, estimate = printed("embed")
    assert "'seedance2.0-sp'" in models
    assert estimate == "0.25"


def test_the_official_client_makes_and_saves_a_video(tmp_path: Path) -> None:
    *progress, path = printed("client", str(tmp_path))
    assert any("completed 100 %" in line for line in progress)
    assert path == str(tmp_path / "rain.mp4")
    assert Path(path).read_bytes()[4:8] == b"ftyp"


def test_over_http_only_a_token_opens_the_server() -> None:
    with held_port() as port:
        assert printed("http_with_token", str(port)) == ["401", "0"]
