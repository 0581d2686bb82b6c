"""Questions to the Hub: counted, repeated when it says when, and given up where it does not answer any more."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from typing import Any, TypeVar

from pytest_slm import hub
from pytest_slm.errors import NotAvailableError, SlmError
from pytest_slm.files import parse_json

T = TypeVar("T")

TRIES = 3
"""Times that one question is asked."""
BUSY_S, BROKEN_S = 30.0, 1.0
"""How long to wait where the Hub does not say it: asked too often, and an error of its own."""
FAILURES = 5
"""So many models in a row that could not be read: the Hub is not there, and is not asked for the others."""
MOST_CONFIG = 4 << 20
"""Bytes of a configuration."""
ENDS = ("hub-budget", "hub-wait", "hub-token", "hub-lost")
"""Slugs of errors after which nothing more is asked."""


class Questions:
    """Asks the Hub through its own client. ``patience`` is how many seconds it may be waited for in all; the token is
    that of the environment, and no other."""

    def __init__(self, client: Any, meter: hub.Meter, *, patience: float, sleep: Callable[[float], None]) -> None:
        self._client, self._meter, self._patience, self._sleep = client, meter, patience, sleep
        self._token: str | bool = (os.environ.get("HF_TOKEN") or "").strip() or False
        self._api = client.HfApi(endpoint=hub.endpoint(), token=self._token)
        self._failures = 0

    def info(self, repo: str) -> Any:
        """What the Hub says of a model, with the sizes of its files: one question. Raises UsageError."""
        return self.ask(repo, lambda: self._api.model_info(repo, files_metadata=True, timeout=hub.TIMEOUT_S))

    def listed(self, tags: Iterable[str], most: int, search: str | None = None) -> list[Any]:
        """The models with all of these tags, those with most downloads first."""
        names, fields = list(tags), ["downloads", "gguf", "safetensors"]

        def listed() -> list[Any]:
            return list(self._api.list_models(filter=names, sort="downloads", limit=most, search=search, expand=fields))

        return self.ask(", ".join(names), listed)

    def config(self, repo: str, revision: str) -> object:
        """The ``config.json`` of a repository. Raises UsageError."""

        def fetched() -> object:
            url = self._client.hf_hub_url(repo, "config.json", revision=revision, endpoint=hub.endpoint())
            headers = self._client.utils.build_hf_headers(token=self._token)
            session = self._client.utils.get_session()
            data = bytearray()
            with session.stream("GET", url, headers=headers, timeout=hub.TIMEOUT_S, follow_redirects=True) as response:
                if response.status_code >= 400:
                    response.read()  # the client looks into it for the reason
                self._client.utils.hf_raise_for_status(response)
                for piece in response.iter_bytes():
                    data += piece
                    if len(data) > MOST_CONFIG:
                        raise hub.no_answer(repo, f"a config.json of more than {MOST_CONFIG} bytes")
            try:
                return parse_json(bytes(data))
            except ValueError as error:
                raise hub.no_answer(repo, f"config.json: {error!s:.100}") from None

        return self.ask(repo, fetched)

    def ask(self, repo: str, question: Callable[[], T]) -> T:
        """The answer to a question. Raises UsageError, and NotAvailableError for the reasons to ask nothing more."""
        for left in reversed(range(TRIES)):
            self._meter.status = self._meter.wait_s = None
            try:
                answer = hub.asked(repo, None, question, page=repo, way_out="try again later; what was known is kept")
            except SlmError as error:
                if not left or not self._worth_waiting(error):
                    self._note(error)
                    raise
            else:
                self._failures = 0
                return answer
        raise AssertionError("the last try returns or raises")

    def _worth_waiting(self, error: SlmError) -> bool:
        """Wait, if that may help. Raises NotAvailableError where it would take longer than there is patience."""
        broken = error.slug == "hub-unreachable" and (self._meter.status or 0) >= 500
        if error.slug != "hub-busy" and not broken:
            return False
        seconds = self._meter.wait_s if self._meter.wait_s is not None else BROKEN_S if broken else BUSY_S
        if seconds > self._patience:
            raise NotAvailableError(
                f"the Hub wants to be asked again in {seconds:.0f} s, and {self._patience:.0f} s of waiting are left; "
                "sync again later, or with more --patience",
                slug="hub-wait",
            )
        self._patience -= seconds
        self._sleep(seconds)
        return True

    def _note(self, error: SlmError) -> None:
        if error.slug not in ("hub-unreachable", "hub-answer"):
            return
        self._failures += 1
        if self._failures >= FAILURES:
            raise NotAvailableError(
                f"{self._failures} models in a row could not be read, the last with: {error.args[0]}", slug="hub-lost"
            ) from None
