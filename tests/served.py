"""The server over HTTP as an operator runs it: by its command, on a port that nobody else is given."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any, Literal

import httpx
from deadline import LONGEST_SECONDS, running


@contextmanager
def held_port() -> Generator[int]:
    """A port of loopback that the system gives to nobody else meanwhile; who is told its number may listen on it."""
    with socket.socket() as holder:
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        holder.bind(("127.0.0.1", 0))
        yield holder.getsockname()[1]


@contextmanager
def served(
    port: int,
    environment: dict[str, str],
    transport: Literal["http", "sse"] = "http",
    seconds: float = LONGEST_SECONDS,
) -> Generator[tuple[str, subprocess.Popen[str]]]:
    """Serve until interrupted; gives the address and the process, and fails if it broke meanwhile."""
    command = [sys.executable, "-m", "seedance_mcp", "serve", "--transport", transport, "--port", str(port)]
    host, path = f"http://127.0.0.1:{port}", "/mcp" if transport == "http" else "/sse"
    options: dict[str, Any] = {"seconds": seconds, "stderr": subprocess.PIPE, "env": environment}
    with running(f"the server at {host}{path}", command, **options) as process:
        assert process.stderr
        assert process.stderr.readline() == f"seedance-mcp: {host}{path}\n"
        assert patient_get(f"{host}/healthz").status_code == 200
        yield f"{host}{path}", process
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate()
    assert "Traceback" not in errors, errors


def patient_get(address: str) -> httpx.Response:
    """Ask again while nobody listens there yet."""
    with httpx.Client(transport=httpx.HTTPTransport(retries=8), timeout=LONGEST_SECONDS, trust_env=False) as http:
        return http.get(address)
