"""Pages in a real browser: nothing foreign runs, nothing is fetched, everybody can read them."""

from __future__ import annotations

import pytest

from pytest_slm.site.build import build_site

CONTRAST = """() => {
  // The colour that is really behind a text: the nearest ancestor that paints one.
  const parse = (text) => (text.match(/[\\d.]+/g) || []).map(Number);
  const luminance = ([r, g, b]) => [r, g, b].map((v) => {
    v /= 255;
    return v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4;
  }).reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
  const behind = (node) => {
    for (; node; node = node.parentElement) {
      const colour = parse(getComputedStyle(node).backgroundColor);
      if (colour.length === 3 || colour[3] > 0) return colour;
    }
    return [255, 255, 255];
  };
  const bad = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const node = walker.currentNode.parentElement;
    if (!walker.currentNode.data.trim() || !node.getClientRects().length || node.closest("svg")) continue;
    const style = getComputedStyle(node);
    const [one, two] = [luminance(parse(style.color)), luminance(behind(node))];
    const ratio = (Math.max(one, two) + 0.05) / (Math.min(one, two) + 0.05);
    const large = parseFloat(style.fontSize) >= 24 || (parseFloat(style.fontSize) >= 18.66 && style.fontWeight >= 700);
    if (ratio < (large ? 3 : 4.5)) bad.push(`${node.tagName}.${node.className} ${ratio.toFixed(2)}`);
  }
  return [...new Set(bad)];
}"""

STRUCTURE = """() => {
  const problems = [];
  if (document.documentElement.lang !== "en") problems.push("no lang");
  if (!document.title.trim()) problems.push("no title");
  if (document.querySelectorAll("h1").length !== 1) problems.push("not one h1");
  if (document.querySelectorAll("main").length !== 1) problems.push("not one main");
  let last = 0;
  for (const heading of document.querySelectorAll("h1, h2, h3, h4, h5, h6")) {
    const level = Number(heading.tagName[1]);
    if (level > last + 1) problems.push(`h${last} then h${level}: ${heading.textContent.slice(0, 40)}`);
    last = level;
  }
  for (const field of document.querySelectorAll("input, select")) {
    if (!field.labels.length) problems.push(`no label: ${field.id}`);
  }
  for (const link of document.querySelectorAll("a, button, summary")) {
    if (!link.textContent.trim()) problems.push("a link without text");
  }
  // A mark inside of a picture is part of it; what is hidden from all readers but those who see has no name.
  for (const image of document.querySelectorAll("svg:not(svg svg, [aria-hidden])")) {
    if (image.getAttribute("role") !== "img" || !image.querySelector("title")?.textContent) problems.push("no text");
  }
  for (const cell of document.querySelectorAll("th")) {
    if (!cell.hasAttribute("scope")) problems.push("th without scope");
  }
  for (const table of document.querySelectorAll("table")) {
    if (!table.caption?.textContent.trim()) problems.push("table without caption");
  }
  return [...new Set(problems)];
}"""

TOOLS = ("memory", "hardware", "cost", "command", "tokenizer", "report")
OPEN_ALL = "() => document.querySelectorAll('details').forEach((details) => { details.open = true; })"


def test_no_message_no_violation_and_no_request_but_its_own_files(look, kind):
    seen = look(kind)
    assert seen.messages == []
    assert all(url.startswith("file://") for url in seen.requests)
    assert seen.page.evaluate("getComputedStyle(document.body).fontVariantNumeric") == "tabular-nums"


def test_no_page_scrolls_sideways(look, kind):
    seen = look(kind)
    seen.page.evaluate(OPEN_ALL)
    for width in (1280, 768, 390, 320):
        seen.page.set_viewport_size({"width": width, "height": 900})
        assert seen.page.evaluate("document.documentElement.scrollWidth") <= width
    # A sheet that scrolls inside hides numbers just as well.
    hidden = "Array.from(document.querySelectorAll('.sheet')).filter((e) => e.scrollWidth > e.clientWidth).length"
    assert seen.page.evaluate(hidden) == 0


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_text_has_enough_contrast(look, kind, scheme):
    seen = look(kind, scheme=scheme)
    assert seen.page.evaluate("matchMedia('(prefers-color-scheme: dark)').matches") == (scheme == "dark")
    seen.page.evaluate(OPEN_ALL)
    assert seen.page.evaluate(CONTRAST) == []


def test_the_contrast_check_finds_pale_text(show, tmp_path):
    (tmp_path / "pale.html").write_text("<body style='background:#fff'><p style='color:#999'>pale</p>")
    with show(tmp_path / "pale.html") as seen:
        assert seen.page.evaluate(CONTRAST) == ["P. 2.85"]


def test_structure_is_there_for_those_who_do_not_see(look, kind):
    assert look(kind).page.evaluate(STRUCTURE) == []


def test_a_page_is_little_work_for_a_browser(look, kind):
    seen = look(kind)
    assert 0 < seen.page.evaluate("document.querySelectorAll('*').length") < 5000
    # Itself, a style and a picture; and of the home a script and its data, of tools a style of theirs, too.
    most = 6 if kind.startswith("tool ") else 5 if kind == "home" else 3
    assert len(set(seen.requests)) <= most  # the picture may be asked for again


PLOT_PROBLEMS = """() => {
  const problems = [];
  const parse = (text) => (text.match(/[\\d.]+/g) || []).map(Number);
  const luminance = ([r, g, b]) => [r, g, b].map((v) => {
    v /= 255;
    return v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4;
  }).reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
  const contrast = (one, two) => {
    const [a, b] = [luminance(parse(one)), luminance(parse(two))];
    return (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
  };
  for (const plot of document.querySelectorAll("svg.lines")) {
    const sheet = plot.closest(".sheet");
    const card = getComputedStyle(sheet).backgroundColor;
    const edge = sheet.getBoundingClientRect();
    for (const text of plot.querySelectorAll("text")) {
      const box = text.getBoundingClientRect();
      if (box.left < edge.left || box.right > edge.right) problems.push(`outside: ${text.textContent}`);
      if (contrast(getComputedStyle(text).fill, card) < 4.5) problems.push(`pale text: ${text.textContent}`);
    }
    for (const line of plot.querySelectorAll("g > line")) {
      if (contrast(getComputedStyle(line).stroke, card) < 3) problems.push(`pale line: ${line.parentNode.className.baseVal}`);
    }
  }
  for (const part of document.querySelectorAll("table.stacks rect")) {
    const card = getComputedStyle(part.closest(".sheet")).backgroundColor;
    if (contrast(getComputedStyle(part).fill, card) < 3) problems.push(`pale part: ${part.className.baseVal}`);
  }
  return problems;
}"""  # noqa: E501


@pytest.mark.parametrize("kind", ["timed report", "timed model"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_plots_can_be_seen_and_stay_inside_at_every_width(look, kind, scheme):
    seen = look(kind, scheme=scheme)
    assert seen.page.locator("svg.lines").count() >= 4
    assert seen.page.locator("table.stacks rect").count() >= 6
    for width in (1280, 390, 320):
        seen.page.set_viewport_size({"width": width, "height": 900})
        assert seen.page.evaluate(PLOT_PROBLEMS) == []


def test_every_plot_has_its_numbers_as_a_table_without_scripts(show, pages):
    with show(pages["timed model"], scripts=False) as seen:
        for number in range(seen.page.locator("figure").count()):
            figure = seen.page.locator("figure").nth(number)
            marks = figure.locator("svg.lines > g > svg, svg.lines > g > circle").count()
            cells = figure.locator("table tbody td.num").count()
            assert 0 < marks <= cells


def test_the_page_can_be_used_with_the_keyboard(show, pages):
    with show(pages["home"]) as seen:
        seen.page.keyboard.press("Tab")
        assert seen.page.evaluate("document.activeElement.textContent") == "Skip to content"


def test_nothing_in_a_name_runs_anywhere(show, poisoned_pair, hostile, factory, registry_file, tmp_path):
    site = tmp_path / "site"
    build_site(registry_file(poisoned_pair), site)
    samples = {
        r.samples: [{"doc_id": hostile, "response": hostile, hostile: hostile}] for r in poisoned_pair[0].results
    }
    from pytest_slm.registry import write_text
    from pytest_slm.site.report import render_report

    report = tmp_path / "report.html"
    write_text(report, render_report(poisoned_pair[0], {key: value for key, value in samples.items() if key}))
    with show(report, width=390) as seen:
        found = [*site.glob("models/*"), *site.glob("items/*/*"), *site.glob("tasks/*-*/*"), *site.glob("hardware/*")]
        for page in [report, site / "index.html", site / "new.html", *found]:
            seen.page.goto(page.as_uri())
            seen.page.evaluate(OPEN_ALL)
            assert seen.page.title() != "pwned"
            assert seen.page.locator("img, iframe, object, embed, base, form[action]").count() == 0
            assert seen.page.evaluate("document.querySelectorAll('a[href^=javascript]').length") == 0
            assert seen.page.evaluate("document.documentElement.scrollWidth") <= 390
        assert seen.messages == []
        assert all(url.startswith("file://") for url in seen.requests)
