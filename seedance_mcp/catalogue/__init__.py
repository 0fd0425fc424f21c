"""What the models take: every limit with its source, and the request models and schemas made from it."""

__all__ = [
    "editions",
    "facts",
    "json_schema",
    "profiles",
    "requests",
]
