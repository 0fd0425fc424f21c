"""Entries that name a server over HTTP, and the ways in which a client's token gets there without being in the file."""

from __future__ import annotations

import os
from typing import Literal
from urllib.parse import SplitResult, urlsplit

from seedance_mcp.cli.mcp_clients import TOKEN, ClientApp, ServerEntry
from seedance_mcp.errors import InvalidRequest, NotConfigured
from seedance_mcp.settings import is_loopback_host
from seedance_mcp.untrusted import sanitize

Access = Literal["reference", "file", "sign in"]
"""The token is referred to, stands in the file, or is none: the user signs in by OAuth."""


def entry(client: ClientApp, url: str, access: Access) -> ServerEntry:
    """Make the entry for a server at an address.

    Raises:
        InvalidRequest: The client's file takes no address, the address is none, or the token needs no place in the file.
        NotConfigured: The token is to be written and is not set in this shell.
    """
    if not client.url_field:
        raise InvalidRequest(
            f"{client.title} takes no address in its file: add a server that it reaches over https under Settings, Connectors."
        )
    _check(url)
    token = _token(client) if access == "file" else None
    return client.remote_entry(url, token=token, signs_in=access == "sign in")


def token_hint(client: ClientApp, access: Access) -> str:
    """Say how the token gets to the server."""
    if access == "file":
        return "in the file, mode 0600"
    if access == "sign in":
        return "none: the client lets you sign in"
    if client.token_input:
        return f"{client.title} asks for it at the first start and keeps it in the system's key store"
    if client.token_fields:
        return f"set {TOKEN} where the client is started; the file holds only its name"
    return (
        f"none in the entry: {client.title} expands no variables there. Where the server has an OAuth issuer the client "
        f"lets you sign in; else let --token-from-env write {TOKEN} into the file, mode 0600"
    )


def _check(url: str) -> None:
    """Refuse an address that is none, that holds a secret, or that would send the token in the clear.

    Raises:
        InvalidRequest: It is one of these; nothing of a password or a query is repeated.
    """
    parts = _split(url)
    if parts is None or parts.username is not None or parts.query or parts.fragment:
        raise InvalidRequest(
            f"--url was {_shown(url)}; allowed: http or https, a host and the path, such as https://video.example.com/mcp, "
            "without name, password or query, because files keep no secrets. Nothing was changed."
        )
    if parts.scheme == "http" and not is_loopback_host(parts.hostname or ""):
        raise InvalidRequest(
            f"--url was {_shown(url)}; allowed off this machine: https, because everybody on the way reads a token sent over "
            "http. Nothing was changed."
        )


def _split(url: str) -> SplitResult | None:
    try:
        parts = urlsplit(url)
    except ValueError:
        return None
    return parts if parts.scheme in {"http", "https"} and parts.hostname else None


def _shown(url: str) -> str:
    return sanitize(url.partition("?")[0].partition("#")[0].rpartition("@")[2])


def _token(client: ClientApp) -> str:
    """Give the token of this shell, for a client that has no other way."""
    if client.token_fields:
        raise InvalidRequest(f"{client.title} needs no token in its file: {token_hint(client, 'reference')}.")
    if token := os.environ.get(TOKEN, ""):
        return token
    raise NotConfigured(f"{TOKEN} is not set in this shell: there is no token to write. Nothing was changed.")
