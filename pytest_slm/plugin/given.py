"""Options of how a model is set up and asked: declared and read. And what no value of any option may be: given twice,
empty, or longer than any system takes."""

from __future__ import annotations

import contextlib
import hashlib
import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

from pytest_slm.core.record import LONGEST_PATH, RecordError
from pytest_slm.core.request import SAMPLING, TEMPLATE_STOPS, GenerationSettings
from pytest_slm.core.submission import ENGINES, KERNELS, EngineSettings
from pytest_slm.errors import UsageError
from pytest_slm.files import name_problem, read_text

PATHS = (
    *("model", "data", "reports", "run_id", "rescore", "registry", "site", "baseline", "store"),
    *("chat_template", "engine_lib"),
)
"""Options whose value is a path, or becomes a part of one."""
REPEATABLE = ("task", "gate", "set")
LISTS = ("suite", "quant", "task", "kernels")
LONGEST_TEMPLATE = 256 * 1024

GENERATION_OPTIONS = ("temperature", "top_p", "max_tokens", "system", "chat_template", "fewshot", "repeats")
SETTINGS = ("engine", "engine_lib", "kernels", "gpu_layers", *GENERATION_OPTIONS, "set")
"""The options of this file, by the names of their values."""
RECORDS = ("keep_prompts", "show_harmful", "registry", "site")
"""The options that say what is kept of a run, and what is made of it at once."""
SET_KEYS = (
    *(field.name for field in fields(EngineSettings)),
    *(name for name in SAMPLING if name not in GENERATION_OPTIONS),
)
"""What ``--slm-set`` takes."""


def add_records(add: Callable[..., None]) -> None:
    """Declare those of what is kept and made."""
    add(
        "--slm-keep-prompts",
        choices=("yes", "no"),
        default=None,
        help="yes (default): the files of samples keep what was asked and expected, on this machine; no: hashes only",
    )
    add(
        "--slm-show-harmful",
        action="store_true",
        default=None,
        help="the pages of this run show texts that may hurt, behind a click, instead of their hashes",
    )
    add("--slm-registry", metavar="DIR", help="when the run ends, make the registry of all reports in --slm-reports")
    add("--slm-site", metavar="DIR", help="when the run ends, make the site of all reports in --slm-reports")


def records_of(given: Mapping[str, Any]) -> dict[str, Any]:
    """Their values, as the fields of a ``RunConfig``."""
    places = {name: None if given[name] is None else str(path_of(given[name])) for name in ("registry", "site")}
    return {"keep_prompts": given["keep_prompts"] != "no", "show_harmful": bool(given["show_harmful"]), **places}


def add_settings(add: Callable[..., None]) -> None:
    """Declare them."""
    add(
        "--slm-engine",
        metavar="E",
        choices=("auto", *ENGINES, "all"),
        default=None,
        help="which dialect of llama.cpp computes: llama.cpp, ik (ik_llama.cpp, often faster on CPUs), auto (default: "
        "llama.cpp if it is installed), or all that are installed, each for itself: with --slm-interleave their rounds "
        "alternate",
    )
    add(
        "--slm-engine-lib",
        metavar="PATH",
        help="a libllama of your own (.so, .dylib, .dll), say one that is built for a GPU; it is looked at before "
        "anything is asked of it",
    )
    add("--slm-gpu-layers", metavar="N", type=int, help="layers that a GPU computes, of a build that can (999: all)")
    add(
        "--slm-kernels",
        metavar="K",
        help="native (default), F16 or F32, or several with commas: the same quantized weights, unpacked into that "
        "type, as rows of their own. What rounding activations costs is the difference to native, what the weights "
        "have lost is that to the original",
    )
    add(
        "--slm-served-model",
        metavar="NAME",
        help="with --slm-model=http://...: the model's name on the server (default: the only one that it has)",
    )
    add(
        "--slm-concurrency",
        metavar="N",
        type=int,
        help="with --slm-model=http://...: requests that the server gets at once (default: its slots, where it tells "
        "them, else 4)",
    )
    add(
        "--slm-temperature",
        metavar="T",
        type=float,
        help="how far chance decides what is written: 0 is greedy, which is what tasks ask for themselves",
    )
    add(
        "--slm-top-p",
        metavar="P",
        type=float,
        help="with a temperature: chance chooses among the likeliest tokens that have the share P together",
    )
    add("--slm-max-tokens", metavar="N", type=int, help="tokens of an answer at most, whatever the task says")
    add(
        "--slm-system",
        metavar="TEXT",
        help="a system message before every conversation that has none of its own",
    )
    add(
        "--slm-chat-template",
        metavar="FILE",
        help="a chat template instead of the model's own: a file of Jinja, chatml, or none: everything is asked in its "
        "plain form, as a base model is",
    )
    add("--slm-fewshot", metavar="N", type=int, help="examples before each question, of tasks that have examples")
    add(
        "--slm-repeats",
        metavar="K",
        type=int,
        help="ask each question K times, each with a seed of its own (needs --slm-temperature): the mean, with pass@k "
        "and the majority's answer beside it",
    )
    add(
        "--slm-set",
        metavar="KEY=VALUE",
        action="append",
        default=None,
        help=f"a setting of the engine or of sampling, of {', '.join(SET_KEYS)}; repeatable (docs/settings.md)",
    )


def settings_of(given: Mapping[str, Any]) -> tuple[EngineSettings, GenerationSettings, str | None]:
    """What is asked of the engine and of every text, and the source of a chat template from a file. Raises
    UsageError."""
    from pytest_slm.load.settings import read_settings  # reads YAML: sessions without a model need none

    engine, sampling = read_settings(given["set"] or (), given)
    layers = given["gpu_layers"]
    if layers is not None and not 0 <= layers < 1 << 31:
        problem = "must be a whole number from 0, and 999 are all of them"
        raise UsageError(f"--slm-gpu-layers={layers}: {problem}", slug="option-value")
    own = EngineSettings(threads=given["threads"], n_ctx=given["n_ctx"], gpu_layers=layers)
    engine = engine.overridden_by(own)
    engine = engine.overridden_by(_dialect(given, engine.engine_lib))
    template, source = _chat_template(given["chat_template"])
    said = {name: given[name] for name in GENERATION_OPTIONS} | sampling | {"chat_template": template}
    for name, value in said.items():
        _check(name, value)
    generation = GenerationSettings(**said)
    if not generation.temperature:
        named = (("repeats", (generation.repeats or 1) > 1), ("top_p", said["top_p"] is not None))
        needing = [_option(name) for name, is_said in named if is_said]
        needing += [f"--slm-set {name}" for name in sampling]
        if needing:
            raise UsageError(
                f"{needing[0]} needs chance, and answers are greedy: give a temperature too, as in "
                "--slm-temperature=0.7",
                slug="option-value",
            )
    return engine, generation, source


def _dialect(given: Mapping[str, Any], library: str | None) -> EngineSettings:
    """Which library computes. ``all`` is none of them, and what a session makes of it."""
    chosen, library = given["engine"], given["engine_lib"] or library
    if library is None:
        return EngineSettings(engine=None if chosen in ("auto", "all") else chosen)
    if chosen not in (None, "auto"):
        raise UsageError("--slm-engine and --slm-engine-lib: leave out one", slug="option-value")
    if not Path(library).is_file():
        raise UsageError(f"--slm-engine-lib={library}: no such file", slug="engine-library")
    return EngineSettings(engine_lib=str(Path(library).absolute()))


def kernels(given: str | None) -> tuple[str, ...]:
    """Whose kernels compute. Raises UsageError for a type that weights cannot be unpacked into."""
    known = {name.casefold(): name for name in ("native", *KERNELS)}
    found = [known.get(part.strip().casefold(), "") for part in (given or "native").split(",")]
    if not all(found):
        expected = f"{', '.join(known.values())}, or several of them with commas"
        raise UsageError(f"--slm-kernels={given}: expected {expected}", slug="option-value")
    return tuple(dict.fromkeys(found))


def _check(name: str, value: Any) -> None:
    try:
        GenerationSettings.check_field(name, value)
        GenerationSettings(**{name: value})
        if isinstance(value, str):
            value.encode()
    except RecordError as error:
        raise UsageError(f"{_option(name)}={value!s:.80}: {error}", slug="option-value") from None
    except UnicodeEncodeError:
        raise UsageError(f"{_option(name)}: these bytes are no text of UTF-8", slug="option-value") from None


def _chat_template(given: str | None) -> tuple[str | None, str | None]:
    """How a report calls the chat template, and its source where it is from a file."""
    if given is None or given in TEMPLATE_STOPS:
        return given, None
    try:
        source = read_text(Path(given), LONGEST_TEMPLATE)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "it is no text of UTF-8"
        raise UsageError(
            f"--slm-chat-template={given}: {reason}; expected a file, {' or '.join(TEMPLATE_STOPS)}",
            slug="chat-template",
        ) from None
    return f"{Path(given).name} ({hashlib.sha256(source.encode()).hexdigest()[:12]})", source


def _option(name: str) -> str:
    return f"--slm-{name.replace('_', '-')}"


def check_given(arguments: Sequence[object], given: Mapping[str, Any]) -> None:
    """Raise UsageError for an option that stands twice in the command line, and for one without a value (mostly a
    variable of a shell that nobody has set). What an ini file or PYTEST_ADDOPTS says the command line may replace."""
    words = list(itertools.takewhile(lambda word: word != "--", map(str, arguments)))
    for name, value in given.items():
        option = _option(name)
        if name not in REPEATABLE and sum(word == option or word.startswith(f"{option}=") for word in words) > 1:
            raise UsageError(
                f"{option} is given twice, and only one can be meant: leave out the other", slug="option-value"
            )
        for text in value if isinstance(value, list) else [value]:
            if isinstance(text, str) and name != "system":
                _check_length(name, text)
            parts = text.split(",") if isinstance(text, str) and name in LISTS else [text]
            if any(isinstance(part, str) and not part.strip() for part in parts):
                raise UsageError(
                    f"{option}={text}: an empty name; say a value, or leave the option out", slug="option-value"
                )


def _check_length(name: str, text: str) -> None:
    problem = name_problem(text) if name in PATHS or len(text) > LONGEST_PATH else ""
    if problem:
        raise UsageError(f"{_option(name)}={text:.40}…: {problem}; choose a shorter one", slug="option-value")


def path_of(text: str) -> Path:
    """A path as it is meant: most shells leave the ``~`` behind ``--slm-reports=`` to the program."""
    path = Path(text)
    with contextlib.suppress(RuntimeError):  # nobody has that name: a folder may
        path = path.expanduser()
    return path.absolute()
