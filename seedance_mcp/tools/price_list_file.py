"""Keeps the provider's last price lists in the data folder, so that what changed since can be named."""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path
from typing import Any, cast

from seedance_mcp.money.price_lists import PriceList, Terms, earlier_than
from seedance_mcp.storage.whole_file import written

FILE = "price-list.json"
"""The kept lists, in the data folder."""


class PriceListFile:
    """The last two lists that differ, of one provider; every method may wait for the disk and raises nothing."""

    def __init__(self, folder: Path, provider: str) -> None:
        """Keep them in a folder; lists of another provider are forgotten."""
        self._path, self._provider = folder / FILE, provider

    def read(self) -> list[PriceList]:
        """Give the kept lists, the newest first; none where the file is not there or cannot be read."""
        try:
            content: Any = json.loads(self._path.read_bytes())
            return [_read_list(each) for each in content["lists"]] if content["provider"] == self._provider else []
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return []

    def keep(self, new: PriceList) -> None:
        """Keep a list in place of the same one read earlier, or before the one that it differs from."""
        if not new.rows:
            return
        earlier = earlier_than(new, self.read())
        lists = [{"read_at": each.read_at, "rows": dict(each.rows)} for each in (new, earlier) if each]
        with suppress(OSError), written(self._path) as file:
            file.write(json.dumps({"provider": self._provider, "lists": lists}, ensure_ascii=False).encode())


def _read_list(content: Any) -> PriceList:
    rows = cast("dict[str, list[str]]", content["rows"])
    return PriceList(str(content["read_at"]), {name: Terms(str(mode), str(price)) for name, (mode, price) in rows.items()})
