"""A TCP proxy on loopback that cuts a connection at a chosen statement, or right after the database did a COMMIT."""

from __future__ import annotations

import socket
import threading
from collections.abc import Generator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field


@dataclass
class Cutting:
    """Where to cut, once: at a statement that holds `mark`, or at the commit of its transaction, whose answer is lost."""

    port: int
    mark: bytes = b""
    at_commit: bool = False
    cuts: int = 0
    is_silent: bool = False
    """Swallows all that is sent to the database, and keeps the connections."""
    pairs: list[_Pair] = field(default_factory=list["_Pair"])

    def arm(self, mark: bytes, *, at_commit: bool) -> None:
        self.mark, self.at_commit = mark, at_commit

    def cut_all(self) -> None:
        """End every connection that is open now."""
        for pair in self.pairs:
            pair.end()

    def verdict(self, pair: _Pair, sent: bytes) -> str:
        """Say what becomes of what a client sends: it passes, is cut, or passes and its answer is cut."""
        pair.is_marked |= bool(self.mark) and self.mark in sent
        if not pair.is_marked or (self.at_commit and b"COMMIT" not in sent):
            return "pass"
        self.mark, pair.is_marked = b"", False
        self.cuts += 1
        return "cut answer" if self.at_commit else "cut"


@dataclass
class _Pair:
    """One connection: the client's side and the database's."""

    client: socket.socket
    database: socket.socket
    is_marked: bool = False
    loses_answer: bool = False

    def end(self) -> None:
        for each in (self.client, self.database):
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)

    def pump_up(self, cutting: Cutting) -> None:
        with suppress(OSError):
            while sent := self.client.recv(65536):
                if cutting.is_silent:
                    continue
                verdict = cutting.verdict(self, sent)
                self.loses_answer |= verdict == "cut answer"
                if verdict == "cut":
                    break
                self.database.sendall(sent)
        self.end()

    def pump_down(self) -> None:
        with suppress(OSError):
            while answered := self.database.recv(65536):
                if self.loses_answer:
                    break
                self.client.sendall(answered)
        self.end()


@contextmanager
def cutting_proxy(to: int) -> Generator[Cutting]:
    """Listen on a free port, and pass everything on to a port of loopback."""
    threads: list[threading.Thread] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:
        cutting = Cutting(listener.getsockname()[1])

        def accept() -> None:
            with suppress(OSError):
                while True:
                    client, _ = listener.accept()
                    try:
                        pair = _Pair(client, socket.create_connection(("127.0.0.1", to)))
                    except ConnectionRefusedError:  # the database is stopped, and will be back
                        client.close()
                        continue
                    cutting.pairs.append(pair)
                    pumps: list[threading.Thread] = [
                        threading.Thread(target=pair.pump_up, args=(cutting,)),
                        threading.Thread(target=pair.pump_down),
                    ]
                    for pump in pumps:
                        pump.start()
                    threads.extend(pumps)

        door = threading.Thread(target=accept)
        door.start()
        yield cutting
        listener.shutdown(socket.SHUT_RDWR)
        door.join()
        cutting.cut_all()
        for thread in threads:
            thread.join()
        for pair in cutting.pairs:
            pair.client.close()
            pair.database.close()
