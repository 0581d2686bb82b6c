"""How long the whole site takes (registry, models, guides), how heavy it is, and how quick each kind of page.

    python -m benchmarks.whole --models 500 --turns 5

Facts of made-up models come from a Hub on this machine. The site is built twice and its bytes are compared; a build
with a link to nowhere fails. Then the heaviest page of each folder is opened in new browser profiles behind a throttled
processor. The goals are 60 s for the site, 100 kB a page, and 1 s until a page is loaded.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import shutil
import tempfile
import threading
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.common.arguments import checked, count, with_out
from benchmarks.common.browser import chromium
from benchmarks.common.outcome import recorded, spread, table
from benchmarks.hub import NOW, add, loopback, timed
from benchmarks.pages import Visit, others, served
from pytest_slm.docs_site import build_docs
from pytest_slm.handbook.featured import FeaturedList, FeaturedModel
from pytest_slm.handbook.pages import build_pages
from pytest_slm.handbook.sync import sync
from pytest_slm.site.build import build_site

ROOT = Path(__file__).parents[1]


def prepared(folder: Path, models: int) -> Path:
    """The guides with so many generated pages below them."""
    hub = loopback()
    threading.Thread(target=hub.serve_forever, daemon=True).start()
    os.environ |= {"HF_ENDPOINT": hub.url, "NO_PROXY": "*", "HF_HUB_DISABLE_TELEMETRY": "1"}
    os.environ.pop("HF_TOKEN", None)
    names = ["HuggingFaceTB/SmolLM2-135M-Instruct", *(f"org/model-{n:04}" for n in range(models - 1))]
    for name in names:
        add(hub, name)
    guides = folder / "docs-site"
    shutil.copytree(ROOT / "docs-site", guides)
    listed = FeaturedList(models=tuple(FeaturedModel(repo=name, tasks=("chat",)) for name in names))
    sync(listed, guides / "data", now=NOW, requests=10**6)
    hub.shutdown()
    registry = ROOT / "registry"
    timed(f"pages of {models} models", partial(build_pages, guides / "data", guides / "models", registry=registry))
    return guides


def built(guides: Path, public: Path) -> dict[str, str]:
    """Make the whole, and return the hash of each file."""
    build_site(ROOT / "registry", public, guides="guides/")
    build_docs(guides, public / "guides", registry=ROOT / "registry", repository="https://github.com/me/project")
    return {
        path.relative_to(public).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(public.rglob("*"))
        if path.is_file()
    }


def looked_at(public: Path, options: argparse.Namespace) -> list[dict[str, Any]]:
    """Of the heaviest page of each folder the milliseconds until it was painted and loaded, and who was asked."""
    names = [
        "index.html",
        *others(public),
        "guides/index.html",
        *(f"guides/{name}" for name in others(public / "guides")),
    ]
    found: dict[str, dict[str, Any]] = {}
    with served(public) as address, chromium() as browser:
        for _ in range(options.turns):
            for name in dict.fromkeys(names):
                visit = Visit(browser, options.throttle)
                visit.page.goto(f"{address}{name}", wait_until="load")
                visit.page.wait_for_function("() => performance.getEntriesByName('first-contentful-paint').length")
                paint = visit.page.evaluate("performance.getEntriesByName('first-contentful-paint')[0].startTime")
                loaded = visit.page.evaluate("performance.getEntriesByType('navigation')[0].loadEventEnd")
                one = found.setdefault(name, {"page": name, "paint": [], "loaded": [], "foreign": []})
                one["paint"].append(paint)
                one["loaded"].append(loaded)
                one["foreign"] += visit.foreign(address)
                visit.context.close()
    return list(found.values())


def main() -> None:
    """Measure as the arguments say."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", type=count, default=500, metavar="N", help="models with a page (default: 500)")
    parser.add_argument("--turns", type=count, default=5, metavar="N", help="looks at each page")
    parser.add_argument("--throttle", type=count, default=4, metavar="N", help="times slower than this processor")
    options = checked(with_out(parser), ["playwright", "zensical"])
    with tempfile.TemporaryDirectory() as name:
        guides, public = prepared(Path(name), options.models), Path(name) / "public"
        hashes = [
            timed(f"the whole site, the {time_} time", partial(built, guides, public)) for time_ in ("first", "second")
        ]
        pages = sorted((public / one for one in hashes[0] if one.endswith(".html")), key=lambda one: one.stat().st_size)
        search = sum(path.stat().st_size for path in (public / "guides").glob("search*"))
        print(f"  {len(pages)} pages, {'the same' if hashes[0] == hashes[1] else 'OTHER'} bytes twice")
        for path in pages[-5:]:
            print(f"  {path.stat().st_size / 1e3:.1f} kB {path.relative_to(public)}")
        print(f"  search: {search / 1e6:.2f} MB")
        with recorded(options.out, "whole", {"models": options.models, "throttle": options.throttle}) as document:
            document["rounds"] += looked_at(public, options)
        slowest = sorted(document["rounds"], key=lambda one: -spread(one["loaded"])["median"])
        lines = [
            (one["page"], *(f"{spread(one[kind])['median']:.0f}" for kind in ("paint", "loaded"))) for one in slowest
        ]
        print(table(lines, ("page", "first paint, ms", "loaded, ms")))
        if foreign := sorted({url for one in slowest for url in one["foreign"]}):
            print(f"asked of others: {', '.join(foreign)}")


if __name__ == "__main__":
    main()
