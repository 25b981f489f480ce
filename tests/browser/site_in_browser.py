"""The documentation site in a real browser, after scripts/make_site.py: pytest tests/browser/site_in_browser.py.

Every page at desktop and phone width, in light and dark: nothing is asked for but files beside it, nothing complains,
nothing is wider than the window, every picture shows, the text stands out.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from chromium import LEAST_CONTRAST

SITE = Path(os.environ.get("BARREN_SITE", Path(__file__).parent.parent.parent / "build" / "site" / "html"))
PAGES = sorted(path for path in SITE.rglob("*.html") if not {"_static", "_downloads"} & set(path.parts))

# What is wider than the window and cannot be scrolled within a box of its own.
WIDER = """
(() => {
  const room = document.documentElement.clientWidth;
  const box = (e) => /auto|scroll|hidden/.test(getComputedStyle(e).overflowX);
  const scrolls = (e) => e && e !== document.body && (box(e) || scrolls(e.parentElement));
  return Array.from(document.querySelectorAll("article *"))
    .filter((e) => e.getBoundingClientRect().right > room + 1 && !scrolls(e.parentElement) && !scrolls(e))
    .map((e) => `${e.tagName} ${e.textContent.slice(0, 60)}`).slice(0, 5);
})()
"""
LOADED = "Promise.all(Array.from(document.images, (i) => { i.loading = 'eager'; return i.decode(); })).then(() => 0)"
BLANK = "Array.from(document.images).filter((i) => !i.complete || i.naturalWidth === 0).map((i) => i.src)"
CONTRAST = f"(() => {{{LEAST_CONTRAST} return least('article p, article td, article h1', 'color'); }})()"


def test_the_site_is_there():
    assert len(PAGES) > 20, f"no site in {SITE}: run python scripts/make_site.py"


@pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(SITE)))
def test_a_page_is_readable(page, path):
    page.requests.clear()
    page.complaints.clear()
    page.open(path)
    page.run(LOADED)
    assert page.run(BLANK) == []
    for width in (1280, 390):
        for scheme in ("light", "dark"):
            page.show(width, scheme)
            assert page.run("document.documentElement.scrollWidth <= document.documentElement.clientWidth + 1")
            assert page.run(WIDER) == []
            assert page.run(CONTRAST) >= 4.5
    assert [address for address in page.requests if not address.startswith(("file:", "data:"))] == []
    assert page.complaints == []
