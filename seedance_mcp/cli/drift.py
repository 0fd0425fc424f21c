"""`seedance-mcp models --drift` compares the provider's price list with the edition and with the list kept before."""

from __future__ import annotations

from seedance_mcp.catalogue.edition import Edition, load_edition
from seedance_mcp.errors import SeedanceError
from seedance_mcp.money.price_lists import Change, PriceList, changes, earlier_than, read_names
from seedance_mcp.server.handlers import open_shared
from seedance_mcp.server.markdown import table
from seedance_mcp.settings import Settings
from seedance_mcp.tools.session import Connect, Shared, connect_to_provider, kept_price_lists
from seedance_mcp.untrusted import sanitize


async def report(settings: Settings, connect: Connect = connect_to_provider) -> str:
    """Ask for the price list, which is free, keep it, and give what changed; a list that fails is no evidence.

    Args:
        settings: The operator's settings.
        connect: Makes the provider's client from the settings.
    """
    async with open_shared(Shared(settings, connect)) as shared:
        try:
            rows = await shared.client.list_prices()
        except SeedanceError as error:
            return f"The price list could not be read, which is no evidence of any change. {error.message}"
        kept, edition = kept_price_lists(settings), load_edition(shared.edition.name)
        new = read_names(rows, f"{shared.now().isoformat(timespec='seconds')}")
        earlier = earlier_than(new, kept.read())
        kept.keep(new)
    return _as_text(edition, new, earlier)


def _as_text(edition: Edition, new: PriceList, earlier: PriceList | None) -> str:
    if not new.rows:
        return f"The price list read at {new.read_at} names no Seedance video, which is no evidence of any change."
    against = f" and with the list before, last read at {earlier.read_at}" if earlier else ""
    head = f"Read at {new.read_at}: {len(new.rows)} Seedance names, compared with the edition {edition.name}{against}."
    found = changes(edition, new, earlier)
    return f"{head}\n{_table(found)}\nThe list has no limits: none is learnt from it." if found else f"{head} Nothing changed."


def _table(found: list[Change]) -> str:
    rows = [tuple(sanitize(cell).replace("|", "/") for cell in (each.kind, each.name, each.fact)) for each in found]
    return table(("Change", "Name", "What"), rows)
