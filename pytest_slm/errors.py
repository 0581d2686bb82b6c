"""What goes wrong, said in one line: place, thing, remedy, and a slug that the docs explain.

Every user mistake and every failed measurement is an ``SlmError``; anything else that is raised is a bug and
keeps its traceback. ``docs/errors.md`` lists the slugs, and a test keeps that list complete.
"""

from __future__ import annotations

import difflib
import errno
from collections.abc import Iterable


class SlmError(Exception):
    """An expected failure, told to the user as ``message  [slug]`` without a traceback."""

    slug = "slm-error"

    def __init__(self, message: str, *, slug: str | None = None) -> None:
        super().__init__(" ".join(message.split("\n")))
        if slug is not None:
            self.slug = slug

    def __str__(self) -> str:
        return f"{self.args[0]}  [{self.slug}]"


class UsageError(SlmError):
    """The command line, a submission or a suite is wrong: nothing can start (exit code 4)."""

    slug = "usage"


class NotAvailableError(SlmError):
    """A package, capability or data set that this item needs is missing: the item is skipped, with the remedy."""

    slug = "not-available"


class BackendError(SlmError):
    """The engine could not do what was asked: the item is an error, never a wrong answer."""

    slug = "backend"


class ScoringError(SlmError):
    """What scores an answer failed: the item is an error, its answers are kept and can be scored again."""

    slug = "scoring"


class HostDiedError(BackendError):
    """The process that holds the model ended in mid-request."""

    slug = "host-died"


class HostTimeoutError(BackendError):
    """The process that holds the model did not answer in time and was ended."""

    slug = "host-timeout"


class ReportError(SlmError):
    """A report, a registry or a sample file could not be read or written."""

    slug = "report"


def did_you_mean(wrong: str, known: Iterable[str]) -> str:
    """A sentence that offers the nearest known word, or lists them all: ``Did you mean 'limits'?``"""
    words = sorted(known)
    near = difflib.get_close_matches(wrong, words, n=1, cutoff=0.6)
    if near:
        return f"Did you mean {near[0]!r}?"
    return f"Known: {', '.join(words)}." if words else "None are known."


def writing_failed(path: object, error: OSError) -> ReportError:
    """The ``ReportError`` for a write that failed: a full disk, a read-only folder, or what else the system said."""
    if error.errno == errno.ENOSPC:
        return ReportError(
            f"{path}: the disk is full. Free some space, or write elsewhere (runs: --slm-reports=DIR)", slug="disk-full"
        )
    if error.errno in (errno.EACCES, errno.EROFS, errno.EPERM):
        return ReportError(
            f"{path}: not writable ({error.strerror}). Choose another folder (runs: --slm-reports=DIR)",
            slug="read-only",
        )
    return ReportError(
        f"{path}: cannot be written ({error.strerror or error}). Choose another folder (runs: --slm-reports=DIR)",
        slug="report-write",
    )
