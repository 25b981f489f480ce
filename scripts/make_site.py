"""Builds the documentation site from README.md, docs/*.md and the docstrings, with every warning an error.

    python scripts/make_site.py                 # into build/site/html
    python scripts/make_site.py --out FOLDER

Needs the package with `.[all,docs]`. Nothing is fetched, neither now nor when the pages are read, from the disk or not.
"""

from __future__ import annotations

import argparse
import shutil
import sys
from pathlib import Path

from documentation import api, pages
from sphinx.cmd.build import build_main

ROOT = Path(__file__).parent.parent


def make(out: Path) -> int:
    """Puts the pages together under `out`/source and builds `out`/html; the status of sphinx-build."""
    source, html = out / "source", out / "html"
    for folder in (source, html):
        shutil.rmtree(folder, ignore_errors=True)
    pages.assemble(ROOT, source, api.write(source / "api"))
    settings = Path(__file__).parent / "documentation"
    strict = ["--fail-on-warning", "--keep-going", "--nitpicky", "--quiet"]
    return build_main([*strict, "-c", str(settings), "-d", str(out / "doctrees"), str(source), str(html)])


def main() -> int:
    """Builds."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=ROOT / "build" / "site", help="default build/site")
    out = parser.parse_args().out.resolve()
    status = make(out)
    if status == 0:
        print(out / "html" / "index.html")
    return status


if __name__ == "__main__":
    sys.exit(main())
