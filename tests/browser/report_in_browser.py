"""The report in a real browser: pytest tests/browser/report_in_browser.py. Not among the tests that need none.

Each page at desktop and phone width, in light and dark: no request, no complaint, nothing beyond the width, texts of
pictures within them and apart from each other, colours that stand out; tables sorted by pointer and keyboard.
"""

from __future__ import annotations

import math
from pathlib import Path

import pytest
from chromium import LEAST_CONTRAST, Page
from report_rows import EVIL, failed_row, mixed_store, train_row, variance_row

from barren.sweeps.report import html

WIDE = [
    variance_row(p, seed, (1.0 + 0.3 * math.sin(p + seed)) / p, axes={"target": f"bit:{k}"})
    for p in range(101, 501, 4)
    for seed in range(2)
    for k in range(8)
]
PAGES = {
    "mixed": html(mixed_store(), title="Every kind", grids=[{"p": [101, 211], "target": EVIL}]),
    "wide": html(WIDE),
    "extreme": html(
        [variance_row(11, 0, 1e-320), variance_row(13, 0, 1e300), variance_row(2**61 - 1, 0, math.nan)]
        + [train_row(p, 1, 0, 0.5, "fails") for p in (11, 2**61 - 1)]
    ),
    "close": html([variance_row(p, 0, 1.0 + 1e-9 * p) for p in (1009, 1013, 1019)]),
    "evil": html(
        [variance_row(p, 0, 1.0, axes={"target": EVIL}) for p in (11, 13)] + [failed_row(7, EVIL)], title=EVIL
    ),
    "failures": html([failed_row(7, "ValueError: " + "x" * 900)]),
    "empty": html([]),
}


def shown(page: Page, folder: Path, name: str, width: int = 1280, scheme: str = "light") -> None:
    path = folder / f"{name}.html"
    path.write_text(PAGES[name], encoding="utf-8")
    page.requests.clear()
    page.complaints.clear()
    page.show(width, scheme)
    page.open(path)


# Texts of a picture: those that leave it, pairs that lie on each other, numbers of an axis that lie on what is drawn.
TEXTS = """
(() => {
  const wrong = [];
  for (const picture of document.querySelectorAll("figure > svg")) {
    const frame = picture.getBoundingClientRect();
    const boxes = Array.from(picture.querySelectorAll("text"), (t) => [t.textContent, t.getBoundingClientRect()]);
    const labelled = Array.from(picture.querySelectorAll("text"), (t) => !t.matches(".label, .on"));
    boxes.forEach(([text, b], k) => {
      const plot = picture.querySelector(".axis").getBoundingClientRect();
      const across = b.left < plot.right && plot.left + 1 < b.right;
      if (labelled[k] && across && b.top < plot.bottom - 1 && plot.top < b.bottom)
        wrong.push(`${text} lies on what is drawn`);
      if (b.left < frame.left - 1 || b.right > frame.right + 1 || b.top < frame.top - 1 || b.bottom > frame.bottom + 1)
        wrong.push(`${text} leaves its picture`);
      for (const [other, c] of boxes.slice(k + 1))
        if (b.left < c.right - 1 && c.left < b.right - 1 && b.top < c.bottom - 3 && c.top < b.bottom - 3)
          wrong.push(`${text} lies on ${other}`);
    });
  }
  return wrong;
})()
"""

# Contrast of the texts and lines that are seen, against the ground of the page, as WCAG 2 defines it.
CONTRAST = (
    "(() => {"
    + LEAST_CONTRAST
    + """
  return {
    ground,
    words: least("h1, h2, p, td, th, dt, dd, a, caption, figcaption, li span", "color"),
    labels: least("svg text:not(.on)", "fill"),
    lines: least("svg .line, svg .mark, svg .bare", "stroke"),
  };
})()
"""
)


@pytest.mark.parametrize("name", PAGES)
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
def test_a_page_is_readable(page, tmp_path, width, scheme, name):
    shown(page, tmp_path, name, width, scheme)
    assert page.requests == []
    assert page.complaints == []
    assert page.run("document.documentElement.scrollWidth") <= width
    assert page.run("Array.from(document.querySelectorAll('figure, .scroll, dl, .tiles, pre, p'), "
                    "(e) => e.getBoundingClientRect().right).every((right) => right <= innerWidth)")  # fmt: skip
    assert page.run(TEXTS) == []
    found = page.run(CONTRAST)
    assert (found["ground"] < 0.1) == (scheme == "dark")
    assert found["words"] >= 4.5
    assert found["labels"] >= 4.5
    assert found["lines"] >= 3.0
    assert page.run("window.broken === undefined")
    assert page.run("document.querySelectorAll('img, iframe, script:not(body > script)').length") == 0


TABLE = """
const table = (caption) =>
  Array.from(document.querySelectorAll("table")).find((found) => found.caption.textContent.startsWith(caption));
"""


def column(page: Page, caption: str, place: int) -> list[str]:
    """What a column is sorted by, top to bottom."""
    cells = f"Array.from(table({caption!r}).tBodies[0].rows, (row) => row.cells[{place}])"
    return page.run(f"{{ {TABLE} {cells}.map((cell) => cell.dataset.sort ?? cell.textContent) }}")


def heading(page: Page, caption: str, name: str) -> int:
    """The place of a heading; it is scrolled to, and its button has the focus."""
    return page.run(
        f"""{{ {TABLE}
        const cells = Array.from(table({caption!r}).tHead.rows[0].cells);
        window.heading = cells.find((cell) => cell.textContent === {name!r});
        heading.scrollIntoView({{ block: "center", inline: "center" }});
        heading.querySelector("button").focus();
        cells.indexOf(heading) }}"""
    )


def is_sorted(values: list[str], falling: bool) -> bool:
    """Numbers in order, and what is missing at the end."""
    numbers = [float(value) for value in values if value != ""]
    return values[len(numbers) :] == [""] * (len(values) - len(numbers)) and numbers == sorted(numbers, reverse=falling)


def test_tables_are_sorted_by_the_keyboard(page, tmp_path):
    shown(page, tmp_path, "mixed")
    place = heading(page, "Finished cells", "value")
    before = column(page, "Finished cells", place)
    assert "" in before  # a run that diverged has none
    assert not is_sorted(before, False)
    page.press("Enter", 13)
    assert page.run("heading.getAttribute('aria-sort')") == "ascending"
    assert is_sorted(column(page, "Finished cells", place), False)
    page.press("Enter", 13)
    assert page.run("heading.getAttribute('aria-sort')") == "descending"
    assert is_sorted(column(page, "Finished cells", place), True)
    assert sorted(column(page, "Finished cells", place)) == sorted(before)
    other = heading(page, "Finished cells", "target")
    page.press("Enter", 13)
    words = column(page, "Finished cells", other)
    assert words == sorted(words)
    assert page.run("document.querySelectorAll('th[aria-sort]').length") == 1


def test_tables_are_sorted_by_a_tap_on_a_phone(page, tmp_path):
    shown(page, tmp_path, "mixed", width=390)
    place = heading(page, "Geometric means", "Var/B²")
    box = page.run("(({x, y, width, height}) => [x + width / 2, y + height / 2])(heading.querySelector('button')"
                   ".getBoundingClientRect())")  # fmt: skip
    for kind in ("mousePressed", "mouseReleased"):
        page.call("Input.dispatchMouseEvent", type=kind, x=box[0], y=box[1], button="left", clickCount=1)
    assert page.run("heading.getAttribute('aria-sort')") == "ascending"
    assert is_sorted(column(page, "Geometric means", place), False)
    assert page.complaints == []


def test_without_scripts_tables_read_as_they_are(page, tmp_path):
    page.call("Emulation.setScriptExecutionDisabled", value=True)
    try:
        shown(page, tmp_path, "mixed")
        assert page.run("document.querySelectorAll('button').length") == 0
        assert page.run("document.querySelectorAll('tbody tr').length") > 100
    finally:
        page.call("Emulation.setScriptExecutionDisabled", value=False)


def test_the_contents_lead_to_every_part(page, tmp_path):
    shown(page, tmp_path, "mixed")
    assert page.run("Array.from(document.querySelectorAll('nav a'), (a) => document.querySelector(a.hash) !== null)"
                    ".every(Boolean)")  # fmt: skip
    assert page.run("document.querySelectorAll('nav a').length") == page.run(
        "document.querySelectorAll('section').length"
    )
