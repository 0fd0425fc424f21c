"""Resolve anew what the image is made of, into `deploy/image.lock` and `deploy/build.lock`: versions with hashes.

    python packages/lock.py

The first holds the libraries of the image, the second the programs that build this project's wheel.
"""

from __future__ import annotations

import subprocess
import sys
import tomllib
from pathlib import Path

from uv import find_uv_bin

TOP = Path(__file__).parent.parent
IMAGE, BUILD = TOP / "deploy" / "image.lock", TOP / "deploy" / "build.lock"
EXTRAS = ("media", "notify", "otel", "postgres", "storage")
"""What the image brings beside the libraries that are always needed."""
PYTHON = "3.11"
"""The oldest that is supported; with `--universal` a file holds for each later one and each system, the image's among them."""


def main() -> None:
    """Write both files."""
    build: list[str] = tomllib.loads((TOP / "pyproject.toml").read_text("utf-8"))["build-system"]["requires"]
    lock(IMAGE, ["pyproject.toml", *(f"--extra={name}" for name in EXTRAS)])
    lock(BUILD, ["-"], "\n".join(build))


def lock(path: Path, wanted: list[str], text: str = "") -> None:
    """Write one file; its old content has no say in it.

    Args:
        path: The file.
        wanted: Where the requirements stand, for uv.
        text: The requirements themselves, for standard input.
    """
    path.unlink(missing_ok=True)
    options = ["--quiet", "--generate-hashes", "--no-annotate", "--universal", "--python-version", PYTHON]
    said = ["--output-file", str(path), "--custom-compile-command", "just lock"]
    command = [find_uv_bin(), "pip", "compile", *options, *said, *wanted]
    subprocess.run(command, cwd=TOP, input=text, text=True, check=True, stdout=sys.stderr)
    print(f"{path}: {path.read_text('utf-8').count('==')} packages")


if __name__ == "__main__":
    main()
