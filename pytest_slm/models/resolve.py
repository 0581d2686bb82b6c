"""From a model reference on the command line to a Submission."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from urllib.parse import SplitResult, urlsplit

from pytest_slm.core.record import is_loopback
from pytest_slm.core.types import Quantization, Submission, WeightsHeader
from pytest_slm.errors import UsageError, did_you_mean
from pytest_slm.files import dangling, read_json, special
from pytest_slm.load import load_submission
from pytest_slm.models.detect import detect
from pytest_slm.models.naming import as_file_name, as_name, model_name, slugify
from pytest_slm.models.packages import packaged_files

REPO = re.compile(
    r"(?P<repo>[A-Za-z0-9][\w.-]{0,95}/[A-Za-z0-9][\w.-]{0,95})(@(?P<revision>[\w./-]{1,128}))?", re.ASCII
)
YAML = (".yml", ".yaml")

SERVED = "server"
"""The format of weights that a server holds, and the name of the backend for them."""

_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")


def resolve(reference: str, *, submissions: Path | None = None, offline: bool = False) -> Submission:
    """The Submission that ``reference`` means: the address of a server (``http://...``), ``pkg:NAME``, a .gguf file, a
    folder with safetensors, a submission's path or slug, ``fake``, ``fake:SCRIPT.json`` or a Hub repo id ``org/name``,
    tried in this order.

    Raises UsageError (``unknown-model`` where nothing fits), and NotAvailableError for a Hub repo without the client.
    """
    folder = Path("submissions") if submissions is None else submissions
    path = Path(reference)
    if _is_address(reference):
        return _served(reference, offline=offline)
    if reference.startswith("pkg:"):
        return _from_package(reference)
    if what := dangling(path):
        raise UsageError(f"{reference}: {what}; check where the file is", slug="unknown-model")
    if path.suffix.lower() == ".gguf":
        return _from_gguf(path, reference)
    if _is_dir(path):
        return _from_folder(path, reference)
    declared = _submission_file(reference, folder)
    if declared is not None:
        return completed(load_submission(declared), offline=offline)
    if reference == "fake" or reference.startswith("fake:"):
        return _fake(reference)
    match = REPO.fullmatch(reference)
    if match and ".." not in reference:
        from pytest_slm.models import hub  # at use: the client is an optional package

        return hub.as_submission(hub.listing(match["repo"], match["revision"], offline=offline), origin=reference)
    raise UsageError(
        f"{reference!r:.200} is no model: no such .gguf file or folder with safetensors, no submission in {folder}/, "
        f"no pkg:NAME, not 'fake', and no Hub repo id (org/name). {did_you_mean(reference[:200], slugs(folder))}",
        slug="unknown-model",
    )


def completed(submission: Submission, *, offline: bool) -> Submission:
    """A submission that only names its ``hf_repo`` gets the quantizations that are there."""
    if submission.quantizations or submission.hf_repo is None:
        return submission
    from pytest_slm.models import hub

    found = hub.listing(submission.hf_repo, submission.revision, offline=offline)
    return replace(submission, quantizations=found.quantizations, revision=submission.revision or found.revision)


def slugs(folder: Path) -> tuple[str, ...]:
    """The slugs of the submissions in ``folder``; the template is none."""
    return tuple(sorted(path.stem for path in _files(folder) if path.suffix in YAML and path.stem != "template"))


def _submission_file(reference: str, folder: Path) -> Path | None:
    path = Path(reference)
    if path.suffix.lower() in YAML:
        _refuse_special(reference, path)
        if not path.is_file():
            near = did_you_mean(path.name, [other.name for other in _files(path.parent) if other.suffix in YAML])
            raise UsageError(f"{reference}: no such submission. {near}", slug="unknown-model")
        return path
    for suffix in YAML:
        candidate = folder / f"{reference}{suffix}"
        if re.fullmatch(r"[a-z0-9_][a-z0-9._-]{0,99}", reference) and candidate.is_file():
            return candidate
    return None


def _from_package(reference: str) -> Submission:
    name = reference.removeprefix("pkg:").strip()
    files, version = packaged_files(name)
    found = _with_names(files)
    first = detect(files[next(iter(found.values()))])
    quantizations = (
        Quantization(name=quantization, format="gguf", source=f"pkg:{name}", file=file)
        for quantization, file in found.items()
    )
    return Submission(
        slug=slugify(re.sub(r"[-_.]+", "-", name)),
        name=_called(files[next(iter(found.values()))], first),
        quantizations=tuple(quantizations),
        revision=version,
        architecture=first.architecture,
        context_length=first.context_length,
        license=first.license,
        origin=reference,
    )


def _called(path: Path, detected: WeightsHeader) -> str:
    """A file that names model and quantization is named for people; others are known by what their header says."""
    named = model_name(path.stem)
    return as_name(named if named != path.stem else detected.name or named)


def _with_names(files: dict[str, Path]) -> dict[str, str]:
    """Quantization, as the header tells it, to file; files of the same quantization keep their own names."""
    names: dict[str, str] = {}
    for file, path in sorted(files.items()):
        if re.search(r"-(?!00001)\d{5}-of-\d{5}\.gguf$", file, re.IGNORECASE):
            continue
        name = as_file_name(detect(path).quantization or path.stem)
        names[name if name not in names else as_file_name(path.stem)] = file
    return names


def _from_gguf(path: Path, reference: str) -> Submission:
    _refuse_special(reference, path)
    if not path.is_file():
        near = [other.name for other in _files(path.parent) if other.suffix.lower() == ".gguf"]
        hint = did_you_mean(path.name, near) if near else "Check the path."
        raise UsageError(f"{reference}: no such file. {hint}", slug="unknown-model")
    found = detect(path)
    folder = str(path.absolute().parent)
    return Submission(
        slug=slugify(model_name(path.stem)),
        name=_called(path, found),
        quantizations=(
            Quantization(
                name=as_file_name(found.quantization or path.stem), format="gguf", source=folder, file=path.name
            ),
        ),
        architecture=found.architecture,
        context_length=found.context_length,
        license=found.license,
        origin=reference,
    )


def _from_folder(path: Path, reference: str) -> Submission:
    names = [other.name for other in _files(path)]
    if "config.json" not in names or not any(name.endswith(".safetensors") for name in names):
        ggufs = [name for name in names if name.lower().endswith(".gguf")]
        hint = f"name one of its files: {', '.join(ggufs[:5])}" if ggufs else "choose a folder that holds both"
        if any(name.endswith((".bin", ".pt", ".pth", ".ckpt")) for name in names) and not ggufs:
            hint = "pickled weights can run code when loaded and are refused; convert them to safetensors"
        raise UsageError(f"{reference}: a folder without config.json and *.safetensors; {hint}", slug="unknown-model")
    found = detect(path)
    name = path.absolute().name
    return Submission(
        slug=slugify(name),
        name=as_name(name),
        quantizations=(
            Quantization(
                # A configuration may say anything of how its weights are packed.
                name=as_file_name(found.quantization or "safetensors"),
                format="safetensors",
                source=str(path.absolute()),
            ),
        ),
        architecture=found.architecture,
        context_length=found.context_length,
        license=found.license,
        origin=reference,
    )


def _fake(reference: str) -> Submission:
    script = reference.removeprefix("fake").removeprefix(":") or None
    if script is not None:
        _refuse_special(reference, Path(script))
    if script is not None and not Path(script).is_file():
        raise UsageError(f"{reference}: no such script; check the path of the JSON file", slug="unknown-model")
    try:
        content = read_json(script) if script else {}
        names = [str(name) for name in content.get("quantizations", ["scripted"])]
        quantizations = tuple(Quantization(name=name, format="fake", source=None, file=script) for name in names)
    except (OSError, ValueError, AttributeError, TypeError) as error:
        raise UsageError(f"{reference}: the script cannot be read as JSON ({error})", slug="unknown-model") from None
    return Submission(slug="fake", name="fake", quantizations=quantizations, origin=reference)


def _refuse_special(reference: str, path: Path) -> None:
    if what := special(path):
        raise UsageError(f"{reference}: {what}; check the path", slug="unknown-model")


def _is_dir(path: Path) -> bool:
    try:
        return path.is_dir()
    except (OSError, ValueError):  # a name that is too long, or holds a NUL
        return False


def _files(folder: Path) -> list[Path]:
    try:
        return sorted(folder.iterdir())
    except (OSError, ValueError):
        return []


# -- a model that a server holds ---------------------------------------------------------------------------------------


def _is_address(reference: str) -> bool:
    """Whether a model reference is meant as the address of a server."""
    return _SCHEME.match(reference) is not None


def _served(reference: str, *, offline: bool = False) -> Submission:
    """The submission for the model behind an address such as ``http://127.0.0.1:8080/v1``. Raises UsageError for an
    address that is none, that says who asks (keys come from ``SLM_API_KEY`` only), or that ``offline`` forbids."""
    parts = _address(reference)
    place = parts.netloc.lower()
    if offline and not is_loopback(parts.hostname or ""):
        raise UsageError(
            f"--slm-model: {place} is another machine, and --slm-offline uses no network: leave out one of them",
            slug="server-offline",
        )
    path = parts.path.rstrip("/") or "/v1"
    return Submission(
        slug=slugify(f"server-{place}".replace(":", "-")),
        name=place,
        quantizations=(Quantization(name="served", format=SERVED),),
        origin=f"{parts.scheme.lower()}://{place}{path}",
    )


def _address(reference: str) -> SplitResult:
    problem = ""
    try:
        parts = urlsplit(reference)
        host, _ = parts.hostname, parts.port
    except ValueError as error:  # a port that is no number, half an IPv6 address
        raise _no_address(str(error)) from None
    if "@" in parts.netloc or parts.username or parts.password:
        problem = "it says who asks; give the key as SLM_API_KEY in the environment, and leave it out of the address"
    elif parts.query or parts.fragment or "?" in reference or "#" in reference:
        problem = "nothing may stand behind its path (a key is SLM_API_KEY in the environment)"
    elif parts.scheme.lower() not in ("http", "https"):
        problem = f"{parts.scheme:.20}:// is neither http:// nor https://"
    elif not host or not re.fullmatch(r"[\w.:-]+", host, re.ASCII) or not re.fullmatch(r"[\w/.~-]*", parts.path):
        problem = "expected http://HOST:PORT/v1"
    if problem:
        raise _no_address(problem)
    return parts


def _no_address(problem: str) -> UsageError:
    # The address itself is not quoted: what is wrong with it may be the key in it.
    return UsageError(f"--slm-model: no address of a server: {problem}", slug="server-address")
