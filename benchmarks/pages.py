"""How heavy and how quick the pages of a site are: bytes, requests, first paint, and the wait behind a key and a click.

    python -m benchmarks.pages --models 1000 --turns 7
    python -m benchmarks.pages --site public

Without ``--site`` it makes a site of so many models, each with other scores, by the factory of the tests. Every turn is
a new browser profile behind a processor that is throttled; pages come from a server here, without compression.
"""

from __future__ import annotations

import argparse
import functools
import gzip
import http.server
import importlib.util
import random
import statistics
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks.common.arguments import checked, count, with_out
from benchmarks.common.browser import chromium
from benchmarks.common.outcome import recorded, spread, table
from pytest_slm.registry import build_registry, write_registry
from pytest_slm.site.build import build_site

FACTORY = Path(__file__).parents[1] / "tests" / "registry" / "factory" / "__init__.py"
FAMILIES = ("SmolLM2", "Qwen3", "Gemma 3", "Llama 3.2", "Phi 4 mini", "Granite 4", "Falcon H1", "OLMo 2")
QUANTIZATIONS = ("Q8_0", "Q4_K_M", "Q4_0", "FP16")
TYPED = "smol q4"
SORTED = ("tps", "size", "name")
EVENTS = """() => {
  window.waits = [];
  new PerformanceObserver((list) => {
    for (const one of list.getEntries()) {
      if (one.interactionId) window.waits.push([one.name, one.duration, one.processingEnd - one.processingStart]);
    }
  }).observe({ type: "event", durationThreshold: 16 });
}"""
GOALS = {
    "home bytes": 400e3,
    "home bytes, gzip": 150e3,
    "first paint": 1000.0,
    "loaded": 2000.0,
    "key": 50.0,
    "sort": 50.0,
    "other page, bytes": 150e3,
    "other page, requests": 3.0,
}
"""The most that each may be, in bytes or milliseconds."""


def varied_site(folder: Path, models: int, files: int) -> Path:
    """A site of so many models of ``files`` quantizations each, whose names and scores are all different."""
    spec = importlib.util.spec_from_file_location("slm_report_factory", FACTORY)
    if spec is None or spec.loader is None:
        raise SystemExit(f"{FACTORY}: not there; run it from the checkout, or give --site")
    factory: Any = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = factory
    spec.loader.exec_module(factory)
    rng = random.Random(0)
    runs = []
    for number in range(models):
        name = f"{rng.choice(FAMILIES)} {rng.randint(100, 3999)}M variant {number}"
        repo, quality, mode = (
            f"org-{number % 97}/m{number}",
            rng.uniform(0.2, 0.8),
            rng.choice(("full", "full", "quick")),
        )
        suites = rng.choice((("rag", "core"), ("rag", "core", "coding"), ("reasoning", "rag", "core", "coding")))
        for quantization in QUANTIZATIONS[:files]:
            runs.append(
                factory.make_run(
                    quantization, mode, slug=f"m{number}", name=name, hf_repo=repo, quality=quality, suites=suites,
                    modern=True,
                )
            )  # fmt: skip
    found = [factory.with_questions(run, f"{number}/report.json") for number, run in enumerate(runs)]
    write_registry(folder / "registry", build_registry(found))
    build_site(folder / "registry", folder / "site")
    return folder / "site"


@contextmanager
def served(site: Path) -> Iterator[str]:
    """The address of a server of the folder."""

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_request(self, code: object = "-", size: object = "-") -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(site)))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/"
    finally:
        server.shutdown()
        server.server_close()


class Visit:
    """A page in a profile of its own, and every answer that it got."""

    def __init__(self, browser: Any, throttle: int = 1) -> None:
        self.context = browser.new_context(viewport={"width": 1280, "height": 900})
        self.page = self.context.new_page()
        if throttle > 1:
            self.context.new_cdp_session(self.page).send("Emulation.setCPUThrottlingRate", {"rate": throttle})
        self.responses: list[Any] = []
        # The icon stands in the page itself: that is no request.
        self.page.on("response", lambda one: one.url.startswith("data:") or self.responses.append(one))

    def weight(self) -> tuple[int, int, int]:
        """Requests, bytes, and bytes as gzip makes them; of other hosts none may be."""
        bodies = [response.body() for response in self.responses]
        return len(bodies), sum(map(len, bodies)), sum(len(gzip.compress(body)) for body in bodies)

    def foreign(self, address: str) -> list[str]:
        """What was asked of others."""
        return [response.url for response in self.responses if not response.url.startswith(address)]


def turn(browser: Any, address: str, throttle: int) -> dict[str, float]:
    """One look at the home page, in milliseconds: a wait is from the key or click to the next picture, as the browser
    counts it (in steps of 8 ms; what is below 16 ms counts as 16). The pointer rests on a header before it is clicked,
    and clicks by itself: playwright's own click looks several times at what lies under it, on the same processor."""
    visit = Visit(browser, throttle)
    page = visit.page
    page.goto(f"{address}index.html", wait_until="load")
    page.wait_for_function("() => performance.getEntriesByName('first-contentful-paint').length")
    paint = page.evaluate("performance.getEntriesByName('first-contentful-paint')[0].startTime")
    loaded = page.evaluate("performance.getEntriesByType('navigation')[0].loadEventEnd")
    page.evaluate(EVENTS)
    page.focus("#q")
    for letter in TYPED:
        page.keyboard.press("Space" if letter == " " else letter)
        page.wait_for_timeout(60)
    keys = page.evaluate("window.waits.splice(0)")
    page.fill("#q", "")
    page.wait_for_timeout(200)
    page.evaluate("window.waits.splice(0)")
    for column in SORTED:
        box = page.locator(f"thead [data-key={column}] button").bounding_box()
        page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
        page.wait_for_timeout(200)
        page.mouse.down()
        page.mouse.up()
        page.wait_for_timeout(300)
    clicks = page.evaluate("window.waits.splice(0)")
    visit.context.close()
    return {
        "first paint": paint,
        "loaded": loaded,
        "key": max((wait for _, wait, _ in keys), default=16.0),
        "key, script": max((work for _, _, work in keys), default=0.0),
        "sort": max((wait for _, wait, _ in clicks), default=16.0),
        "sort, script": max((work for _, _, work in clicks), default=0.0),
    }


def others(site: Path) -> list[str]:
    """The heaviest page of each folder, all tools, and those at the top."""
    folders: dict[str, Path] = {}
    for path in sorted(site.rglob("*.html")):
        name = path.relative_to(site).as_posix()
        kind = name if "/" not in name or name.startswith("tools/") else name.partition("/")[0]
        if name != "index.html" and (kind not in folders or path.stat().st_size > folders[kind].stat().st_size):
            folders[kind] = path
    return [path.relative_to(site).as_posix() for path in folders.values()]


def measure(site: Path, options: argparse.Namespace, document: dict[str, Any]) -> None:
    """Everything, into the document."""
    with served(site) as address, chromium() as browser:
        document["browser"] = browser.version
        for _ in range(options.turns):
            document["rounds"].append(turn(browser, address, options.throttle))
        foreign = []
        for name in ["index.html", *others(site)]:
            visit = Visit(browser)
            visit.page.goto(f"{address}{name}", wait_until="load")
            requests, raw, packed = visit.weight()
            document["pages"].append({"page": name, "requests": requests, "bytes": raw, "gzip": packed})
            foreign += visit.foreign(address)
            visit.context.close()
        document["foreign"] = foreign


def told(document: dict[str, Any]) -> str:
    """The outcome as a table, each number beside its goal."""
    home, *rest = document["pages"]
    heaviest = max(rest, key=lambda page: page["bytes"])
    asked = max(rest, key=lambda page: page["requests"])
    values: dict[str, tuple[float, str]] = {
        "home bytes": (home["bytes"], ""),
        "home bytes, gzip": (home["gzip"], ""),
        "other page, bytes": (heaviest["bytes"], heaviest["page"]),
        "other page, requests": (asked["requests"], asked["page"]),
    }
    for name in document["rounds"][0] if document["rounds"] else ():
        found = [one[name] for one in document["rounds"]]
        values[name] = (statistics.median(found), f"{min(found):.0f}-{max(found):.0f}, n = {len(found)}")
    rows = []
    for name, (value, note) in values.items():
        goal = GOALS.get(name)
        rows.append(
            (
                name,
                f"{value:,.0f}",
                "" if goal is None else f"{goal:,.0f}",
                "" if goal is None or value <= goal else "MISSED",
                note,
            )
        )
    return table(rows, ("", "measured", "at most", "", ""))


def main() -> None:
    """Measure as the arguments say."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--site", type=Path, help="a site that is there (default: one is made)")
    parser.add_argument("--models", type=count, default=1000, metavar="N", help="of the site that is made")
    parser.add_argument("--files", type=count, default=1, metavar="N", help="quantizations of each, at most 4")
    parser.add_argument("--turns", type=count, default=7, metavar="N", help="looks at the home page")
    parser.add_argument("--throttle", type=count, default=4, metavar="N", help="times slower than this processor")
    options = checked(with_out(parser), ["playwright"])
    with tempfile.TemporaryDirectory() as folder:
        site = options.site or varied_site(Path(folder), options.models, options.files)
        about = {"site": str(options.site or "made"), "models": options.models, "files": options.files, "pages": []}
        with recorded(options.out, "pages", {**about, "throttle": options.throttle}) as document:
            measure(site, options, document)
            document["spread"] = {
                name: spread([one[name] for one in document["rounds"]]) for name in document["rounds"][0]
            }
        print(told(document))
        for page in document["pages"][1:]:
            if page["bytes"] > GOALS["other page, bytes"] or page["requests"] > GOALS["other page, requests"]:
                print(f"above a goal: {page['page']}, {page['bytes']:,d} bytes, {page['requests']} requests")
        if document["foreign"]:
            print(f"asked of others: {', '.join(document['foreign'])}")


if __name__ == "__main__":
    main()
