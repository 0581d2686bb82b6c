"""Which file declares a task, a group or a tag of lm-eval, found without parsing the YAML of all of its tasks.

lm-eval's own index loads more than ten thousand files as YAML, which takes seconds. Here one file is looked for by its
name; if that fails, the text of all files is searched once (0.5 s) for what they declare.
"""

from __future__ import annotations

import functools
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pytest_slm.errors import UsageError, did_you_mean
from pytest_slm.lm_eval import seam

_DECLARES = re.compile(r"""^["']?(?:task|group)["']?: *(["']?)([^"'\n\[{#]+?)\1 *(?:#.*)?$""", re.MULTILINE)
_BLOCK = r"""^["']?{key}["']?:(.*(?:\n[ \t-].*)*)"""
_TAG = re.compile(_BLOCK.format(key="tag"), re.MULTILINE)
_INCLUDE = re.compile(_BLOCK.format(key="include"), re.MULTILINE)
_WORD = re.compile(r"""[^\s"',\[\]#]+""")


class TaskFiles(dict[str, Any]):
    """lm-eval's registry of entries, for its ``TaskFactory``: an entry is looked for when it is asked for."""

    def __contains__(self, name: object) -> bool:
        return super().__contains__(name) or (isinstance(name, str) and _known(name))

    def __missing__(self, name: str) -> Any:
        path = find(name)
        if path is None:
            members = tag_members(name)
            if not members:
                raise UsageError(
                    f"lm-eval has no task {name!r} (no file of its tasks says `task: {name}`). "
                    f"{_hint(name, _index().declared)}",
                    slug="lm-eval-task",
                )
            self[name] = seam.tag_entry(name, members)
        else:
            self[name] = seam.entry(name, path)
        return self[name]


@functools.cache
def find(name: str) -> Path | None:
    """The file that declares the task or group of this name, or None. A file's own name says little: ten are called
    mmlu_anatomy.yaml, and social_iqa stands in siqa.yaml, while two files called social_iqa.yaml declare others."""
    named = [path for path in _files() if path.endswith(f"{os.sep}{name}.yaml")]
    if _index.cache_info().currsize:  # then the rest has been read already
        named += filter(None, [_index().declared.get(name)])
    else:
        named += [path for path in _files() if path.endswith(".yaml") and path not in named]
    word = name.encode()
    for path in named:
        if word in (content := Path(path).read_bytes()) and name in _declared(content.decode("utf-8", "replace")):
            return Path(path)
    return None


@functools.cache
def tag_members(tag: str) -> tuple[str, ...]:
    """The tasks that carry a tag, themselves or through a file that they include, in alphabetical order."""
    index = _index()
    carriers = {path for path, tags in index.tags.items() if tag in tags}
    found: set[str] = set()
    while carriers - found:
        found |= carriers
        names = {path.rpartition(os.sep)[2] for path in carriers}
        carriers = {path for path, included in index.includes.items() if included & names}
    members = set()
    for path in found:
        settings = seam.read(Path(path)) if path.endswith(".yaml") else {}
        tags = settings.get("tag") or ()
        if isinstance(settings.get("task"), str) and tag in ([tags] if isinstance(tags, str) else tags):
            members.add(settings["task"])
    return tuple(sorted(members))


@dataclass(frozen=True)
class _Index:
    """What the files say, by their paths; of included files only the last part of their names."""

    declared: Mapping[str, str]
    tags: Mapping[str, frozenset[str]]
    includes: Mapping[str, frozenset[str]]


@functools.cache
def _index() -> _Index:
    declared: dict[str, str] = {}
    tags: dict[str, frozenset[str]] = {}
    includes: dict[str, frozenset[str]] = {}
    for path in _files():
        text = Path(path).read_text("utf-8", "replace")
        if path.endswith(".yaml"):
            for name in _declared(text):
                declared.setdefault(name, path)
        if (block := _TAG.search(text)) is not None:
            tags[path] = frozenset(_WORD.findall(block[1]))
        if (block := _INCLUDE.search(text)) is not None:
            includes[path] = frozenset(word.rpartition("/")[2] for word in _WORD.findall(block[1]))
    return _Index(declared, tags, includes)


@functools.cache
def _files() -> tuple[str, ...]:
    """All YAML files of lm-eval's tasks, those that are only included (``_template_yaml``) too, in a fixed order.

    As text: a ``Path`` for each of 14,000 takes longer than to read them.
    """
    return tuple(sorted(_walk(str(seam.package() / "tasks"))))


def _walk(root: str) -> Iterator[str]:
    for folder, _, names in os.walk(root):
        # Templates that other files include have names such as _template_yaml, or without any such word.
        yield from (f"{folder}{os.sep}{name}" for name in names if "yaml" in name or "." not in name)


def _declared(text: str) -> set[str]:
    return {match[2].strip() for match in _DECLARES.finditer(text)}


def _known(name: str) -> bool:
    return find(name) is not None or bool(tag_members(name))


def _hint(name: str, known: Mapping[str, str]) -> str:
    told = did_you_mean(name, known)
    return told if told.startswith("Did") else "`lm-eval ls tasks` lists them."


def leaves(name: str, registry: TaskFiles | None = None) -> Iterator[Mapping[str, Any]]:
    """What the files say of the task of this name, or of every task in the group or tag. Raises UsageError."""
    registry = registry or TaskFiles()
    entry = registry[name]
    settings = seam.read(Path(entry.yaml_path)) if entry.yaml_path else {}
    if not entry.yaml_path:
        members: Any = sorted(entry.tags)
    elif isinstance(settings.get("task"), list):
        members = settings["task"]
    else:
        yield settings
        return
    for member in members:
        inside = member if isinstance(member, str) else member.get("task") or member.get("group")
        if isinstance(inside, str) and inside in registry:
            yield from leaves(inside, registry)
