"""The folders in which clients keep their configuration, on each system."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path

THIS_SYSTEM = sys.platform


def folders(platform: str = THIS_SYSTEM, environment: Mapping[str, str] = os.environ) -> dict[str, str]:
    """Give the folders that the table of clients names, by the name in `{…}`.

    Args:
        platform: The system, as in `sys.platform`.
        environment: The variables that move some of the folders.
    """
    home = environment.get("USERPROFILE" if platform == "win32" else "HOME") or str(Path.home())
    dots = f"{home}/.config"
    xdg = environment.get("XDG_CONFIG_HOME") or dots
    roaming = environment.get("APPDATA") or f"{home}/AppData/Roaming"
    config = {"darwin": f"{home}/Library/Application Support", "win32": roaming}.get(platform, xdg)
    cline = environment.get("CLINE_DATA_DIR") or f"{environment.get('CLINE_DIR') or f'{home}/.cline'}/data"
    return {
        "home": home,
        "config": config,
        "xdg": xdg,
        "zed": f"{roaming}/Zed" if platform == "win32" else f"{home}/.config/zed" if platform == "darwin" else f"{xdg}/zed",
        "claude": environment.get("CLAUDE_CONFIG_DIR") or home,
        "goose": f"{roaming}/Block/goose/config" if platform == "win32" else f"{xdg if platform == 'linux' else dots}/goose",
        "codex": environment.get("CODEX_HOME") or f"{home}/.codex",
        "copilot": environment.get("COPILOT_HOME") or f"{home}/.copilot",
        "devin": f"{roaming}/devin" if platform == "win32" else f"{xdg}/devin",
        "cline": environment.get("CLINE_MCP_SETTINGS_PATH") or f"{cline}/settings/cline_mcp_settings.json",
    }
