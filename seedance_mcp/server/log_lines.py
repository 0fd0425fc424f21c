"""The log on standard error: lines for people, or one JSON object a line for programs."""

from __future__ import annotations

import json
import logging
import sys
from datetime import UTC, datetime
from typing import Any

from seedance_mcp.errors import place_of
from seedance_mcp.settings import Settings

TEXT = "%(levelname)s %(name)s: %(message)s"


class JsonLines(logging.Formatter):
    """Writes a log record as one JSON object: `time`, `level`, `logger`, `message`, and what the record carries.

    The further fields are those of `fields` (`request_id`, `task_id`, `tool`, `code`, ...), `error` and `where` for an
    exception, and `trace_id` and `span_id` inside a trace.
    """

    def format(self, record: logging.LogRecord) -> str:
        """Give the line; the message of an exception is left out, since it could hold a prompt or a signed URL."""
        at = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        said = {"time": at, "level": record.levelname, "logger": record.name, "message": record.getMessage()}
        carried: dict[str, Any] = getattr(record, "fields", {})
        line = {**said, **carried, **_failure(record), **_trace()}
        return json.dumps(line, ensure_ascii=False, default=str)


def _failure(record: logging.LogRecord) -> dict[str, str]:
    error = record.exc_info[1] if record.exc_info else None
    return {} if error is None else {"error": type(error).__name__, "where": place_of(error)}


def _trace() -> dict[str, str]:
    """Name the trace and the span that a line belongs to, where tracing was loaded and one is open."""
    loaded = sys.modules.get("opentelemetry.trace")
    span = loaded.get_current_span().get_span_context() if loaded else None
    return {"trace_id": f"{span.trace_id:032x}", "span_id": f"{span.span_id:016x}"} if span and span.is_valid else {}


def write_log(settings: Settings) -> None:
    """Write the log as the settings ask; only our own lines may be more than warnings: libraries log URLs and prompts."""
    is_json = settings.log_format == "json"
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines() if is_json else logging.Formatter(TEXT))
    logging.basicConfig(level=logging.WARNING, handlers=[handler])
    if is_json:
        logging.captureWarnings(capture=True)
    logging.getLogger("seedance_mcp").setLevel(settings.log_level)


def announce(text: str, level: int = logging.INFO) -> None:
    """Write a line that the operator sees at any level: an address, a setting without effect, why the program ends."""
    written = next((each for each in logging.getLogger().handlers if isinstance(each.formatter, JsonLines)), None)
    if written is None:
        print(f"seedance-mcp: {text}", file=sys.stderr)
    else:
        written.handle(logging.LogRecord("seedance_mcp", level, "", 0, text, None, None))
