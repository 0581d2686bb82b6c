"""From run reports to the registry: one entry per model, every number with its interval, n and origin."""

from pytest_slm.registry.entry import Registry, RegistryEntry
from pytest_slm.registry.folder import build_folder, read_registry, write_registry
from pytest_slm.registry.merge import build_registry, build_what_can_be
from pytest_slm.registry.store import find_reports, read_report, read_samples, write_json, write_text

__all__ = [
    "Registry",
    "RegistryEntry",
    "build_folder",
    "build_registry",
    "build_what_can_be",
    "find_reports",
    "read_registry",
    "read_report",
    "read_samples",
    "write_json",
    "write_registry",
    "write_text",
]
