"""What goes wrong with a server, each as one line with place, thing and remedy."""

from __future__ import annotations

import re
from collections.abc import Sequence
from urllib.parse import urlsplit

from pytest_slm.errors import BackendError, did_you_mean
from pytest_slm.files import parse_json

_TOO_LONG = re.compile(
    r"context.{0,20}(length|window|size)|exceeds? .{0,30}context|maximum context|prompt is too long|too many tokens",
    re.IGNORECASE,
)
_MODEL = re.compile(
    r"model.{0,200}(not found|does not exist|not exist|unknown|not loaded)|model_not_found", re.I | re.S
)


def unreachable(what: str, why: str) -> BackendError:
    """Nobody is there."""
    return BackendError(
        f"{what}: no server answers ({why:.200}); start it, or correct the address after --slm-model=",
        slug="server-unreachable",
    )


def tls(what: str, error: BaseException) -> BackendError:
    """The encryption failed."""
    return BackendError(
        f"{what}: no encrypted connection ({error!s:.200}); take http:// if the server speaks no TLS, or let "
        "SSL_CERT_FILE name the file with its authority",
        slug="server-tls",
    )


def silent(what: str, seconds: float) -> BackendError:
    """Nothing came for too long."""
    return BackendError(
        f"{what}: the server said nothing of use for {seconds:g} s; allow more with --slm-request-timeout, or lower "
        "--slm-concurrency",
        slug="server-silent",
    )


def page(what: str, body: bytes) -> BackendError:
    """A web page instead of an interface."""
    title = re.search(r"<title[^>]*>([^<]{1,80})", body[:65536].decode("utf-8", "replace"), re.IGNORECASE)
    named = f" ({title[1].strip()!r})" if title else ""
    return BackendError(
        f"{what}: a web page{named} came instead of JSON: this is no server of a model, or its path is another one "
        "(mostly /v1)",
        slug="server-page",
    )


def no_json(what: str, error: BaseException) -> BackendError:
    """Something else than JSON."""
    return BackendError(
        f"{what}: what came is no valid JSON ({error!s:.200}); look at the server's log, or try another version of it",
        slug="server-json",
    )


def field(what: str, name: str, wanted: str, got: object) -> BackendError:
    """A field of another type."""
    return BackendError(
        f"{what}: {name}: expected {wanted}, got {got!r:.60}; this server does not speak as OpenAI's does, try another "
        "version of it",
        slug="server-field",
    )


def too_much(what: str, most: int) -> BackendError:
    """More than anybody asked for."""
    return BackendError(
        f"{what}: more than {most} bytes came, and nothing that was asked for is so long; look at what answers there",
        slug="server-too-much",
    )


def compressed(what: str) -> BackendError:
    """An encoding that was not asked for."""
    return BackendError(
        f"{what}: the answer is compressed, which was not asked for; switch that off in the proxy before the server",
        slug="server-compressed",
    )


def redirect(status: int, base: str, location: str) -> BackendError:
    """Another address."""
    target = urlsplit(location) if location.isprintable() and len(location) < 500 else urlsplit("")
    place = f"{target.scheme}://{target.hostname}" if target.hostname else "another address"
    return BackendError(
        f"{base}: the server sends to {place} ({status}), and is not followed; give that address to --slm-model",
        slug="server-redirect",
    )


def no_model(what: str, wanted: str, known: Sequence[str]) -> BackendError:
    """A name that the server does not have."""
    listed = f"{did_you_mean(wanted, known)}" if known else "It does not say which it has."
    return BackendError(f"{what}: the server has no model {wanted!r:.200}. {listed}", slug="server-model")


def which_model(what: str, known: Sequence[str]) -> BackendError:
    """Several names, or none."""
    listed = ", ".join(known)
    told = f"has several models ({listed:.600})" if known else "does not say which models it has"
    return BackendError(f"{what}: the server {told}; name one with --slm-served-model", slug="server-model")


def refusal(status: int, what: str, said: str, *, has_key: bool, variable: str) -> BackendError:
    """A status that is no success."""
    quoted = f": {message_of(said):.300}" if said.strip() else ""
    if status in (401, 403):
        told = f"the key in {variable} was refused" if has_key else f"it wants a key, and {variable} has none"
        return BackendError(f"{what}: {told} ({status}{quoted}); set {variable} in the environment", slug="server-key")
    if _MODEL.search(said) and status in (400, 404, 422):
        return BackendError(
            f"{what}: the server has not this model ({status}{quoted}); name another with --slm-served-model",
            slug="server-model",
        )
    if _TOO_LONG.search(said) and status in (400, 413, 422, 500):
        return BackendError(
            f"{what}: prompt and answer do not fit into the server's context ({status}{quoted}); start it with a "
            "longer one",
            slug="context-too-long",
        )
    if status in (404, 405, 501):
        return BackendError(
            f"{what}: the server has no such endpoint ({status}{quoted}); correct the path after --slm-model=, "
            "mostly /v1",
            slug="server-endpoint",
        )
    if status in (429, 503):
        return BackendError(
            f"{what}: still busy after several tries ({status}{quoted}); lower --slm-concurrency, or wait until it has "
            "loaded its model",
            slug="server-busy",
        )
    if status >= 500:
        return BackendError(f"{what}: the server failed ({status}{quoted}); look at its log", slug="server-error")
    return BackendError(
        f"{what}: the server refuses the request ({status}{quoted}); look at its log, or try another version of it",
        slug="server-refused",
    )


def stream_error(what: str, said: object) -> BackendError:
    """An error that came as an event."""
    text = str(said.get("message", said)) if isinstance(said, dict) else str(said)
    if _TOO_LONG.search(text):
        return BackendError(
            f"{what}: prompt and answer do not fit into the server's context ({text:.300}); start it with a longer one",
            slug="context-too-long",
        )
    return BackendError(f"{what}: the server failed in the middle ({text:.300}); look at its log", slug="server-error")


def message_of(said: str) -> str:
    """What an error's body says to people."""
    try:
        found = parse_json(said)
    except (ValueError, RecursionError):
        return " ".join(re.sub(r"<[^>]*>", " ", said).split())
    while isinstance(found, dict):
        inner = next((found[key] for key in ("error", "message", "detail") if key in found), None)
        if inner is None:
            break
        found = inner
    return str(found)
