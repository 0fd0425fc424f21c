"""Finds variables of the environment that are meant for this server and have no effect."""

from __future__ import annotations

import os
from collections.abc import Mapping

from seedance_mcp.settings import NEVER_SKIPPED, Settings, is_placeholder

_KNOWN = {
    **{f"SEEDANCE_{name.upper()}": name for name in Settings.model_fields},
    "JIMMYAI_API_KEY": "api_key",
    "JIMMYAI_BASE_URL": "base_url",
}
_ALIKE = 0.75
"""How much the beginning of a name is like ours, of 1, to be taken for a misspelt one."""
_NAMED, _NAME_CHARS = 8, 60
CALLER_TOKEN = "SEEDANCE_TOKEN"  # noqa: S105 - a variable's name
"""A client's variable, not the server's: its token for a server over HTTP, which `install --url` has the entry refer to."""


def ignored_variables(environment: Mapping[str, str] | None = None) -> list[str]:
    """Say which variables of the environment are meant for this server and have no effect, never their values."""
    given = os.environ if environment is None else environment
    told = [text for name in sorted(given) if (text := _ignored(name, given[name]))]
    more = [f"{len(told) - _NAMED} more variables have no effect"] if len(told) > _NAMED else []
    return told[:_NAMED] + more


def _ignored(name: str, value: str) -> str:
    """Say why a variable has no effect; empty for one that has, and for one of another program."""
    upper = name.upper()
    if upper == CALLER_TOKEN:
        return ""
    if upper in _KNOWN:
        skipped = _KNOWN[upper] not in {*NEVER_SKIPPED, "api_key"} and is_placeholder(value)
        return f"{name}: a placeholder that was not filled in, so it counts as not set" if skipped else ""
    prefix = upper.partition("_")[0]
    if not upper.startswith(("SEEDANCE", "JIMMYAI_")) and not ("_" in upper and _is_misspelt(prefix)):
        return ""
    import difflib  # noqa: PLC0415 - few have a name that is near to one of ours

    near = difflib.get_close_matches(upper, _KNOWN, n=1)
    shown = "".join(letter for letter in name if letter.isprintable())[:_NAME_CHARS]
    return f"{shown}: unknown variable, it has no effect" + (f"; did you mean {near[0]}?" if near else "")


def _is_misspelt(prefix: str) -> bool:
    """Whether the beginning of a name is nearly one of ours; `instant.opening` leaves such names to a full start."""
    if not prefix.startswith(("SEED", "SEAD", "SEDA", "SEDE", "SIED", "JIMM")):
        return False
    import difflib  # noqa: PLC0415 - few have a name that is near to one of ours

    return any(difflib.SequenceMatcher(None, prefix, ours).ratio() >= _ALIKE for ours in ("SEEDANCE", "JIMMYAI"))
