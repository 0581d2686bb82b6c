"""Which server it is and which model it holds, as far as it tells. Nothing of it is verified."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from pytest_slm.backends.server import failures
from pytest_slm.backends.server.fields import ReplyFields
from pytest_slm.backends.server.http import Client
from pytest_slm.core.record import Record, is_name
from pytest_slm.errors import BackendError, shown

LLAMA_SERVER, OLLAMA, VLLM, LM_STUDIO, LLAMA_CPP_PYTHON = (
    "llama-server",
    "Ollama",
    "vLLM",
    "LM Studio",
    "llama-cpp-python",
)
UNKNOWN = "server"


@dataclass(frozen=True, kw_only=True)
class Identity(Record):
    """What a server tells of itself and of the model that is asked; None for what it does not.

    ``n_ctx``: tokens of one request; ``slots``: requests that it computes at once; ``template``: the chat template.
    """

    kind: str
    model: str
    build: str | None = None
    description: str | None = None
    n_ctx: int | None = None
    slots: int | None = None
    template: str | None = None
    digest: str | None = None
    parameters: int | None = None
    file_bytes: int | None = None
    vocab_size: int | None = None
    bos: str = ""
    eos: str = ""

    @property
    def version(self) -> str:
        """The engine and its build, as reports name it."""
        return f"{self.kind} {self.build or '(version not told)'}"

    @property
    def template_sha256(self) -> str | None:
        """Of the chat template, where it is told."""
        return hashlib.sha256(self.template.encode("utf-8", "replace")).hexdigest() if self.template else None


def identify(client: Client, wanted: str | None) -> Identity:
    """Look at what the server tells. Raises BackendError where the wanted model is not there, or where it is not clear
    which one is meant."""
    models = _models(client)
    model = _chosen(client.url("/models"), wanted, models)
    mine = models.get(model)
    for look in (_llama_server, _ollama, _lm_studio, _vllm, _llama_cpp_python):
        found = look(client, model, mine)
        if found is not None:
            return replace(
                found, build=_short(found.build), description=_short(found.description), digest=_short(found.digest)
            )
    return Identity(kind=UNKNOWN, model=model, n_ctx=_context(mine))


def _models(client: Client) -> dict[str, ReplyFields | None]:
    """The models that the server lists, by name. Raises BackendError where nothing is there that speaks as a server of
    models does."""
    url = client.url("/models")
    try:
        listed = ReplyFields(url, client.ask("/models"))
    except BackendError as error:
        if error.slug != "server-endpoint":
            raise
        return {}
    return {name: entry for entry in listed.each("data") if is_name(name := entry.text("id"))}


def _chosen(what: str, wanted: str | None, models: Mapping[str, ReplyFields | None]) -> str:
    if wanted is not None:
        aliases = {alias for entry in models.values() if entry for alias in entry.items("aliases")}
        # Ollama knows a model without its tag, too.
        if models and wanted not in models and wanted not in aliases and f"{wanted}:latest" not in models:
            raise failures.no_model(what, wanted, tuple(models))
        return wanted
    if len(models) != 1:
        raise failures.which_model(what, tuple(models))
    return next(iter(models))


def _context(model: ReplyFields | None) -> int | None:
    """vLLM's name for it, and those of others that took it over."""
    return model.count("max_model_len") if model else None


def _llama_server(client: Client, model: str, listed: ReplyFields | None) -> Identity | None:
    props = _object(client, "props")
    if props is None or not ("build_info" in props.value or "default_generation_settings" in props.value):
        return None
    settings = props.inside("default_generation_settings")
    meta = listed.inside("meta") if listed else None
    file = props.text("model_path").replace("\\", "/").rpartition("/")[2]
    told = [file, props.text("model_ftype") or (meta.text("ftype") if meta else "")]
    return Identity(
        kind=LLAMA_SERVER,
        model=model,
        build=props.text("build_info") or None,
        description=", ".join(filter(None, told)) or None,
        n_ctx=settings.count("n_ctx") if settings else None,
        slots=props.count("total_slots") or None,
        template=props.text("chat_template") or None,
        parameters=meta.count("n_params") if meta else None,
        file_bytes=meta.count("size") if meta else None,
        vocab_size=meta.count("n_vocab") if meta else None,
        bos=props.text("bos_token"),
        eos=props.text("eos_token"),
    )


def _ollama(client: Client, model: str, listed: ReplyFields | None) -> Identity | None:
    version = _object(client, "api/version")
    shown = _object(client, "api/show", {"model": model}) if version and version.value.get("version") else None
    if version is None or shown is None:
        return None
    details, about = shown.inside("details"), shown.inside("model_info")
    tags = _object(client, "api/tags")
    names = {model, f"{model}:latest"}
    tagged = next((tag for tag in tags.each("models") if tag.text("name") in names), None) if tags else None
    running = _object(client, "api/ps")
    loaded = next((one for one in running.each("models") if one.text("name") in names), None) if running else None
    told = [details.text(name) for name in ("family", "parameter_size", "quantization_level")] if details else []
    return Identity(
        kind=OLLAMA,
        model=model,
        build=version.text("version"),
        description=", ".join(filter(None, told)) or None,
        # What the model was made for says nothing: the server gives it less.
        n_ctx=loaded.count("context_length") if loaded else None,
        template=shown.text("template") or None,
        digest=(tagged.text("digest") or None) if tagged else None,
        file_bytes=tagged.count("size") if tagged else None,
        parameters=about.count("general.parameter_count") if about else None,
    )


def _lm_studio(client: Client, model: str, listed: ReplyFields | None) -> Identity | None:
    found = _object(client, f"api/v0/models/{model}")
    if found is None or "compatibility_type" not in found.value:
        return None
    told = [found.text(name) for name in ("arch", "quantization", "compatibility_type")]
    return Identity(
        kind=LM_STUDIO,
        model=model,
        description=", ".join(filter(None, told)) or None,
        n_ctx=found.count("loaded_context_length"),
    )


def _vllm(client: Client, model: str, listed: ReplyFields | None) -> Identity | None:
    version = _object(client, "version")
    if version is None or not listed or listed.text("owned_by") != "vllm":
        return None
    root = listed.text("root")
    return Identity(
        kind=VLLM, model=model, build=version.text("version") or None, description=root or None, n_ctx=_context(listed)
    )


def _llama_cpp_python(client: Client, model: str, listed: ReplyFields | None) -> Identity | None:
    interface = _object(client, "openapi.json")
    about = interface.inside("info") if interface else None
    if about is None or "llama.cpp Python API" not in about.text("title"):
        return None
    file = model.replace("\\", "/").rpartition("/")[2]
    return Identity(
        kind=LLAMA_CPP_PYTHON,
        model=model,
        build=about.text("version") or None,
        description=file,
        slots=1,  # a second request would end the first one's answer (interrupt_requests)
    )


def _short(text: str | None) -> str | None:
    """A text of the server's that goes into reports."""
    return shown(text)[:200] if text else None


def _object(client: Client, path: str, body: Mapping[str, Any] | None = None) -> ReplyFields | None:
    found = client.told(path, body)
    return ReplyFields(client.url(path), found) if isinstance(found, Mapping) else None
