"""Says on what kind of disk a file lies: SQLite's locks do not hold over a network."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path, PurePath, PureWindowsPath

MOUNTS = Path("/proc/self/mounts")
"""What Linux says is mounted, one line for each."""
NETWORK = {
    *("nfs", "nfs4", "cifs", "smb3", "smbfs", "ncpfs", "afs", "ceph", "lustre", "glusterfs", "beegfs", "davfs"),
    *("afpfs", "webdav", "ftp"),
    *(f"fuse.{name}" for name in ("sshfs", "glusterfs", "s3fs", "rclone", "gcsfuse", "davfs2", "juicefs", "ceph", "mount.s3")),
}
"""Kinds on which the locks and the shared memory of SQLite's WAL mode do not reach other machines.

https://sqlite.org/wal.html, "All processes using a database must be on the same host computer"
"""
_OF_MACOS = re.compile(r".+? on (/.*) \((\w+)[,)]")


def network_kind(path: Path, system: str = sys.platform, command: str = "/sbin/mount") -> str | None:
    """Name the kind of the network disk that holds a path; `None` for a disk of this machine, or where that is not known.

    Args:
        path: The path; Windows gives a drive that stands for a share as that share.
        system: The system, as in `sys.platform`.
        command: The program that says on macOS what is mounted.
    """
    real = path.resolve()
    if system == "win32":
        return share_kind(str(real))
    return kind_at(real, read_macos(_asked(command)) if system == "darwin" else _mounted_on_linux())


def share_kind(path: str) -> str | None:
    r"""Say whether a path of Windows begins with another machine, such as `\\server\share`; `\\?\C:` is this one."""
    drive = PureWindowsPath(path).drive.upper()
    is_here = drive.startswith(("\\\\?\\", "\\\\.\\")) and not drive.startswith("\\\\?\\UNC\\")
    return "a Windows share" if drive.startswith("\\\\") and not is_here else None


def kind_at(path: PurePath, mounted: Iterator[tuple[PurePath, str]]) -> str | None:
    """Give the kind of the innermost place above a path, where that is one of a network."""
    below = [(len(point.parts), kind) for point, kind in mounted if path.is_relative_to(point)]
    kind = max(below, key=lambda each: each[0], default=(0, ""))[1]
    return kind if kind in NETWORK else None


def _mounted_on_linux() -> Iterator[tuple[PurePath, str]]:
    """Give each place and its kind; what was mounted last over the same place comes first."""
    text = MOUNTS.read_text("utf-8", "surrogateescape") if MOUNTS.exists() else ""
    for line in reversed(text.splitlines()):
        _, point, kind, *_ = line.split(" ")
        yield PurePath(re.sub(r"\\([0-7]{3})", lambda code: chr(int(code[1], 8)), point)), kind


def read_macos(text: str) -> Iterator[tuple[PurePath, str]]:
    """Read what `mount` prints on macOS: `//me@host/films on /Volumes/films (smbfs, nodev)`."""
    for line in reversed(text.splitlines()):
        if found := _OF_MACOS.match(line):
            yield PurePath(found[1]), found[2]


def _asked(command: str) -> str:
    """Ask macOS for what is mounted; nothing is known where it does not answer."""
    try:
        return subprocess.run([command], capture_output=True, timeout=10, check=True).stdout.decode("utf-8", "replace")  # noqa: S603 - a program of the system
    except (OSError, subprocess.SubprocessError):
        return ""
