"""One way out to web addresses that are no data sets of the Hub: GET, with bounds on size and patience."""

from __future__ import annotations

import http.client
import urllib.error
import urllib.request
from collections.abc import Mapping

from pytest_slm.errors import UsageError

PATIENCE_S = 60.0
"""Seconds that a server may be silent."""
AGENT = "pytest-slm"


def get(url: str, most: int, *, slug: str, headers: Mapping[str, str] | None = None) -> bytes:
    """What an address answers, of at most so many bytes. Raises UsageError with the slug and one line where nothing
    comes, or more than that."""
    if not url.startswith(("https://", "http://")):
        raise UsageError(f"{url:.200}: no web address", slug=slug)
    request = urllib.request.Request(url, headers={"User-Agent": AGENT, **(headers or {})})  # noqa: S310
    try:
        with urllib.request.urlopen(request, timeout=PATIENCE_S) as answer:  # noqa: S310
            data: bytes = answer.read(most + 1)
    except (OSError, http.client.HTTPException, ValueError) as error:  # URLError and timeouts are OSErrors
        why = f"HTTP {error.code}" if isinstance(error, urllib.error.HTTPError) else getattr(error, "reason", error)
        raise UsageError(f"{url:.200}: cannot be fetched ({' '.join(str(why).split())[:200]})", slug=slug) from None
    if len(data) > most:
        raise UsageError(f"{url:.200}: more than {most:,} bytes", slug=slug)
    return data
