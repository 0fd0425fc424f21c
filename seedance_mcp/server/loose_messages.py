"""Mends messages that some clients send and the protocol does not allow, before the SDK refuses them without a word."""

from __future__ import annotations

import json
from typing import Any, cast

import mcp_types as types

_CLIENT = "io.modelcontextprotocol/clientInfo"
_Object = dict[str, Any]


def mended(message: types.JSONRPCMessage) -> types.JSONRPCMessage:
    """Give a message with its client's version filled in, its arguments as an object, and no progress token that is null."""
    if not isinstance(message, types.JSONRPCRequest) or not message.params:
        return message
    params = {**message.params}
    if "clientInfo" in params:
        params["clientInfo"] = _versioned(params["clientInfo"])
    if message.method == "tools/call" and isinstance(params.get("arguments"), str):
        params["arguments"] = _read(params["arguments"])
    if "_meta" in params:
        params["_meta"] = _meta(params["_meta"])
    return message if params == message.params else message.model_copy(update={"params": params})


def _versioned(client: Any) -> Any:
    if not isinstance(client, dict):
        return client
    named = cast("_Object", client)
    return named if named.get("version") is not None else {**named, "version": ""}


def _read(written: str) -> _Object:
    """Read arguments that came as text; what is no object stays under a name that the tool refuses with a message."""
    try:
        found = json.loads(written or "{}")
    except (ValueError, RecursionError):
        found = None
    return cast("_Object", found) if isinstance(found, dict) else {"arguments": written}


def _meta(meta: Any) -> Any:
    if not isinstance(meta, dict):
        return meta or {}
    given = cast("_Object", meta)
    kept = {name: value for name, value in given.items() if name != "progressToken" or value is not None}
    return {**kept, _CLIENT: _versioned(kept[_CLIENT])} if _CLIENT in kept else kept
