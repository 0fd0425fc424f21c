"""The gallery from the disk in a real browser: both themes, the keyboard, the filters, and videos that play."""

from __future__ import annotations

from contextlib import aclosing
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import anyio
from driver import drive

from seedance_mcp.catalogue.edition import load_edition
from seedance_mcp.money.ledger import Ledger, open_ledger
from seedance_mcp.money.records import NewRequest, Saved
from seedance_mcp.sandbox.film import render
from seedance_mcp.sandbox.order import order_of
from seedance_mcp.settings import Settings
from seedance_mcp.storage.local_disk import LocalDisk
from seedance_mcp.task import ProviderTask, Status
from seedance_mcp.tools.gallery import Gallery

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
FOX: dict[str, Any] = {"model": "seedance2.0-mini", "prompt": "A fox trots through snow", "duration": 4, "resolution": "480p"}
HOSTILE: dict[str, Any] = {
    **FOX,
    "model": "seedance2.0-sp",
    "prompt": '"><img src=x onerror=hacked=1><script>hacked=1</script> ' * 3,
}


async def made(
    ledger: Ledger, request: NewRequest, status: Status = "completed", film: bytes = b"", folder: Path | None = None
) -> None:
    await ledger.reserve(request, window_seconds=0, admit=lambda _: None)
    cost = Decimal("0.08") if status == "completed" else None
    await ledger.observe(request.request_id, ProviderTask(f"vid_{request.fingerprint}", status, progress=42, cost=cost))
    if folder:
        part = LocalDisk(folder).new(f"{request.fingerprint} #1 ü%20?", "")
        part.write(film)
        stored = part.commit()
        await ledger.save(request.request_id, Saved(stored.uri, stored.size_bytes, stored.sha256))


async def gallery(root: Path) -> Path:
    """Three saved videos, two of them takes of one prompt, one that is not saved, one that runs, and one that failed."""
    settings = Settings(data_dir=root / "data", output_dir=root / "my videos")
    edition, price, there = load_edition(), Decimal("0.08"), settings.output_dir
    wide, tall = (render(order_of(edition, {**FOX, "ratio": ratio}), []) for ratio in ("16:9", "9:16"))
    async with aclosing(open_ledger(settings, lambda: NOW)) as ledger:
        for take, film in ((1, wide), (2, tall)):
            await made(ledger, NewRequest(FOX, f"take{take}", price, project="snow film", take=take), film=film, folder=there)
        await made(
            ledger, NewRequest(HOSTILE, "ads", price, project="<b>Ads</b> & co"), film=wide + b"\0\0\0\x08free", folder=there
        )
        others: tuple[tuple[Status, str], ...] = (("completed", "an owl"), ("processing", "a hare"), ("failed", "a crow"))
        for status, prompt in others:
            await made(ledger, NewRequest({**FOX, "prompt": prompt}, prompt[-4:], price), status)
        return (await Gallery(ledger, "", settings, edition).write(NOW, renew=False, posters_most=9)).path


def test_the_gallery_is_seen_walked_filtered_and_played_from_the_disk(tmp_path: Path) -> None:
    drive(tmp_path, "gallery.mjs", str(anyio.run(gallery, tmp_path)))
