"""How the pages of the documentation site are put together; scripts/make_site.py builds it."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT / "scripts"))

from documentation import pages, surface  # noqa: E402


@pytest.fixture
def project(tmp_path):
    """A small repository."""
    root = tmp_path / "project"
    (root / "docs" / "pictures").mkdir(parents=True)
    (root / "examples").mkdir()
    (root / "examples" / "one.py").write_text("1\n")
    (root / "docs" / "pictures" / "a.png").write_bytes(b"png")
    (root / "README.md").write_text(
        "# One\n\n[q](docs/quickstart.md#part) [c](CHANGELOG.md) [e](examples/one.py) [w](https://a.b/c.md)\n"
    )
    (root / "CHANGELOG.md").write_text("# Changes\n")
    (root / "docs" / "quickstart.md").write_text(
        "# Two\n\n![p](pictures/a.png) [r](../README.md)\n\n```python\nx = y[0](docs)\n```\n"
    )
    (root / "docs" / "new-page.md").write_text("# Three\n\n[c](../CHANGELOG.md)\n")
    return root


def test_links_lead_to_pages_and_copies(project, tmp_path):
    source = tmp_path / "source"
    pages.assemble(project, source, ["barren"])
    assert (
        "[q](quickstart.md#part) [c](changelog.md) [e](files/examples/one.py) [w](https://a.b/c.md)"
        in (source / "index.md").read_text()
    )
    second = (source / "quickstart.md").read_text()
    assert "![p](pictures/a.png) [r](index.md)" in second
    assert "x = y[0](docs)" in second
    assert (source / "files" / "examples" / "one.py").exists()
    assert (source / "pictures" / "a.png").exists()
    assert (source / "new-page.md").read_text() == "# Three\n\n[c](changelog.md)\n"


def test_every_page_is_in_the_navigation_and_none_that_is_missing(project, tmp_path):
    pages.assemble(project, tmp_path / "source", ["barren"])
    index = (tmp_path / "source" / "index.md").read_text()
    names = {"quickstart", "changelog", "new-page", "api/barren", "theory"}
    listed = sorted(line for line in index.splitlines() if line in names)
    assert listed == ["api/barren", "changelog", "new-page", "quickstart"]
    assert ":caption: More\n\nnew-page\n" in index


def test_a_link_to_nowhere_is_refused(project, tmp_path):
    (project / "docs" / "new-page.md").write_text("[no](missing.md)\n")
    with pytest.raises(ValueError, match=r"missing\.md leads to no file"):
        pages.assemble(project, tmp_path / "source", [])


def test_the_pages_of_the_project_go_together(tmp_path):
    pages.assemble(ROOT, tmp_path / "source", [])
    names = {path.stem for path in (ROOT / "docs").glob("*.md")}
    assert names <= {path.stem for path in (tmp_path / "source").glob("*.md")}


def test_the_api_pages_have_every_public_name():
    public = surface.public()
    assert {"gradient_variance", "plan", "sharp_bound", "train", "sweep"} <= set(public["barren"])
    described = [value for names in public.values() for value in names.values()]
    assert len(described) == len({id(value) for value in described}) > 100


def test_what_is_promised_names_every_module_of_the_api():
    promise = (ROOT / "docs" / "compatibility.md").read_text().split("## What is public")[1].split("\n- ")[1]
    named = {name.removeprefix("barren.") for name in re.findall(r"`([\w.]+)`", promise)}
    modules = {name.removeprefix("barren.") for modules in surface.PAGES.values() for name in modules}
    assert named == modules | {"__all__"}


def test_the_page_of_commands_is_what_the_commands_say():
    script = ROOT / "scripts" / "make_command_line.py"
    done = subprocess.run([sys.executable, script, "--check"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
