"""The pictures in README: the home page, a model's page, answers side by side and a report, taken of the registry and
the reports that lie in the checkout.

    python -m benchmarks.pictures

Nothing in them is arranged: the site is built as ``pytest-slm site build registry --samples reports`` builds it, and
the report is the one with the most that was measured. Needs Chromium, playwright and Pillow.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmarks.common.arguments import checked
from benchmarks.common.browser import chromium
from pytest_slm.core.types import MEASURED, RunReport
from pytest_slm.registry import read_registry, read_report, read_samples
from pytest_slm.registry.entry import RegistryEntry
from pytest_slm.site.build import build_site
from pytest_slm.site.publish import public_samples
from pytest_slm.site.report import render_report

CHECKOUT = Path(__file__).parents[1]
MOST_BYTES = 150_000
"""Of a picture."""
SIZES: Mapping[str, tuple[int, int]] = {
    "home": (1120, 900),
    "model": (1120, 1200),
    "samples": (1120, 1240),
    "report": (1120, 1100),
}
"""Width and height of each, in pixels: in README they are shown at about 800."""
COLOURS = 128
SHOWN = "#task=core/reasoning&run=Q8_0&beside=Q4_0&show=changed"
"""Of the samples: our own questions, which two quantizations answer differently."""


def fullest(reports: Path) -> tuple[Path, RunReport]:
    """The report of which the most was measured, of several the newest."""
    found = [(path, read_report(path)) for path in sorted(reports.rglob("report.json"))]
    if not found:
        raise SystemExit(f"{reports}: no report.json in it; give a folder of reports with --reports")

    def measured(one: tuple[Path, RunReport]) -> tuple[int, int, str]:
        results = [result for result in one[1].results if result.outcome in MEASURED]
        return len({result.suite for result in results}), len(results), one[1].finished or ""

    return max(found, key=measured)


def widest(models: tuple[RegistryEntry, ...]) -> RegistryEntry:
    """The model with the most files, of several the one with the most items."""
    return max(
        models, key=lambda model: (len(model.quantizations), sum(len(q.items) for q in model.quantizations.values()))
    )


def pages(folder: Path, registry: Path, reports: Path) -> Mapping[str, str]:
    """The addresses of the pages that pictures are taken of, by the name of the picture."""
    build_site(registry, folder / "site", samples=public_samples(registry, reports, print))
    path, run = fullest(reports)
    report = folder / "report.html"
    report.write_text(render_report(run, read_samples(path.parent, run)), encoding="utf-8")
    model = widest(read_registry(registry).models)
    site = folder.resolve() / "site"
    return {
        "home": (site / "index.html").as_uri(),
        "model": (site / "models" / f"{model.id}.html").as_uri(),
        "samples": f"{(site / 'samples' / f'{model.id}.html').as_uri()}{SHOWN}",
        "report": report.resolve().as_uri(),
    }


def take(found: Mapping[str, str], out: Path) -> None:
    """The pictures, into a folder, in few colours: they are flat, and README is to be light."""
    from PIL import Image

    out.mkdir(parents=True, exist_ok=True)
    with chromium() as browser:
        for name, page in found.items():
            width, height = SIZES[name]
            shown: Any = browser.new_page(viewport={"width": width, "height": height}, color_scheme="light")
            shown.goto(page, wait_until="load")
            shown.wait_for_timeout(500)
            path = out / f"{name}.png"
            shown.screenshot(path=path)
            shown.close()
            with Image.open(path) as image:
                small = image.convert("RGB").quantize(COLOURS, dither=Image.Dither.NONE)
            small.save(path, optimize=True)
            size = path.stat().st_size
            print(f"{path}: {width} x {height}, {size / 1e3:.0f} kB")
            if size > MOST_BYTES:
                raise SystemExit(f"{path}: {size} bytes, and {MOST_BYTES} at most are wanted")


def main() -> None:
    """Take the pictures as the arguments say."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--registry", type=Path, default=CHECKOUT / "registry", help="default: that of the checkout")
    parser.add_argument("--reports", type=Path, default=CHECKOUT / "reports", help="default: those of the checkout")
    parser.add_argument("--out", type=Path, default=CHECKOUT / "docs" / "images", help="default: docs/images")
    options = checked(parser, ["playwright", "PIL"])
    with tempfile.TemporaryDirectory() as folder:
        take(pages(Path(folder), options.registry, options.reports), options.out)


if __name__ == "__main__":
    main()
