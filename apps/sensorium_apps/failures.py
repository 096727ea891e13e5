"""How a command fails: one line on stderr and an exit code, no traceback unless it was asked for.

Exit codes: 0 done, 1 an error that the line names, 2 wrong usage (typer's own), 130 Ctrl-C, 141 the reader of
our output went away, 143 told to terminate (128 + the signal's number, as shells do).
"""

import logging
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

import typer
from typer.core import TyperGroup

from sensorium_apps.extras import extra_of, install

DEBUG_VARIABLE = "SENSORIUM_DEBUG"
INTERRUPTED = 128 + 2  # SIGINT
NO_READER = 128 + 13  # SIGPIPE
TERMINATED = 128 + 15  # SIGTERM

PACKAGES = ("sensorium", "sensorium_devices", "sensorium_compile", "sensorium_apps")


class CarefulGroup(TyperGroup):
    """A group of commands whose failures end as the module says."""

    def invoke(self, ctx: Any) -> Any:
        """Run the chosen command."""
        try:
            with terminable():
                return super().invoke(ctx)
        except KeyboardInterrupt as err:
            raise typer.Exit(INTERRUPTED) from err
        except BrokenPipeError as err:
            _forget_stdout()
            raise typer.Exit(NO_READER) from err
        except Exception as err:
            if debugging() or isinstance(err, typer.Exit | typer.Abort) or is_usage_error(err):
                raise
            raise _failed(err) from err


def explain(err: Exception) -> str:
    """What went wrong, in one line."""
    if isinstance(err, ModuleNotFoundError):
        name = err.name or ""
        if extra := extra_of(name):
            return f"{name.partition('.')[0]} is not installed; {install(extra)}"
    if isinstance(err, OSError) and err.strerror:
        return f"{err.filename}: {err.strerror}" if err.filename else err.strerror
    return " ".join(str(err).split())


def debugging() -> bool:
    """Whether tracebacks are wanted."""
    return os.environ.get(DEBUG_VARIABLE, "") not in ("", "0")


def note(text: str) -> None:
    """Tell something beside the result: on stderr, so that stdout stays what was asked for."""
    typer.echo(f"note: {text}", err=True)


def is_usage_error(err: Exception) -> bool:
    """Whether typer itself prints it, with exit code 2: typer carries click under a private name."""
    return callable(getattr(err, "format_message", None))


def is_expected(err: Exception) -> bool:
    """Whether it was raised on purpose, or by the machine. Looked up: ``--help`` loads no runtime."""
    errors = sys.modules.get("sensorium.errors")
    ours = errors is not None and isinstance(err, errors.SensoriumError)
    return ours or isinstance(err, OSError | ModuleNotFoundError)


def _failed(err: Exception) -> typer.Exit:
    message = explain(err)
    if not is_expected(err):
        message = f"{type(err).__name__}: {message} (a fault of Sensorium; {DEBUG_VARIABLE}=1 shows where)"
    typer.echo(f"error: {message}", err=True)
    return typer.Exit(1)


def _forget_stdout() -> None:
    """Let the interpreter's last flush go nowhere, else it complains of the closed pipe."""
    try:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except (OSError, ValueError):  # stdout is no file: under a test runner
        return


class _Terminated(KeyboardInterrupt):
    """SIGTERM: ends what runs as Ctrl-C does."""


@contextmanager
def terminable() -> Iterator[None]:
    """SIGTERM unwinds like Ctrl-C, so that devices are released and recordings closed."""

    def terminate(_signal: int, _frame: FrameType | None) -> None:
        raise _Terminated

    try:
        previous = signal.signal(signal.SIGTERM, terminate)
    except ValueError:  # not in the main thread: signals are another's
        yield
        return
    try:
        yield
    except _Terminated as err:
        raise typer.Exit(TERMINATED) from err
    finally:
        signal.signal(signal.SIGTERM, previous)


class _StderrHandler(logging.StreamHandler):  # type: ignore[type-arg]
    """Writes to whatever ``sys.stderr`` is at that moment: a live view stands in for it while it draws."""

    def emit(self, record: logging.LogRecord) -> None:
        """Write one record."""
        self.stream = sys.stderr
        super().emit(record)


class _OneLine(logging.Formatter):
    """A record's message, its traceback only when debugging."""

    def format(self, record: logging.LogRecord) -> str:
        """The line."""
        if not debugging():
            record.exc_info, record.exc_text = None, None
        return super().format(record)


def log_to_stderr() -> None:
    """Send the log to stderr: warnings in a line each, everything when debugging."""
    handler = _StderrHandler()
    handler.setFormatter(_OneLine("%(levelname)s %(name)s: %(message)s" if debugging() else "note: %(message)s"))
    for package in PACKAGES:
        logger = logging.getLogger(package)
        logger.handlers[:] = [handler]
        logger.propagate = False
        logger.setLevel(logging.DEBUG if debugging() else logging.WARNING)
