"""The engines that keep the ledger."""

__all__ = [
    "sqlite",
]
