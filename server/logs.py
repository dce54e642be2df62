"""Logs: one pipeline for all lines, which writes only what is known to hold nothing of anybody.

The text of a line is a constant of the code that logs it; values go with it under the keys of
`KEYS`, each in its form. What else there is is left out and counted, whoever logs it: texts that
were put together, arguments, the messages of exceptions.
"""

import logging
import re
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from types import FrameType, TracebackType
from typing import Any, BinaryIO, Literal, cast

import orjson
import structlog
from structlog.typing import EventDict, FilteringBoundLogger, Processor

from server.exchanges import current_facts

LogFormat = Literal["auto", "json", "text"]
"""One JSON object a line, or lines for people; auto: for people on a terminal."""
Level = Literal["debug", "info", "warning", "error"]
Form = Callable[[Any], object]

OURS = "server schema resolvers loaders store execution guard pipelines usergraph __main__".split()
"""Loggers that follow the setting; others begin at warnings: pymongo's tell every command."""
AUDIT = "usergraph.audit"
LEFT_OUT = "(a text that may hold anything)"
MAX_FRAMES = 20
MAX_CAUSES = 5


def _number(value: object) -> bool:
    return isinstance(value, (int, float)) and abs(value) < 2**53


def _text(pattern: str) -> Form:
    matches = re.compile(pattern).fullmatch
    return lambda value: isinstance(value, str) and matches(value)


def _counts(form: Form) -> Form:
    return lambda value: (
        isinstance(value, dict) and all(map(form, value)) and all(map(_number, value.values()))
    )


WORD = _text(r"[A-Za-z0-9._:/-]{1,100}")
NAME = _text(r"[_A-Za-z0-9]{1,100}")
CODE = _text(r"[A-Z_]{1,60}")

KEYS: Mapping[str, Form] = {
    "event": lambda value: isinstance(value, str),
    "level": WORD,
    "logger": WORD,
    "timestamp": lambda value: isinstance(value, datetime),
    "request_id": _text(r"[A-Za-z0-9._-]{1,100}"),
    "client_id": WORD,
    "method": _text(r"[A-Z]{1,10}"),
    "path": WORD,
    "status": _number,
    "duration_ms": _number,
    "operation_name": NAME,
    "operation_hash": _text(r"[0-9a-f]{16}"),
    "operation_type": NAME,
    "code": CODE,
    "incident": _text(r"[0-9a-f]{12}"),
    "field": NAME,
    "router": _text(r"https?://[A-Za-z0-9.:\[\]/_-]{1,300}"),
    "failure": _text(r"[A-Za-z0-9_ ().;?-]{1,120}"),
    "limit": NAME,
    "maximum": _number,
    "counted": _number,
    "seconds": _number,
    "exc_info": lambda value: isinstance(value, tuple),
}
"""What a line may say, and in which form; `exc_info` is described before it is written."""

AUDIT_KEYS: Mapping[str, Form] = {
    **KEYS,
    "client_id": _text(r"[\x20-\x7e]{1,255}"),  # whatever a token may say: a trail names everybody
    "kind": WORD,
    "user_id": WORD,
    "fields": _counts(_text(r"[_A-Za-z0-9.]{1,200}")),
    "users": _number,
    "purpose": _text(r"[\x20-\x7e]{1,100}"),
}
"""What a line of the audit trail may say: it is there to name who looked, and at what."""


def begin_logging(
    level: Level, form: LogFormat, stream: BinaryIO | None = None
) -> FilteringBoundLogger:
    """Writes all lines of this process to the stream, standard error unless told otherwise.

    That goes for the standard library's loggers, warnings and exceptions that nobody catches; the
    logger that it gives is for a line per request, and costs less.
    """
    stream = stream or sys.stderr.buffer
    render = _renderer(form, stream)
    handler = _Handler(_TextOf(stream))
    handler.setFormatter(formatter(render))
    logging.basicConfig(level="WARNING", handlers=[handler], force=True)
    for name in OURS:
        logging.getLogger(name).setLevel(level.upper())
    logging.captureWarnings(True)
    sys.excepthook = _uncaught
    threading.excepthook = sys.unraisablehook = _uncaught_elsewhere
    return request_logger(level, stream, render)


def formatter(render: Processor) -> logging.Formatter:
    """What makes the standard library's records into lines."""
    return structlog.stdlib.ProcessorFormatter(
        processors=[_from_record, only_known, _add_exception, render, _decoded],
        use_get_message=False,
        pass_foreign_args=True,
    )


def request_logger(level: Level, stream: BinaryIO, render: Processor) -> FilteringBoundLogger:
    """A logger of its own, without the standard library's: for a line per request."""
    logger = structlog.wrap_logger(
        structlog.BytesLogger(stream),
        processors=[structlog.processors.add_log_level, _add_time, only_known, render],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        context_class=dict,
    )
    return cast(FilteringBoundLogger, logger.bind(logger="usergraph.access"))


def as_json(_: object, __: str, line: EventDict) -> bytes:
    """A line as JSON."""
    return orjson.dumps(line, option=orjson.OPT_UTC_Z)


def only_known(_: object, __: str, line: EventDict) -> EventDict:
    """Drops what is under no known key, or not in its form; `redacted` tells how much."""
    keys = AUDIT_KEYS if line.get("logger") == AUDIT else KEYS
    dropped: int = line.pop("redacted", 0)
    kept = {}
    for key, value in line.items():
        form = keys.get(key)
        if form is not None and form(value):
            kept[key] = value
        elif value is not None:
            dropped += 1
    if dropped:
        kept["redacted"] = dropped
    return kept


def described(error: BaseException | None) -> Iterator[str]:
    """An exception and what caused it: types, numbers, and the way through the code.

    Never a message or a value: a message may quote what somebody sent or what is stored.
    """
    for _ in range(MAX_CAUSES):
        if error is None:
            return
        number = getattr(error, "errno", None) or getattr(error, "code", None)
        known = f" {number}" if isinstance(number, int) else ""
        yield f"{type(error).__module__}.{type(error).__qualname__}{known}"
        yield from _way(error.__traceback__)
        hidden = error.__suppress_context__
        error = error.__cause__ or (None if hidden else error.__context__)


def _from_record(_: object, __: str, line: EventDict) -> EventDict:
    """A record's text, if it is a constant, and its `extra`."""
    record: logging.LogRecord = line.pop("_record")
    del line["_from_structlog"]
    given = {key: value for key, value in record.__dict__.items() if key not in _OF_EVERY_RECORD}
    text, counted = (record.msg, 0) if _is_constant(record) else (LEFT_OUT, 1)
    arguments = line.get("positional_args") or ()
    always = {
        "timestamp": datetime.fromtimestamp(record.created, UTC),
        "level": record.levelname.lower(),
        "logger": record.name,
        "event": text,
        "redacted": counted + len(arguments),
        "exc_info": line.get("exc_info"),
    }
    return {**always, **current_facts(), **given, **always}


_OF_EVERY_RECORD = {*logging.makeLogRecord({}).__dict__, "message", "asctime"}


def _is_constant(record: logging.LogRecord) -> bool:
    """Whether the text stands in the code that logs it, so that nobody else has put it there."""
    frame: FrameType | None = sys._getframe()
    while frame is not None:
        code = frame.f_code
        if code.co_filename == record.pathname and code.co_name == record.funcName:
            return record.msg in code.co_consts
        frame = frame.f_back
    return False


def _add_time(_: object, __: str, line: EventDict) -> EventDict:
    return {"timestamp": datetime.now(UTC), **line}


def _add_exception(_: object, __: str, line: EventDict) -> EventDict:
    found = line.pop("exc_info", None)
    if isinstance(found, tuple) and found[1] is not None:
        line["exception"] = list(described(found[1]))
    return line


def _way(traceback: TracebackType | None) -> Iterator[str]:
    steps = []
    while traceback is not None:
        code = traceback.tb_frame.f_code
        module = traceback.tb_frame.f_globals.get("__name__", "generated")
        steps.append(f"  {module}:{traceback.tb_lineno} {code.co_name}")
        traceback = traceback.tb_next
    yield from steps[-MAX_FRAMES:]


def _renderer(form: LogFormat, stream: BinaryIO) -> Processor:
    colours = stream.isatty()
    if form == "json" or (form == "auto" and not colours):
        return as_json
    console = structlog.dev.ConsoleRenderer(colors=colours, sort_keys=False)

    def as_text(logger: object, method: str, line: EventDict) -> bytes:
        line["timestamp"] = f"{line['timestamp']:%H:%M:%S.%f}"[:-3]
        if "exception" in line:
            line["exception"] = "\n".join(line["exception"])
        return console(logger, method, line).encode()

    return as_text


def _decoded(_: object, __: str, line: Any) -> str:
    text: str = line.decode()
    return text


def _uncaught(
    kind: type[BaseException], error: BaseException | None, traceback: TracebackType | None
) -> None:
    if error is not None and not issubclass(kind, (KeyboardInterrupt, SystemExit)):
        logging.getLogger(__name__).critical(
            "an exception that nobody caught", exc_info=(kind, error, traceback)
        )


def _uncaught_elsewhere(where: Any) -> None:
    """In a thread, or where Python cannot raise."""
    _uncaught(where.exc_type, where.exc_value, where.exc_traceback)


class _Handler(logging.StreamHandler["_TextOf"]):
    """Says that a line was lost; the standard library would print all that it was made of."""

    def handleError(self, _: logging.LogRecord) -> None:
        self.stream.write('{"event":"a line was lost"}\n')


class _TextOf:
    """A stream of bytes as the standard library's handlers write to it."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream

    def write(self, text: str) -> None:
        self._stream.write(text.encode())

    def flush(self) -> None:
        self._stream.flush()
