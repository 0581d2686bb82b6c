"""Prices of the cost calculator: each with its source, and the day of which that source says it."""

from __future__ import annotations

import datetime
import functools
import math
import tomllib
import urllib.parse
from dataclasses import dataclass
from importlib import resources
from typing import Literal

from pytest_slm.core.record import Record

UNITS = {"machine": "once", "energy": "a kWh", "gpu": "an hour", "api": "1 M tokens"}


@dataclass(frozen=True, kw_only=True)
class Price(Record):
    """What something costs by somebody's word: ``source`` is the page that says it, ``list`` that of whose price it is,
    where that is another one. Of an API ``price`` is for tokens read and ``written`` for others."""

    kind: Literal["machine", "energy", "gpu", "api"]
    what: str
    currency: Literal["USD", "EUR"]
    price: float
    said: str
    source: str
    written: float | None = None
    list: str | None = None
    note: str = ""

    def __post_init__(self) -> None:
        super().__post_init__()
        datetime.date.fromisoformat(self.said)  # a day that there is not is a ValueError
        if not all(one.startswith("https://") for one in (self.source, self.list or self.source)):
            raise ValueError(f"{self.what}: a price without a source that can be opened")
        if (self.written is None) == (self.kind == "api"):
            raise ValueError(f"{self.what}: an API has two prices, and nothing else has")
        if not all(math.isfinite(one) and one > 0 for one in (self.price, self.written or self.price)):
            raise ValueError(f"{self.what}: that is no price")

    @property
    def hosts(self) -> tuple[tuple[str, str], ...]:
        """Whose pages say it, with their addresses: whose price it is first."""
        pages = (one for one in (self.list, self.source) if one)
        return tuple((urllib.parse.urlsplit(one).hostname or "", one) for one in pages)

    @property
    def told(self) -> str:
        """The price with its unit."""
        unit = f"{self.currency} {UNITS[self.kind]}"
        return f"{self.price:g} {unit}" if self.written is None else f"{self.price:g} / {self.written:g} {unit}"


@functools.cache
def price_table() -> tuple[Price, ...]:
    """What ``prices.toml`` says, in its order. ValueError where an entry has no source, no day or no price."""
    text = resources.files(__package__).joinpath("prices.toml").read_text("utf-8")
    found = tuple(Price.from_json(entry) for entry in tomllib.loads(text)["price"])
    if len({one.what for one in found}) < len(found):
        raise ValueError("prices.toml: the same thing twice")
    return found
