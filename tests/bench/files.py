"""What each hostile file of tests/media/hostile.py costs: `python tests/bench/files.py` prints one line for each.

Each is read in a process of its own, whose memory and whose decoder's memory are told apart by the system.
"""

from __future__ import annotations

import resource
import subprocess
import sys
from importlib import import_module
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING

from seedance_mcp.media.probe import examine

if TYPE_CHECKING:
    from media.hostile import Hostile


def hostile_files() -> dict[str, Hostile]:
    """Give the files of the tests."""
    sys.path.append(str(Path(__file__).parent.parent / "media"))
    return import_module("hostile").HOSTILE


def main() -> None:
    """Measure one file, or have every file measured."""
    if len(sys.argv) == 1:
        for name in hostile_files():
            subprocess.run([sys.executable, __file__, name], check=True)
        return
    (name,) = sys.argv[1:]
    with hostile_files()[name].written() as file:
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        start = perf_counter()
        found = examine(file)
        seconds = perf_counter() - start
    own = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    child = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    said = f"{found.form.title}: {found.damage or 'whole'}" if found else "no media"
    print(f"{seconds:5.2f} s, {own / 1024:4.0f} MB more here, {child / 1024:4.0f} MB in the child; {name}: {said}")


if __name__ == "__main__":
    main()
