"""Docstring examples, the README's examples, every code block of docs/ and the examples run as written."""

from __future__ import annotations

import contextlib
import doctest
import importlib
import io
import json
import os
import pkgutil
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import doc_pages
import pytest
from helpers import at_fixed_prices

import barren

ROOT = Path(__file__).parent.parent
PAGES = sorted((ROOT / "docs").glob("*.md"))
MODULES = sorted(
    module.name
    for module in pkgutil.walk_packages(barren.__path__, "barren.")
    if not module.name.endswith(("__main__", "_core"))
)


@pytest.mark.parametrize("name", ["barren", *MODULES])
def test_docstring_examples(name):
    failures, _ = doctest.testmod(importlib.import_module(name), optionflags=doctest.NORMALIZE_WHITESPACE)
    assert failures == 0


def code_blocks(text: str) -> list[str]:
    return re.findall(r"```python\n(.*?)```", text, flags=re.DOTALL)


@pytest.mark.parametrize("mark", ["example", "prime-example"])
def test_the_readme_examples_print_what_they_say(mark):
    example = (ROOT / "README.md").read_text().split(f"<!-- {mark} -->")[1]
    code = code_blocks(example)[0]
    shown = re.search(r"```\n```\n(.*?)```", example, flags=re.DOTALL).group(1)
    printed, scope = io.StringIO(), {}
    with contextlib.redirect_stdout(printed):
        exec(code, scope)
    assert printed.getvalue() == shown
    told = re.sub(r"\s+", " ", example.split("```\n```\n")[1].split("```")[1])
    v = scope["v"]
    if mark == "example":
        assert "three parts in ten million depend on a, and a quarter of that belongs to a = ±1 and ±2 alone" in told
        assert round(v.normalised * 1e7) == 3
        assert abs(sum(share for _, share in v.easiest(4)) - 0.25) < 0.05
    else:
        assert "independent coins, 1/(4·255) of the squared gradient" in told
        law = scope["inputs"].PowersOfTwo()
        coins = barren.gradient_variance(
            scope["cls"], scope["model"], encoding=scope["encodings"].Bits(), loss="bce", inputs=law
        )
        assert abs(coins.normalised * 4 * 255 - 1) < 1e-6


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.stem)
def test_the_blocks_of_a_page_run_and_print_what_they_show(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    doc_pages.run(page.read_text(), tmp_path)


def test_blocks_are_found_and_failures_seen(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    file, shown = "<!-- file: a.txt -->\n```\none\n```\n\n", "```\none\n```\n"
    page = f"{file}```python\nimport pathlib\nprint(pathlib.Path('a.txt').read_text(), end='')\n```\n{shown}"
    assert [block.language for block in doc_pages.blocks(page)] == ["", "python"]
    doc_pages.run(page, tmp_path)
    for wrong in (
        "```python\nprint(1)\n```\n```\n2\n```\n",
        "```console\n$ echo one\ntwo\n```\n",
        "```console\n$ export X=1\n$ test $X = 2\n```\n",
    ):
        with pytest.raises(AssertionError):
            doc_pages.run(wrong, tmp_path)


EVERY_PAGE = [*(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "SECURITY.md")), *PAGES]
EVERY_PAGE.append(ROOT / "benchmarks" / "README.md")
every_page = pytest.mark.parametrize("page", EVERY_PAGE, ids=lambda path: f"{path.parent.name}-{path.stem}")


@every_page
def test_no_block_is_outside_every_test(page):
    """Each fence opens or closes a block that is found, and each block has its check."""
    text = page.read_text()
    found = doc_pages.blocks(text)
    shown = sum(block.shown is not None for block in found)
    assert len(re.findall(r"^\s*```", text, flags=re.MULTILINE)) == 2 * (len(found) + shown)
    for block in found:
        assert doc_pages.check_of(block) in doc_pages.CHECKS, block
        # A page outside docs/ does not run as a page: the README's examples have a test of their own.
        assert page in PAGES or block.language == "" or (page.name, block.language) == ("README.md", "python"), block


def test_blocks_that_do_not_run_are_these():
    """A block of another kind, or one more, is a decision."""
    found = [
        (page.stem, check)
        for page in EVERY_PAGE
        for block in doc_pages.blocks(page.read_text())
        if (check := doc_pages.check_of(block)) in ("toml", "bash", "text", "tree")
    ]
    single = [("architecture", "tree"), ("cluster", "text"), ("sweeps", "toml")]
    assert sorted(found) == sorted([*single, *[("cluster", "bash")] * 2])
    assert len(re.findall("<!-- (?:prime-)?example -->", (ROOT / "README.md").read_text())) == 2
    assert sum(block.language == "python" for block in doc_pages.blocks((ROOT / "README.md").read_text())) == 2


def command_of(line: str):
    """The command of a line that calls barren, and its arguments."""
    import typer

    from barren.cli import app

    arguments, command = shlex.split(line, comments=True)[1:], typer.main.get_command(app)
    while hasattr(command, "commands") and arguments and not arguments[0].startswith("["):
        assert arguments[0] in command.commands, line
        command, arguments = command.commands[arguments[0]], arguments[1:]
    return command, arguments


@every_page
def test_every_command_of_the_docs_is_one_that_the_command_line_takes(page):
    """Also the texts that stand for objects, but those in capitals, which are placeholders."""
    from barren import models, specs

    readers = {
        "p": specs.modulus,
        "target": specs.target,
        "encoding": specs.encoding,
        "multipliers": specs.multipliers,
        "parity": specs.parity,
        "model": lambda text: models.maker(text) if text.startswith(("mlp", "gpt")) else None,
    }
    for line in doc_pages.command_lines(page.read_text()):
        command, arguments = command_of(line)
        given = command.make_context(line, list(arguments)).params  # raises where an option or an argument is none
        for name in readers.keys() & given.keys():
            values = given[name] if isinstance(given[name], list | tuple) else [given[name]]
            for value in values:
                if value is not None and not str(value).isupper():
                    readers[name](str(value))


@every_page
def test_usage_names_options_and_arguments_of_the_command(page):
    for line in doc_pages.usage_lines(page.read_text()):
        command, arguments = command_of(line.partition(" #")[0])
        options = {name for each in command.params for name in (*each.opts, *each.secondary_opts)}
        named = {word.strip("[]") for word in arguments}
        wrong = {word for word in named if word.startswith("-")} - options - {"--help"}
        assert not wrong, line


@every_page
def test_scripts_of_the_docs_are_there_and_know_their_options(page):
    for line in doc_pages.script_lines(page.read_text()):
        _, script, *arguments = shlex.split(line, comments=True)
        text = (ROOT / script).read_text()
        assert all(word.split("=")[0] in text for word in arguments if word.startswith("-")), line


def test_grids_of_the_docs_are_grids(tmp_path):
    from barren.sweeps import Grid

    texts = [block.text for page in PAGES for block in doc_pages.blocks(page.read_text()) if block.language == "toml"]
    assert len(texts) == 2
    sizes = []
    for number, text in enumerate(texts):
        (tmp_path / f"{number}.toml").write_text(text)
        sizes.append(len(Grid.from_file(tmp_path / f"{number}.toml")))
    assert sizes == [6 * 3 * 2, 24 * 20 * 2 * 2]


def test_shell_scripts_of_the_docs_are_read_by_bash_and_call_what_is_there(tmp_path):
    from distributed.cli.dask_scheduler import main as scheduler
    from distributed.cli.dask_worker import main as worker

    dask = {"scheduler": scheduler, "worker": worker}
    for block in (block for page in PAGES for block in doc_pages.blocks(page.read_text()) if block.language == "bash"):
        done = subprocess.run(["bash", "-n"], input=block.text, capture_output=True, text=True, timeout=60)
        assert (done.returncode, done.stderr) == (0, "")
        for line in block.text.splitlines():
            words = shlex.split(line, comments=True)
            if not words:
                continue
            assert words[0] in ("barren", "dask", "export"), line
            if words[0] == "dask":
                known = {name for each in dask[words[1]].params for name in (*each.opts, *each.secondary_opts)}
                assert {word for word in words[2:] if word.startswith("-")} <= known, line


def test_pages_of_figures_say_what_their_results_say(tmp_path):
    """`make_experiments.py --check` passes on what is committed, and sees what is not."""
    for folder in ("docs", "scripts"):
        shutil.copytree(ROOT / folder, tmp_path / folder, ignore=shutil.ignore_patterns("__pycache__"))
    script = [sys.executable, tmp_path / "scripts" / "make_experiments.py"]

    def check() -> str:
        done = subprocess.run([*script, "--check"], capture_output=True, text=True, timeout=300)
        assert (done.returncode == 0) == (done.stderr == ""), done.stderr
        return done.stderr

    assert check() == ""
    page, record = tmp_path / "docs" / "figures.md", tmp_path / "docs" / "results" / "spectral-norm.json"
    table, text, known = record.with_suffix(".parquet"), page.read_text(), record.read_text()
    page.write_text(text.replace("**1.0511**", "**1.0512**"))
    assert "figures.md is not what the results say" in check()
    page.write_text(re.sub("<!-- results spectral-norm -->.*", "", text, flags=re.DOTALL))
    assert "figures.md must have a place for each of" in check()
    page.write_text(text)
    record.write_text(known.replace(json.loads(known)["settings_sha256"], "0" * 64))
    assert "spectral-norm is of other settings than --full" in check()
    record.write_text(known)
    table.write_bytes(table.read_bytes() + b" ")
    assert "spectral-norm has another spectral-norm.parquet than its record says" in check()
    table.unlink()
    record.unlink()
    assert "spectral-norm is not there" in check()


def test_every_example_of_the_docs_has_a_plan(monkeypatch):
    """`barren.plan` explains each problem that the README, the quickstart and the examples compute, and is right."""
    plain, plans = barren.gradient_variance, []
    at_fixed_prices(monkeypatch)

    def planned(cls, model=None, **asked):
        plan = barren.plan(cls, model, **asked)
        v = plain(cls, model, **asked)
        assert v.method == plan.method
        plans.append(plan)
        return v

    monkeypatch.setattr(barren, "gradient_variance", planned)
    readme = (ROOT / "README.md").read_text().split("<!-- example -->")[1]
    quickstart = (ROOT / "docs" / "quickstart.md").read_text()
    scripts = [path.read_text() for path in sorted((ROOT / "examples").glob("*.py"))]
    with contextlib.redirect_stdout(io.StringIO()):
        for blocks in [code_blocks(readme)[:1], code_blocks(quickstart), *([script] for script in scripts)]:
            scope: dict[str, object] = {"__name__": "__main__"}
            for block in blocks:
                exec(block, scope)
    assert len(plans) >= 17
    for plan in plans:
        text = str(plan)
        assert text.startswith(f"method {plan.method}: {plan.reason}")
        assert "nan" not in text
        assert 0.0 < plan.seconds < 60.0  # all of them take far less than a second
        assert 0 < plan.chosen.smallest_memory <= plan.memory <= 2**31


@pytest.mark.parametrize("script", sorted((ROOT / "examples").glob("*.py")), ids=lambda path: path.stem)
def test_examples_run(script, tmp_path):
    done = subprocess.run([sys.executable, script], cwd=tmp_path, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    assert done.stdout


def test_links_between_the_docs_lead_somewhere():
    for page in [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").glob("*.md")]:
        for link in re.findall(r"\]\(([^)#:]+)\)", page.read_text()):
            assert (page.parent / link).exists(), f"{page.name}: {link}"


THEORY = (ROOT / "docs" / "theory.md").read_text()


def test_the_architecture_names_every_module():
    """In the entry of its folder; the folder of figures is one file a figure, beside those that they share."""
    tree = (ROOT / "docs" / "architecture.md").read_text().split("```\n")[1]
    entries = re.split(r"^  (?=\S)", tree.split("python/barren/\n")[1], flags=re.MULTILINE)[1:]
    package = Path(barren.__file__).parent
    figures = {name.replace("-", "_") for name in importlib.import_module("barren.figures").FIGURES}
    for path in sorted(package.rglob("*.py")):
        folder, stem = path.parent.relative_to(package).parts, path.stem
        if stem == "__init__" or (folder == ("figures",) and stem in figures):
            continue
        name = rf"(?<!\w){stem}(?!\w)" if folder else rf"(?<!\w){stem}\.py"
        homes = [entry for entry in entries if not folder or f"{folder[0]}/" in entry]
        assert any(re.search(name, entry) for entry in homes), path
    assert "a file a figure" in tree


def test_the_tests_that_the_theory_names_exist():
    named = re.findall(r"\[(tests/[^\]]*)\]", THEORY)
    assert len(named) > 100
    for link in named:
        file, _, test = link.partition("::")
        assert re.search(rf"^def {test}\(", (ROOT / file).read_text(), flags=re.MULTILINE), link


def test_every_statement_of_the_theory_names_a_test():
    """A statement begins with a label in bold or italics; proofs and measurements belong to the one before."""
    sections = THEORY.split("\n## 1. ")[1].split("\n## Sources")[0]
    statements = re.split(r"\n\n(?=\*)(?!\*(?:Proof|Measured)\b)|\n#+ ", sections)[1:]
    assert len(statements) > 40
    for statement in statements:
        if statement.startswith("*"):
            assert "[tests/" in statement, statement


def test_importing_the_package_is_light():
    """What takes long is imported when it is used; the command line adds typer and rich, and its help nothing else."""
    heavy = {"torch", "sympy", "scipy", "matplotlib", "pyarrow", "pandas", "dask", "distributed", "ducc0", "flint"}
    ours = {"barren.variance", "barren.tangents", "barren.training", "barren.sweeps"}
    commands = "import sys; from barren.__main__ import main; main(['--help']); main(['train', '--help'])"
    for code, unwanted in (("import sys, barren", heavy | ours), (commands, heavy)):
        told = f"{code}; print(*sorted({unwanted!r} & set(sys.modules)), file=sys.stderr)"
        done = subprocess.run([sys.executable, "-c", told], capture_output=True, text=True, env=dict(os.environ))
        assert (done.returncode, done.stderr.strip()) == (0, ""), done.stderr


def test_what_the_surface_puts_off_is_there():
    """Also `bounds`, which is a function and, for the import system, the package that it comes from."""
    code = (
        "import barren\n"
        "before = set(dir(barren))\n"
        "import barren.bounds.ladder, barren.variance, barren.spectra\n"
        "print(sorted(set(barren.__all__) - before), callable(barren.bounds), barren.spectra.__name__)\n"
        "for name in barren.__all__:\n"
        "    assert getattr(barren, name) is getattr(barren, name), name\n"
        "assert barren.variance.GivenNTK and barren.tangents and barren.config\n"
        "try:\n"
        "    barren.nothing\n"
        "except AttributeError as error:\n"
        "    print(error)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=dict(os.environ))
    assert done.returncode == 0, done.stderr
    assert done.stdout == "[] True barren.spectra\nmodule 'barren' has no attribute 'nothing'\n"


def test_versions_agree():
    from importlib.metadata import version

    assert barren.__version__ == version("barren")
    assert f"## {barren.__version__}" in (ROOT / "CHANGELOG.md").read_text()
    assert f"version: {barren.__version__}\n" in (ROOT / "CITATION.cff").read_text()


def test_show_config_names_what_is_in_use(capsys):
    barren.show_config()
    shown = dict(line.split(maxsplit=1) for line in capsys.readouterr().out.splitlines())
    assert shown == barren.configuration()
    assert shown["barren"] == barren.__version__
    assert shown["fft"].split()[0] in {"scipy", "ducc0"}
