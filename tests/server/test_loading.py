"""What a session does not ask for is not loaded: the first call comes sooner, and a session takes less memory."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from deadline import ran

pytestmark = pytest.mark.slow

OPENING: list[dict[str, Any]] = [
    {
        "jsonrpc": "2.0",
        "id": 1,
        "method": "initialize",
        "params": {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "test", "version": "1"}},
    },
    {"jsonrpc": "2.0", "method": "notifications/initialized"},
]
PROGRAM = """
import gc, sys
from seedance_mcp.__main__ import main
main()
print(gc.isenabled(), gc.get_freeze_count() > 10_000, *sys.modules, file=sys.stderr)
"""
ONLY_WHEN_ASKED = {
    "difflib",
    *(f"seedance_mcp.{name}" for name in ("server.prompts", "server.resources", "server.http", "server.oauth")),
}
FILES = {f"seedance_mcp.{name}" for name in ("tools.uploads", "tools.downloads", "media.local_files", "storage.local_disk")}


def loaded_after(tmp_path: Path, method: str, **params: Any) -> list[str]:
    """Whether garbage is collected, whether the modules are spared, and every module of a server that answered one request."""
    messages = [*OPENING, {"jsonrpc": "2.0", "id": 2, "method": method, "params": params}]
    environment = {**os.environ, "HOME": str(tmp_path), "SEEDANCE_API_KEY": "sk_1", "SEEDANCE_BASE_URL": "http://127.0.0.1:9"}
    pipes: dict[str, Any] = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
    with subprocess.Popen([sys.executable, "-c", PROGRAM], env=environment, text=True, encoding="utf-8", **pipes) as server:
        assert server.stdin
        assert server.stdout
        server.stdin.write("".join(f"{json.dumps(message)}\n" for message in messages))
        server.stdin.flush()
        answer = next(message for message in map(json.loads, server.stdout) if message.get("id") == 2)
        _, errors = server.communicate(timeout=120)
    assert "result" in answer
    return errors.splitlines()[-1].split()


@pytest.mark.parametrize(
    ("tool", "arguments", "also"),
    [
        ("list_tasks", {}, {"httpx"}),
        ("create_video", {"request": {"model": "seedance2.0-md", "prompt": "a fox"}, "dry_run": True}, set[str]()),
        ("list_models", {"route": "md"}, set[str]()),
    ],
)
def test_a_first_call_loads_neither_prompts_nor_files_nor_http(
    tmp_path: Path, tool: str, arguments: dict[str, Any], also: set[str]
) -> None:
    collecting, spared, *modules = loaded_after(tmp_path, "tools/call", name=tool, arguments=arguments)
    assert (collecting, spared) == ("True", "True")
    assert set(modules) & (ONLY_WHEN_ASKED | FILES | also) == set()


def test_prompts_and_resources_load_when_they_are_asked_for(tmp_path: Path) -> None:
    assert "seedance_mcp.server.prompts" in loaded_after(
        tmp_path, "prompts/get", name="text_to_video", arguments={"idea": "a fox"}
    )
    assert "seedance_mcp.server.resources" in loaded_after(tmp_path, "resources/read", uri="seedance://limits")


SERVED = """
import sys
from seedance_mcp.cli import main
from seedance_mcp.server.http import build_http_app
from seedance_mcp.settings import Settings
from seedance_mcp.tools.session import Shared
settings = Settings(database_url="postgresql://127.0.0.1:9/ledger")
build_http_app(settings, "http", "127.0.0.1")
Shared(settings).ledger
print(*sys.modules)
"""


def test_a_served_server_loads_neither_what_verifies_oauth_tokens_nor_another_engine(tmp_path: Path) -> None:
    loaded = set(ran([sys.executable, "-c", SERVED], env={**os.environ, "HOME": str(tmp_path)}).stdout.split())
    assert "seedance_mcp.server.http" in loaded
    assert loaded & {"jwt", "seedance_mcp.server.oauth", "seedance_mcp.money.stores.sqlite"} == set()
