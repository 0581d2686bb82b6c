"""Which engine opens which format. The built-ins register through the same call as other people's plugins."""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, cast

from pytest_slm.core.record import Record
from pytest_slm.core.types import EngineSettings
from pytest_slm.errors import UsageError, did_you_mean

ENGINE_MODULES = {"llama.cpp": ("llama_cpp", "gguf"), "ik": ("ik_llama_cpp", "ik")}
"""The dialects of llama.cpp (``EngineSettings.engine``): the module that has one, and our extra that brings it. Without
a choice the first that is installed computes: it is what most people deploy."""


@dataclass(frozen=True, kw_only=True)
class BackendEntry(Record):
    """A backend that can be opened: ``target`` is ``module:Class``, imported in the model's process only; ``needs``
    are the modules that must be importable and ``extra`` what to install if they are not; ``engines`` are those
    of ENGINE_MODULES of which it needs one."""

    name: str
    target: str
    formats: tuple[str, ...]
    needs: tuple[str, ...] = ()
    extra: str | None = None
    engines: tuple[str, ...] = ()

    def installed_engines(self) -> tuple[str, ...]:
        """Those of its engines that are here."""
        return tuple(name for name in self.engines if _importable(ENGINE_MODULES[name][0]))

    def check_installed(self, settings: EngineSettings = EngineSettings()) -> None:
        """Raise a UsageError with the install command if a module is missing that it needs with these settings."""
        missing = [name for name in self.needs if not _importable(name)]
        if missing:
            remedy = f"pip install 'pytest-slm[{self.extra}]'" if self.extra else f"pip install {missing[0]}"
            raise UsageError(f"backend {self.name!r} needs the module {missing[0]!r}: {remedy}", slug="missing-extra")
        if not self.engines or settings.engine_lib is not None:
            return
        if not self.installed_engines():
            remedies = " or ".join(
                f"pip install 'pytest-slm[{ENGINE_MODULES[name][1]}]'" for name in self.engines[::-1]
            )
            raise UsageError(f"backend {self.name!r} needs an engine: {remedies}", slug="missing-extra")
        if settings.engine is not None and settings.engine not in self.installed_engines():
            remedy = f"pip install 'pytest-slm[{ENGINE_MODULES[settings.engine][1]}]'"
            raise UsageError(f"--slm-engine={settings.engine}: not installed: {remedy}", slug="missing-extra")

    def load(self) -> Callable[..., Any]:
        """The backend's class. Imports the engine, so only the model's process calls this."""
        module, _, name = self.target.partition(":")
        return cast(Callable[..., Any], getattr(importlib.import_module(module), name))


def _importable(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except (ImportError, ValueError):  # hidden on purpose: None in sys.modules, or an import hook that says no
        return False


class Backends:
    """The registered backends, by name."""

    def __init__(self) -> None:
        self._entries: dict[str, BackendEntry] = {}
        self.register(
            "llamacpp",
            "pytest_slm.backends.llamacpp:LlamaCpp",
            formats=("gguf",),
            needs=("numpy",),
            engines=tuple(ENGINE_MODULES),
        )
        self.register(
            "hf",
            "pytest_slm.backends.hf:Transformers",
            formats=("safetensors",),
            needs=("torch", "transformers", "safetensors"),
            extra="hf",
        )
        self.register(
            "server",
            "pytest_slm.backends.server:Server",
            formats=("server",),
            needs=("httpx",),
            extra="server",
        )
        self.register("fake", "pytest_slm.backends.fake:Fake", formats=("fake",))

    def register(
        self,
        name: str,
        target: str,
        *,
        formats: tuple[str, ...],
        needs: tuple[str, ...] = (),
        extra: str | None = None,
        engines: tuple[str, ...] = (),
    ) -> None:
        """Make ``target`` ("module:Class") the backend ``name`` for the given formats; a later name wins a format."""
        if name in self._entries:
            raise UsageError(f"two plugins register the backend {name!r}", slug="backend-twice")
        if ":" not in target:
            raise UsageError(f"backend {name!r}: target must be 'module:Class', not {target!r}", slug="backend-target")
        self._entries[name] = BackendEntry(
            name=name, target=target, formats=formats, needs=needs, extra=extra, engines=engines
        )

    def find(self, format_: str, name: str | None = None) -> BackendEntry:
        """The backend called ``name``, or the last one registered for the format."""
        if name is not None:
            if name not in self._entries:
                raise UsageError(
                    f"--slm-backend={name}: unknown backend. {did_you_mean(name, self._entries)}",
                    slug="unknown-backend",
                )
            return self._entries[name]
        for entry in reversed(self._entries.values()):
            if format_ in entry.formats:
                return entry
        formats = sorted({known for entry in self._entries.values() for known in entry.formats})
        raise UsageError(
            f"no backend opens the format {format_!r} (known: {', '.join(formats)})", slug="unknown-format"
        )
