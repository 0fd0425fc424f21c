"""What requests cost, what was spent, and what stands between a request and its payment."""

__all__ = [
    "amounts",
    "gate",
    "ledger",
    "policy",
    "price_lists",
    "prices",
    "reconcile",
    "records",
    "sql_assets",
    "sql_changes",
    "sql_films",
    "sql_ledger",
    "sql_lists",
    "sql_movements",
    "sql_queries",
    "sql_rows",
    "stores",
    "sums",
]
