"""`seedance-mcp doctor error TEXT` says what an error means: one of our codes, or words of the provider's."""

from __future__ import annotations

import inspect

from seedance_mcp.errors import ConfirmationRequired, OutcomeUnknown, SeedanceError
from seedance_mcp.server.resources import cause_text
from seedance_mcp.untrusted import sanitize

_MONEY = "Money: a refused request costs nothing; a failed task costs what get_balance shows for it."


def explanation(text: str) -> str:
    """Explain an error as it was copied: by the code of ours that stands in it, else by the provider's words."""
    found = [each for each in _kinds() if each.code in text]
    lines = [f"Error: {sanitize(text)}", *(_of_code(each) for each in found[:1])]
    if not found or "words" in text:
        lines += [cause_text(text), _MONEY]
    return "\n".join(lines)


def _kinds() -> list[type[SeedanceError]]:
    """List the errors that have a code of their own, the one with the longest code first."""
    return sorted((each for each in SeedanceError.__subclasses__()), key=lambda each: -len(each.code))


_SAME_CALL: dict[type[SeedanceError], str] = {
    OutcomeUnknown: "may pay a second time; get_balance first shows whether money went",
    ConfirmationRequired: "is sent once the user said yes",
}
"""The effect of the same call, where neither a later try nor a change is the answer."""


def _of_code(kind: type[SeedanceError]) -> str:
    later = "may succeed later, if nothing was charged" if kind.retryable else "fails again until something is changed"
    told = f"The same call: {_SAME_CALL.get(kind, later)}"
    return f"Code: {kind.code}\nWhat is wrong: {(inspect.getdoc(kind) or '').partition(chr(10))[0]}\n{told}"
