"""Where the ledger's rows lie: the contract of an engine, each engine, and its schema in numbered files."""

__all__ = ["postgres", "sqlite", "store"]
