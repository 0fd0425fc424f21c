"""The public names as a type checker sees them; pyright checks this file, nothing runs it."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any, assert_type

import mcp.server
from pydantic import SecretStr

import seedance_mcp
from seedance_mcp import Settings, __version__, build_server

versions: list[str] = [__version__, seedance_mcp.__version__]

settings = Settings(sandbox=True, data_dir=Path("data"), max_cost_per_day=Decimal(20), api_key=SecretStr("sk_…"))
assert_type(settings, Settings)
assert_type(settings.sandbox, bool)
assert_type(settings.max_cost_per_day, Decimal | None)
assert_type(settings.api_key, SecretStr | None)
assert_type(settings.limits, dict[str, Decimal])
assert_type(settings.ledger_dir, Path)

server: mcp.server.Server[Any] = build_server(settings)
