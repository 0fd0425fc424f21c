"""The facts about the provider's models, dated and with their sources, and the request models and schemas made of them."""

__all__ = [
    "edition",
    "editions",
    "facts",
    "json_schema",
    "profiles",
    "requests",
]
