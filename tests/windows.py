"""As much of Windows as this system can play: run as a program, it is the command `seedance-mcp` as if it ran there.

The package sees `os`, `sys`, `signal` and `subprocess` without what Windows lacks, and can import no module of POSIX; no file
that is open is replaced or removed; a name that Windows does not take is refused; event loops know no signals; a text file that
is opened without its encoding ends the program. The libraries below, and SQLite, stay as they are here.
"""

from __future__ import annotations

import asyncio
import builtins
import errno
import fcntl
import importlib
import inspect
import os
import re
import signal
import subprocess
import sys
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

PACKAGE = "seedance_mcp"
POSIX_MODULES = {"fcntl", "grp", "posix", "pty", "pwd", "readline", "resource", "syslog", "termios", "tty"}
KNOWN = {*POSIX_MODULES, "os", "signal", "subprocess", "sys"}
"""The modules that the package sees otherwise. Libraries see them as they are: they ask for the system as a whole."""
NOT_IN_OS = {
    *("O_NOFOLLOW", "O_DIRECTORY", "O_NONBLOCK", "O_CLOEXEC", "O_SYNC", "O_DSYNC", "O_NOCTTY", "O_PATH", "O_TMPFILE"),
    *("fork", "forkpty", "getuid", "geteuid", "getgid", "getegid", "getgroups", "setsid", "killpg", "getpgid", "getpgrp"),
    *("mkfifo", "mknod", "chown", "fchown", "lchown", "fchmod", "nice", "sysconf", "statvfs", "fstatvfs", "uname", "WNOHANG"),
    *("openpty", "pread", "pwrite", "sendfile", "posix_fadvise", "sched_getaffinity", "getloadavg", "memfd_create", "pipe2"),
}
NOT_IN_SIGNAL = {
    *("SIGHUP", "SIGKILL", "SIGALRM", "SIGUSR1", "SIGUSR2", "SIGPIPE", "SIGQUIT", "SIGCHLD", "SIGCONT", "SIGSTOP", "SIGTSTP"),
    *("alarm", "setitimer", "pthread_kill", "pthread_sigmask", "sigwait", "pause", "siginterrupt"),
}
NO_NAME = re.compile(r'[<>:"|?*\x00-\x1f]|[ .]$|^(con|prn|aux|nul|(com|lpt)\d)(\.|$)', re.IGNORECASE)
"""The names that no file can have on Windows."""
CREATE_NO_WINDOW = 0x0800_0000


class Seen(ModuleType):
    """A module as the package sees it on Windows."""

    def __init__(self, real: ModuleType, lacks: set[str], has: Mapping[str, Any]) -> None:
        super().__init__(real.__name__)
        self.__dict__["_seen"] = real, lacks, has

    def __getattr__(self, name: str) -> Any:
        real, lacks, has = self.__dict__["_seen"]
        if name in lacks:
            raise AttributeError(f"Windows has no {real.__name__}.{name}")
        return has[name] if name in has else getattr(real, name)


class Locks(ModuleType):
    """The part of `msvcrt` that the package needs."""

    LK_NBLCK = 2

    def locking(self, descriptor: int, mode: int, size_bytes: int) -> None:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)

    def setmode(self, descriptor: int, flags: int) -> int:
        assert flags == os.O_RDONLY
        return os.fstat(descriptor).st_mode


def is_open(path: Any, dir_fd: int | None = None) -> bool:
    """Whether this process has a file open, as Windows would have to refuse it."""
    try:
        wanted = os.stat(path, dir_fd=dir_fd, follow_symlinks=False)
    except FileNotFoundError:
        return False
    return any(os.path.samestat(wanted, each.stat()) for each in Path("/proc/self/fd").iterdir() if each.exists())


def asks() -> str:
    """Name the module that calls the function which calls this one; `tempfile` removes what it opens, here and not there."""
    frame = inspect.currentframe()
    caller = frame and frame.f_back and frame.f_back.f_back
    return str(caller.f_globals.get("__name__")) if caller else ""


def refusing(change: Callable[..., Any]) -> Callable[..., Any]:
    """Let a function of `os` change no file that is open, nor replace one."""

    def changed(path: Any, *more: Any, **options: Any) -> Any:
        places = [path, *(each for each in more if isinstance(each, str | Path))]
        if asks() != "tempfile" and any(is_open(each, options.get("dir_fd")) for each in places):
            raise PermissionError(errno.EACCES, "The process cannot access the file because it is being used", str(path))
        return change(path, *more, **options)

    return changed


def opened(path: Any, flags: int, mode: int = 0o777, *, dir_fd: int | None = None) -> int:
    """Open a file as `os.open` does there: no folder, none in an open folder, and none of a name that is none."""
    assert dir_fd is None
    if NO_NAME.search(Path(path).name):
        raise OSError(errno.EINVAL, "The filename, directory name, or volume label syntax is incorrect", str(path))
    if Path(path).is_dir():
        raise PermissionError(errno.EACCES, "Permission denied", str(path))
    return os.open(path, flags, mode)


class Popen(subprocess.Popen[Any]):
    """A child without a window."""

    def __init__(self, *arguments: Any, creationflags: int = 0, start_new_session: bool = False, **options: Any) -> None:
        assert creationflags == CREATE_NO_WINDOW
        assert not start_new_session
        super().__init__(*arguments, **options)


def no_signals(*_: object) -> None:
    raise NotImplementedError


def killed(*_: object) -> None:
    raise AssertionError("os.kill ends a process on Windows, whatever the signal")


def seen_by_us(name: str, seen: Mapping[str, ModuleType]) -> ModuleType:
    """Give a module as the package sees it; one that Windows lacks cannot be imported."""
    if name in POSIX_MODULES:
        raise ModuleNotFoundError(f"Windows has no {name}", name=name)
    return seen[name]


def become() -> None:
    """Make this process see Windows from now on."""
    for name in ("replace", "rename", "unlink", "remove"):
        setattr(os, name, refusing(getattr(os, name)))
    sys.modules["msvcrt"] = Locks("msvcrt")
    setattr(asyncio.SelectorEventLoop, "add_signal_handler", no_signals)  # noqa: B010 - it is another function
    files = {"name": "nt", "open": opened, "kill": killed, "supports_dir_fd": set[Any](), "O_BINARY": 0}
    seen = {
        "os": Seen(os, NOT_IN_OS, files),
        "sys": Seen(sys, set(), {"platform": "win32"}),
        "signal": Seen(signal, NOT_IN_SIGNAL, {}),
        "subprocess": Seen(subprocess, set(), {"Popen": Popen}),
    }
    real, by_name = builtins.__import__, importlib.import_module

    def imported(name: str, *more: Any, **named: Any) -> Any:
        given: dict[str, Any] = {**dict(zip(("globals", "locals", "fromlist", "level"), more, strict=False)), **named}
        around: dict[str, Any] = given.get("globals") or {}
        is_ours = not given.get("level") and str(around.get("__name__", "")).startswith(PACKAGE)
        return seen_by_us(name, seen) if is_ours and name in KNOWN else real(name, *more, **named)

    def imported_by_name(name: str, package: str | None = None) -> ModuleType:
        is_ours = asks().startswith(PACKAGE)
        return seen_by_us(name, seen) if is_ours and name in KNOWN else by_name(name, package)

    builtins.__import__, importlib.import_module = imported, imported_by_name
    warnings.filterwarnings("error", category=EncodingWarning, module=rf"{PACKAGE}\b")


if __name__ == "__main__":
    become()
    from seedance_mcp.__main__ import main

    sys.exit(main())
