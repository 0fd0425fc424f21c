"""The bundle as its official tool sees it, and as a host starts it: with uv, and with questions left unanswered."""

from __future__ import annotations

import json
import subprocess
import zipfile
from pathlib import Path

import anyio
import pytest
from mcp import Client, StdioServerParameters
from workshop import closed_environment, install, node, node_modules, sandboxed, venv

from seedance_mcp.cli import bundle

MCPB, UV = "@anthropic-ai/mcpb@2.1.2", "uv==0.13.9"


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return bundle.build(str(tmp_path_factory.mktemp("bundle") / "seedance.mcpb"))


def mcpb(scratch: Path, *command: str | Path) -> str:
    program = node_modules(MCPB) / "@anthropic-ai" / "mcpb" / "dist" / "cli" / "cli.js"
    arguments = [str(part) for part in (node() / "bin" / "node", program, *command)]
    environment = closed_environment(scratch)
    ran = subprocess.run(arguments, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return ran.stdout + ran.stderr


def test_the_official_tool_accepts_unpacks_and_packs_it(built: Path, tmp_path: Path) -> None:
    folder, packed = tmp_path / "unpacked", tmp_path / "packed.mcpb"
    mcpb(tmp_path, "unpack", built, folder)
    assert "schema validation passes" in mcpb(tmp_path, "validate", folder / "manifest.json")
    mcpb(tmp_path, "pack", folder, packed)
    assert set(zipfile.ZipFile(packed).namelist()) == set(zipfile.ZipFile(built).namelist())
    assert "seedance" in mcpb(tmp_path, "info", built)


def test_its_command_makes_a_video_on_the_sandbox(built: Path, tmp_path: Path) -> None:
    folder, uv = tmp_path / "extension", venv(UV) / "uv"
    with zipfile.ZipFile(built) as archive:
        archive.extractall(folder)
    install(uv, "sync", "--directory", folder)
    manifest = json.loads((folder / "manifest.json").read_text("utf-8"))
    start = manifest["server"]["mcp_config"]
    assert start["command"] == "uv"
    defaults = {f"${{user_config.{name}}}": asked.get("default") for name, asked in manifest["user_config"].items()}
    unanswered = {name: value if defaults[value] is None else str(defaults[value]) for name, value in start["env"].items()}
    unanswered |= {"SEEDANCE_SANDBOX": "true", "SEEDANCE_DATA_DIR": sandboxed(tmp_path)["SEEDANCE_DATA_DIR"]}
    parameters = StdioServerParameters(
        command=str(uv),
        args=[argument.replace("${__dirname}", str(folder)) for argument in start["args"]],
        env=closed_environment(tmp_path, **unanswered, UV_NO_SYNC="1"),
    )

    async def make() -> None:
        async with Client(parameters) as client:
            request = {"model": "seedance2.0-fast-i2v", "prompt": "a fox in the snow", "duration": 1}
            made = await client.call_tool("create_video", {"request": request})
            assert made.structured_content
            done = await client.call_tool("wait_for_video", {"task_id": made.structured_content["task_id"]})
            assert done.structured_content
            assert done.structured_content["status"] == "completed"

    anyio.run(make)
