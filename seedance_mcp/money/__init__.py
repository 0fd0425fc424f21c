"""What requests cost, what was spent, and what stands between a request and its payment."""

__all__ = [
    "amounts",
    "announcements",
    "gate",
    "ledger",
    "policy",
    "prices",
    "reconcile",
    "records",
    "sql_assets",
    "sql_changes",
    "sql_films",
    "sql_leases",
    "sql_ledger",
    "sql_lists",
    "sql_movements",
    "sql_queries",
    "sql_rows",
    "stores",
    "sums",
]
