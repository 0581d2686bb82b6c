"""The tools of a small registry, each opened from its folder."""

from __future__ import annotations

import pytest

from pytest_slm.site.build import build_site


@pytest.fixture(scope="module")
def site(tmp_path_factory, registry_file, modern_runs):
    folder = tmp_path_factory.mktemp("tools") / "site"
    build_site(registry_file(modern_runs), folder)
    return folder / "tools"


@pytest.fixture(scope="module")
def tool(site, chromium):
    """Opens a tool from its folder; what the browser notices is in ``messages`` and ``asked``."""
    context = chromium.new_context(viewport={"width": 1000, "height": 900})
    page = context.new_page()
    page.messages, page.asked = [], []
    page.on("console", lambda message: page.messages.append(message.text))
    page.on("pageerror", lambda error: page.messages.append(str(error)))
    page.on("request", lambda request: page.asked.append(request.url))

    def opened(name):
        page.messages.clear()
        page.asked.clear()
        page.goto((site / f"{name}.html").as_uri())
        return page

    yield opened
    context.close()
