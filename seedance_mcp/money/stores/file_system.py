"""Says on what kind of disk a file lies: SQLite's locks do not hold over a network."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

MOUNTS = Path("/proc/self/mounts")
"""What Linux says is mounted, one line for each; other systems have no such file."""
NETWORK = {
    *("nfs", "nfs4", "cifs", "smb3", "smbfs", "ncpfs", "afs", "ceph", "lustre", "glusterfs", "beegfs", "davfs"),
    *(f"fuse.{name}" for name in ("sshfs", "glusterfs", "s3fs", "rclone", "gcsfuse", "davfs2", "juicefs", "ceph", "mount.s3")),
}
"""Kinds on which the locks and the shared memory of SQLite's WAL mode do not reach other machines.

https://sqlite.org/wal.html, "All processes using a database must be on the same host computer"
"""


def network_kind(path: Path) -> str | None:
    """Name the kind of the network disk that holds a path; `None` for a disk of this machine, or where that is not known."""
    real = path.resolve()
    below = [(len(point.parts), kind) for point, kind in _mounted() if real.is_relative_to(point)]
    kind = max(below, key=lambda each: each[0], default=(0, ""))[1]
    return kind if kind in NETWORK else None


def _mounted() -> Iterator[tuple[Path, str]]:
    """Give each place and its kind; what was mounted last over the same place comes first."""
    text = MOUNTS.read_text("utf-8", "surrogateescape") if MOUNTS.exists() else ""
    for line in reversed(text.splitlines()):
        _, point, kind, *_ = line.split(" ")
        yield Path(re.sub(r"\\([0-7]{3})", lambda code: chr(int(code[1], 8)), point)), kind
