"""The words with which a task's status is written, each with the witness that it is written that way."""

from __future__ import annotations

import re
from typing import NamedTuple

from seedance_mcp.task import Status

PROVIDER = "the provider's query page, its command line tool or its web client"
UPSTREAM = "the task API of the upstream model service"
RELAYS = "the task APIs of other video services, which relays pass on as they are"
"""Words that were never seen from this provider; a task that ended by one of them must not run for ever."""


class StatusWords(NamedTuple):
    """Some words of one meaning and one witness."""

    status: Status
    words: str
    """In lower case, separated by blanks; a blank or a hyphen inside a word is written as an underscore."""
    witness: str


STATUS_WORDS = (
    StatusWords("queued", "queued pending submitted created 0", PROVIDER),
    StatusWords("queued", "in_queue queueing queuing waiting scheduled not_start not_started", RELAYS),
    StatusWords("processing", "processing in_progress running prompt_enhancing", PROVIDER),
    StatusWords("processing", "prompt_enhancement_checking image_downloading", PROVIDER),
    StatusWords("processing", "preparing starting started generating rendering throttled", RELAYS),
    StatusWords("completed", "completed success succeed succeeded 1", PROVIDER),
    StatusWords("completed", "done finished finish complete successful ready ok", RELAYS),
    StatusWords("failed", "failed error failure fail 2", PROVIDER),
    StatusWords("failed", "expired", UPSTREAM),
    StatusWords("failed", "timeout timed_out time_out rejected refused blocked invalid", RELAYS),
    StatusWords("failed", "moderated content_moderated request_moderated nsfw banned", RELAYS),
    StatusWords("cancelled", "canceled cancelled", PROVIDER),
    StatusWords("cancelled", "aborted abort terminated", RELAYS),
)
STATUS: dict[str, Status] = {word: row.status for row in STATUS_WORDS for word in row.words.split()}
"""The meaning of every known word."""
_BETWEEN = re.compile(r"[\s-]+")


def plain_word(word: str) -> str:
    """Write a word as the table does: in lower case, with underscores."""
    return _BETWEEN.sub("_", word.strip().lower())
