"""Reads and writes the tables of named assets and of their references."""

from __future__ import annotations

from datetime import UTC, datetime

from seedance_mcp.money.records import AssetReference, NamedAsset
from seedance_mcp.money.sql_changes import Changing
from seedance_mcp.money.sql_queries import Reading
from seedance_mcp.money.stores.store import Row


def keep(ledger: Changing, asset: NamedAsset) -> None:
    """Keep a named asset; references of other bytes or of another URL go."""
    principal = ledger.read.principal
    same = (asset.source, asset.sha256)
    before = ledger.db.one("SELECT * FROM assets WHERE scope = ? AND name = ?", principal, asset.name)
    if before and same != (before["source"], before["sha256"]):
        ledger.db.run("DELETE FROM asset_references WHERE scope = ? AND name = ?", principal, asset.name)
    ledger.db.run("DELETE FROM assets WHERE scope = ? AND name = ?", principal, asset.name)
    ledger.db.run(
        "INSERT INTO assets (scope, name, kind, source, sha256, bytes, portrait, at) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        *(principal, asset.name, asset.kind, *same, asset.size_bytes, int(asset.portrait), asset.at.timestamp()),
    )


def assets(ledger: Reading) -> list[tuple[NamedAsset, list[AssetReference]]]:
    """Give the named assets, each with its references."""
    made = ledger.db.all("SELECT * FROM asset_references WHERE scope = ? ORDER BY route", ledger.principal)
    rows = ledger.db.all("SELECT * FROM assets WHERE scope = ? ORDER BY name", ledger.principal)
    references = [_reference(row) for row in made]
    return [(_asset(row), [each for each in references if each.name == row["name"]]) for row in rows]


def _asset(row: Row) -> NamedAsset:
    at = datetime.fromtimestamp(row["at"], UTC)
    return NamedAsset(row["name"], row["kind"], row["source"], row["sha256"], row["bytes"], bool(row["portrait"]), at)


def _reference(row: Row) -> AssetReference:
    expires_at = datetime.fromtimestamp(row["expires_at"], UTC) if row["expires_at"] else None
    return AssetReference(
        row["name"], row["route"], row["reference"], row["asset_id"], ready=bool(row["ready"]), expires_at=expires_at
    )


def remove(ledger: Changing, name: str) -> bool:
    """Forget a named asset and its references."""
    ledger.db.run("DELETE FROM asset_references WHERE scope = ? AND name = ?", ledger.read.principal, name)
    return ledger.db.run("DELETE FROM assets WHERE scope = ? AND name = ?", ledger.read.principal, name) > 0


def remember_reference(ledger: Changing, made: AssetReference) -> None:
    """Keep a reference of a named asset for a route."""
    principal = ledger.read.principal
    ledger.db.run("DELETE FROM asset_references WHERE scope = ? AND name = ? AND route = ?", principal, made.name, made.route)
    ledger.db.run(
        "INSERT INTO asset_references (scope, name, route, reference, asset_id, ready, expires_at)"
        " VALUES (?, ?, ?, ?, ?, ?, ?)",
        *(principal, made.name, made.route, made.reference, made.asset_id, int(made.ready)),
        made.expires_at.timestamp() if made.expires_at else None,
    )
