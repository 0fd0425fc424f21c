"""The provider's price lists: the rows that are about Seedance, and what changed from one list to the next."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal
from typing import Literal, NamedTuple, Protocol

from seedance_mcp.catalogue.edition import Edition, newer_than
from seedance_mcp.catalogue.facts import Model

_BEGINNINGS = ("seedance", "sd2")
"""How the names of Seedance models begin in the list."""


class ListedRow(Protocol):
    """One row of the provider's list, as `provider.answers.PriceRow` has it."""

    @property
    def name(self) -> str: ...  # noqa: D102

    @property
    def mode(self) -> str: ...  # noqa: D102

    @property
    def unit_price(self) -> Decimal | None: ...  # noqa: D102

    @property
    def is_video(self) -> bool: ...  # noqa: D102


class Terms(NamedTuple):
    """How one name is billed."""

    mode: str
    """Such as `per_second`."""
    unit_price: str
    """In JimiCoin; empty where it is not stated."""

    @property
    def description(self) -> str:
        """The terms as sentences write them."""
        return f"{self.unit_price or 'no price'} {self.mode}"


class PriceList(NamedTuple):
    """The Seedance rows of one list."""

    read_at: str
    """When it was answered: ISO 8601, UTC."""
    rows: Mapping[str, Terms]


def read_names(rows: Iterable[ListedRow], read_at: str) -> PriceList:
    """Give the rows of a list that are about Seedance videos; without any it is no evidence of what there is."""
    named = (row for row in rows if row.is_video and row.name.startswith(_BEGINNINGS))
    kept = sorted(named, key=lambda row: (row.unit_price or 0, row.mode))  # of a name that is listed twice the dearest counts
    prices = {row.name: "" if row.unit_price is None else f"{row.unit_price.normalize():f}" for row in kept}
    return PriceList(read_at, {row.name: Terms(row.mode, prices[row.name]) for row in kept})


def earlier_than(new: PriceList, kept: Iterable[PriceList]) -> PriceList | None:
    """Give the newest kept list that differs from a new one."""
    return next((each for each in kept if each.rows != new.rows), None)


def lists(model: Model, names: Iterable[str]) -> bool | None:
    """Say whether a price list names a model; `None` for a list without names, which is no evidence."""
    listed = set(names)
    return not listed.isdisjoint(model.price_list_names) if listed else None


ChangeKind = Literal["appeared", "vanished", "price mode changed", "price changed"]


class Change(NamedTuple):
    """One way in which the provider's list differs from the edition or from the list before."""

    kind: ChangeKind
    name: str
    fact: str
    remedy: str


def changes(edition: Edition, new: PriceList, earlier: PriceList | None) -> list[Change]:
    """Name what appeared, vanished, and changed its price mode or price; each name or model at most once for each.

    Limits are not in the list and never learnt from it.

    Args:
        edition: The whole edition, with models that are not offered too.
        new: The newest list; without rows it is no evidence, and nothing is named.
        earlier: The list before it that differs; `None` where none is kept.
    """
    if not new.rows:
        return []
    before = earlier or PriceList("", {})
    return [*_appeared(edition, new, before), *_vanished(edition, new, before), *_changed(edition, new, before)]


def _appeared(edition: Edition, new: PriceList, before: PriceList) -> Iterator[Change]:
    known = {name for model in edition.models for name in model.price_list_names}
    for name, terms in sorted(new.rows.items()):
        if name not in known:
            fact = f"{terms.description}; the edition {edition.name} does not know it"
            yield Change("appeared", name, fact, _who_knows(edition, name))
        elif before.rows and name not in before.rows:
            fact = f"{terms.description}; it was not listed on {before.read_at}"
            yield Change("appeared", name, fact, "nothing is to be done: the edition knows it")


def _who_knows(edition: Edition, name: str) -> str:
    for newer in newer_than(edition):
        if any(name in model.price_list_names for model in newer.models):
            return f"SEEDANCE_EDITION={newer.name} knows it"
    return "no edition knows it: its limits are in no list, so a newer version of this program has to state them"


def _vanished(edition: Edition, new: PriceList, before: PriceList) -> Iterator[Change]:
    gone = [model for model in edition.models if not lists(model, new.rows)]
    for model in gone:
        fact = f"none of its billing names is listed ({', '.join(model.billing_names(model.default_resolution))})"
        yield Change("vanished", model.name, fact, "ask the provider before paying for it, or choose another model")
    covered = {name for model in gone for name in model.price_list_names}
    for name in sorted(before.rows.keys() - new.rows.keys() - covered):
        yield Change("vanished", name, f"it was listed on {before.read_at}", "see whether its model is still wanted")


def _changed(edition: Edition, new: PriceList, before: PriceList) -> Iterator[Change]:
    stated = _stated_modes(edition)
    for name, terms in sorted(new.rows.items()):
        old = before.rows.get(name)
        if old and old.mode != terms.mode:
            yield _moved("price mode changed", name, terms, f"{old.description} on {before.read_at}")
        elif name in stated and terms.mode not in stated[name]:
            told = f"{' or '.join(sorted(stated[name]))} in the edition {edition.name}"
            yield _moved("price mode changed", name, terms, told)
        elif old and old.unit_price != terms.unit_price:
            yield _moved("price changed", name, terms, f"{old.description} on {before.read_at}")


def _moved(kind: ChangeKind, name: str, terms: Terms, before: str) -> Change:
    return Change(kind, name, f"{terms.description}; before: {before}", "estimates go by the new one")


def _stated_modes(edition: Edition) -> dict[str, set[str]]:
    """Give the price modes that the edition states for the first name of each model and resolution."""
    found: dict[str, set[str]] = {}
    for model in edition.models:
        for resolution in model.resolutions:
            for videos in (False, True):
                name = model.billing_names(resolution, with_videos=videos)[0]
                found.setdefault(name, set()).add(model.price_mode)
    return found
