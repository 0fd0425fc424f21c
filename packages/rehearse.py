"""Install the built wheel as its users will, and make the demo's films from it; then as the image does, from its lock.

    python packages/rehearse.py

Both environments stay in `dist`; the second is the one that the SBOM describes.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

from uv import find_uv_bin

TOP = Path(__file__).parent.parent
DIST = TOP / "dist"
LOCK = TOP / "deploy" / "image.lock"
FILMS = 4


def main() -> None:
    """Run both installations; a step that fails ends it."""
    demo(empty(DIST / "empty"))
    image(empty(DIST / "image"))


def wheel() -> Path:
    """Give the wheel that was built; it ends where there are others too, since they would be published."""
    found = list((DIST / "release").glob("*.whl"))
    if len(found) != 1:
        raise SystemExit(f"{DIST / 'release'} holds {len(found)} wheels, not one: empty it and build again.")
    return found[0]


def empty(folder: Path) -> Path:
    """Make an environment with nothing in it; gives its Python."""
    run(find_uv_bin(), "venv", "--quiet", "--clear", "--python", sys.executable, str(folder))
    return folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


def demo(python: Path) -> None:
    """Install the wheel with what its demo needs, and let its own command make the films."""
    install(python, f"{wheel()}[sandbox]")
    films = DIST / "films"
    shutil.rmtree(films, ignore_errors=True)
    run(str(python.with_name("seedance-mcp")), "demo", "--output", str(films))
    made = len(list(films.glob("*.mp4")))
    if made != FILMS:
        raise SystemExit(f"{films} holds {made} films, not {FILMS}.")


def image(python: Path) -> None:
    """Install what the lock names, whose hashes must agree, and the wheel, which may bring nothing else."""
    install(python, "--require-hashes", "--no-build", "--requirements", str(LOCK))
    install(python, "--no-deps", "--offline", str(wheel()))
    run(find_uv_bin(), "pip", "check", "--quiet", "--python", str(python))
    run(str(python.with_name("seedance-mcp")), "--version")


def install(python: Path, *wanted: str) -> None:
    """Install into one environment."""
    run(find_uv_bin(), "pip", "install", "--quiet", "--python", str(python), *wanted)


def run(*command: str) -> None:
    """Run one step in a folder that holds nothing of the project."""
    subprocess.run(command, cwd=DIST, check=True)


if __name__ == "__main__":
    main()
