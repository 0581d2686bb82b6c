"""The factory of run reports, a registry made of it, hostile names, and a browser that notes everything."""

from __future__ import annotations

import html
import os
import re
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from pytest_slm.core.types import RunReport
from pytest_slm.models.naming import as_file_name, as_name, slugify
from pytest_slm.registry import build_registry, read_samples, write_registry
from pytest_slm.site.build import build_site
from pytest_slm.site.report import render_report, write_report
from pytest_slm.site.samples.pages import SampledRun, sample_pages

HOSTILE = (
    "<script>document.title='pwned'</script>",
    '"><img src=x onerror="document.title=\'pwned\'">',
    "'><svg onload=document.title='pwned'>",
    "javascript:document.title='pwned'",
    "</style><script>document.title='pwned'</script>",
    "</title><script>document.title='pwned'</script>",
    "{{ 7 * 7 }}{% raw %}${7*7}",
    "line\u2028separator\u2029\x00\ud83d",
    "../../../etc/passwd",
    "https://evil.example/x.js",
    "W" * 300,
)


@pytest.fixture(scope="session", params=range(len(HOSTILE)))
def hostile(request: pytest.FixtureRequest) -> str:
    """A name that tries to be more than a name."""
    return HOSTILE[request.param]


def _poison(run: RunReport, text: str, quantization: str) -> RunReport:
    first, *rest = run.results
    name, quantization = as_name(text), as_file_name(quantization)  # as far as a name can be hostile at all
    return replace(
        run,
        run_id=as_file_name(text),
        quantization=quantization,
        planned=tuple(replace(item, quantization=quantization) for item in run.planned),
        submission=replace(
            run.submission,
            slug=slugify(text),
            name=name,
            hf_repo=None,
            revision="a/b",
            family=text,
            license=text,
            submitted_by=text,
            tags=(text,),
            categories=(text,),
            origin=text,
            architecture=text,
        ),
        backend=replace(run.backend, name=text, extra={text: text, "nested": {text: [text]}}),
        machine={**run.machine, "cpu": text, "fingerprint": text, text: text},
        versions={text: text},
        results=(
            replace(first, task=name, variant=name, quantization=quantization, reason=text),
            *(replace(result, quantization=quantization) for result in rest),
        ),
    )


@pytest.fixture
def poisoned(factory: ModuleType, hostile: str) -> RunReport:
    """A run report in which everything that people or files can name has the hostile name."""
    return _poison(factory.make_run(with_trouble=True), hostile, hostile)


@pytest.fixture
def poisoned_pair(factory: ModuleType, poisoned: RunReport, hostile: str) -> list[RunReport]:
    """Two quantizations of a hostile model: the second one has a page of its own for its items."""
    return [poisoned, _poison(factory.make_run("Q8_0", suites=("rag",)), hostile, f"{hostile[:50]}2")]


@pytest.fixture(scope="session")
def registry_file(
    factory: ModuleType, tmp_path_factory: pytest.TempPathFactory
) -> Callable[[Sequence[RunReport]], Path]:
    """Writes a registry of runs, with the scores of their questions."""

    def write(runs: Sequence[RunReport]) -> Path:
        path = tmp_path_factory.mktemp("registry") / "registry"
        found = [factory.with_questions(run, f"{n}/report.json") for n, run in enumerate(runs)]
        write_registry(path, build_registry(found))
        return path

    return write


@pytest.fixture(scope="session")
def runs(factory: ModuleType) -> list[RunReport]:
    """Three models on two machines: several quantizations, a quick one, one in trouble."""
    found = [factory.make_run(q) for q in ("FP16", "Q8_0", "Q4_0")]
    found.append(factory.make_run("Q4_K_M", "quick", with_trouble=True))
    found.append(factory.make_run(slug="qwen3", name="Qwen3 0.6B", hf_repo="Qwen/Qwen3-0.6B", quality=0.8))
    found.append(
        factory.make_run(
            "Q8_0",
            "quick",
            slug="gemma",
            name="Gemma 3 270M",
            hf_repo="google/gemma-3-270m",
            suites=("rag",),
            machine={"cpu": "Apple M3", "fingerprint": "m-2"},
        )
    )
    return found


@pytest.fixture(scope="session")
def modern_runs(factory: ModuleType) -> list[RunReport]:
    """Four quantizations of a model with everything that is timed today, one of them noisy."""
    return [factory.make_run(name, modern=True) for name in ("FP16", "Q8_0", "Q4_K_M", "Q4_0")]


# -- browser ------------------------------------------------------------------------------------------------------


@dataclass
class Seen:
    """What a browser noticed while it showed a page."""

    page: Any
    messages: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)


@pytest.fixture(scope="session")
def chromium() -> Iterator[Any]:
    """A headless Chromium; tests that need it are skipped where there is none."""
    sync_api = pytest.importorskip("playwright.sync_api", reason="needs playwright: pip install playwright")
    path = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, ("chromium", "google-chrome"))), None)
    if path is None:
        pytest.skip("no chromium found: install one, or name it with CHROMIUM=/path/to/chromium")
    flags = ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"]
    flags += ["--disable-component-update", "--disable-sync"]
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=flags)
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def show(chromium: Any) -> Callable[..., Any]:
    """Opens a file as a page and notes console messages, errors and every request that is no file. A tab that is no
    longer needed shows the next one: a new one is a process of its own, which takes longer than most pages. ``fresh``
    has a tab of its own, without a history, which ends at 50 pages."""
    tabs: dict[bool, list[Any]] = {True: [], False: []}

    @contextmanager
    def opened(
        path: Path, *, width: int = 1280, scheme: str = "light", scripts: bool = True, fresh: bool = False
    ) -> Iterator[Seen]:
        free = [] if fresh else tabs[scripts]
        page = free.pop() if free else chromium.new_context(java_script_enabled=scripts).new_page()
        page.set_viewport_size({"width": width, "height": 900})
        page.emulate_media(color_scheme=scheme)
        seen = Seen(page=page)
        listeners = {
            "console": lambda message: seen.messages.append(message.text),
            "pageerror": lambda error: seen.messages.append(str(error)),
            # What stands in the page itself is asked of nobody.
            "request": lambda request: request.url.startswith("data:") or seen.requests.append(request.url),
        }
        for event, listener in listeners.items():
            page.on(event, listener)
        place, _, fragment = str(path).partition("#")
        page.goto(Path(place).as_uri() + (f"#{fragment}" if fragment else ""))
        yield seen
        for event, listener in listeners.items():
            page.remove_listener(event, listener)
        if fresh:
            page.context.close()
        free.append(page)  # not behind a failure: nobody knows in what state it is

    return opened


MODEL = "huggingfacetb--smollm2-135m-instruct"
TOOLS = ("memory", "hardware", "cost", "command", "tokenizer", "report")
KINDS: Mapping[str, str] = {
    "home": "site/index.html",
    "model": f"site/models/{MODEL}.html",
    "timed model": f"timed/models/{MODEL}.html",
    "items": f"site/items/{MODEL}/Q4_K_M.html",
    "public samples": f"site/samples/{MODEL}.html",
    "methodology": "site/methodology.html",
    "task": "site/tasks/rag/niah.html",
    "task with examples": "site/tasks/core/reasoning.html",
    "use case": "site/use/rag.html",
    "use cases": "site/use/index.html",
    "machine": "timed/hardware/m-3f9a1c.html",
    "hardware": "site/hardware/index.html",
    "new": "site/new.html",
    "submit": "site/submit.html",
    "404": "site/404.html",
    "compare": "site/compare.html",
    "comparison": f"timed/compare.html#m={MODEL}@FP16,{MODEL}@Q8_0",
    "empty home": "empty/index.html",
    "report": "run/report.html",
    "timed report": "timed run/report.html",
    "samples": "run/samples.html",
    **{f"tool {name}": f"timed/tools/{name}.html" for name in ("index", *TOOLS)},
}
"""One page of each kind, by its path in the folder of ``pages``."""
READY = {"samples": ".sample", "public samples": "#list", "comparison": "table.forest", "home": "#chips"}
"""What is there when the script of a page is done."""


@pytest.fixture(scope="session", params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    """A kind of page."""
    return str(request.param)


@pytest.fixture(scope="session")
def pages(
    factory: ModuleType,
    tmp_path_factory: pytest.TempPathFactory,
    registry_file: Callable[[Sequence[RunReport]], Path],
    runs: list[RunReport],
    modern_runs: list[RunReport],
) -> Mapping[str, Path]:
    """Two sites, an empty one, and two reports of runs: a page of each kind by its name."""
    folder = tmp_path_factory.mktemp("pages")
    stored = [factory.store_run(folder / "runs", runs[3], factory.make_samples(runs[3]))]
    stored.append(factory.store_run(folder / "runs", modern_runs[1]))
    for name, path in zip(("run", "timed run"), stored, strict=True):
        path.parent.rename(folder / name)
        write_report(folder / name)
    samples = [SampledRun(run=runs[3], samples=read_samples(folder / "run", runs[3]))]
    public = sample_pages(
        samples, page=f"samples/{MODEL}.html", data=f"samples/{MODEL}", back=f"../models/{MODEL}.html",
        back_title="SmolLM2", public=True,
    )  # fmt: skip
    build_site(registry_file(runs), folder / "site", samples=public)
    build_site(registry_file(modern_runs), folder / "timed")
    build_site(registry_file([]), folder / "empty")
    return {name: folder / path for name, path in KINDS.items()}


@pytest.fixture(scope="session")
def look(show: Callable[..., Any], pages: Mapping[str, Path]) -> Iterator[Callable[..., Seen]]:
    """``look("home", scheme="dark", width=390)``: a page of each kind, opened once for all that is looked at in it. The
    tests of a kind come one after the other, so that one tab is enough."""
    opened: dict[str, Seen] = {}

    def at(kind: str, *, scheme: str = "light", width: int = 1280) -> Seen:
        if kind not in opened:
            opened.clear()
            stack.close()
            opened[kind] = stack.enter_context(show(pages[kind]))
            if kind in READY:
                opened[kind].page.wait_for_selector(READY[kind], state="attached")
        page = opened[kind].page
        page.emulate_media(color_scheme=scheme)
        page.set_viewport_size({"width": width, "height": 900})
        return opened[kind]

    with ExitStack() as stack:
        yield at


def reader_text(page: str) -> str:
    """The text of a page as a reader sees it."""
    body = re.sub(r"(?s)<(style|title)>.*?</\1>", " ", page)
    return html.unescape(re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", body))).replace("\u00a0", " ")


@pytest.fixture(scope="session")
def words() -> Callable[[str], str]:
    """``words(page)``: the text of a page as a reader sees it."""
    return reader_text


@pytest.fixture
def page(factory: ModuleType) -> Callable[..., str]:
    """The text of the report page of a run."""

    def make(samples: Any = None, **changes: Any) -> str:
        return reader_text(render_report(factory.make_run(**changes), samples or {}))

    return make
