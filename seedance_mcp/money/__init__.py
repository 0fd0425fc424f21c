"""What requests cost, what was spent, and what stands between a request and its payment."""

__all__ = [
    "gate",
    "ledger",
    "prices",
    "reconcile",
    "records",
    "stores",
]
