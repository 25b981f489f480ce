"""A Sphinx extension: docstrings in their own writing, which is that of Markdown.

Docstrings use `code` in single backticks and letters such as | and * as they are; reStructuredText would read roles,
substitutions and emphasis there. Their sections (Args, Returns, Raises, ...) go through napoleon afterwards.
"""

from __future__ import annotations

import functools
import inspect
import re
import sys
from typing import Any

from documentation import surface
from docutils import nodes
from sphinx.addnodes import pending_xref
from sphinx.application import Sphinx
from sphinx.domains.python._object import PyObject
from sphinx.environment import BuildEnvironment
from sphinx.ext.napoleon import Config, GoogleDocstring

CODE = re.compile(r"(``.+?``|`[^`]+`)")
SPECIAL = re.compile(r"((?<!^)[*](?! )|(?<=\S)[*]|[|\\]|_(?=\W|$))")
LABELLED = re.compile(r"^(Cost|Source): ")
LAYOUT = Config(
    napoleon_use_rtype=False,
    napoleon_use_ivar=True,
    napoleon_attr_annotations=False,
    napoleon_numpy_docstring=False,
)
# Short names in signatures that have no page here: types of Python, NumPy and torch, and inner ones of the package.
ALIASES = re.compile(
    "AbstractContextManager|Any|AnyCircle|ArrayLike|Block|Booleans|Callable|Candidate|Canvas|Cell|Circle|CircleSum|"
    "Doubles|Executor|Floats|Fraction|Integers|Iterable|Iterator|Limits|Mapping|NDArray|Path|Progress|Row|Sequence|"
    "Settings|Shown|Stream|Tensor|Twofold|ndarray"
)
LIBRARIES = re.compile(r"(arguments|collections|concurrent|fractions|nn|np|npt|numpy|os|pa|pathlib|pyarrow|torch)\..*")


def plain(line: str) -> str:
    """A line of prose in reStructuredText."""
    line = LABELLED.sub(lambda match: f"\0{match[1]}.\0 ", line)
    parts = CODE.split(line)
    for number, part in enumerate(parts):
        if number % 2:
            joined = re.match(r"\w", parts[number + 1])  # markup ends where a word does
            parts[number] = f"``{part.strip('`')}``" + ("\\ " if joined else "")
        else:
            parts[number] = SPECIAL.sub(r"\\\1", part)
    return "".join(parts).replace("\0", "**")


def convert(app: Sphinx, what: str, name: str, obj: Any, options: Any, lines: list[str]) -> None:
    """Turns a docstring into reStructuredText; its examples stay as they are."""
    example = False
    for number, line in enumerate(lines):
        example = bool(line.strip()) and (example or line.lstrip().startswith(">>>"))
        if not example:
            lines[number] = plain(line)
    # Of a property napoleon would take what stands before a colon for its type.
    kind = "method" if what == "property" else what
    lines[:] = GoogleDocstring(lines, LAYOUT, app, kind, name, obj, options).lines()


class _Written:
    """An annotation or default that shows as it is written."""

    def __init__(self, text: str) -> None:
        self.text = text

    def __repr__(self) -> str:
        return self.text


def _with_paths(annotation: str, obj: Any) -> str:
    """An annotation whose public classes have their path, of which the last part is shown: there are two Grids."""
    known = vars(sys.modules[obj.__module__])

    def path(name: re.Match[str]) -> str:
        found = known.get(name[0])
        place = places().get(f"{found.__module__}.{found.__qualname__}") if inspect.isclass(found) else None
        return f"~{place}" if place else name[0]

    return re.sub(r"(?<![\w.])[A-Za-z_]\w*", path, annotation)


def _as_written(parameter: inspect.Parameter, obj: Any) -> inspect.Parameter:
    if isinstance(parameter.annotation, str):
        parameter = parameter.replace(annotation=_Written(_with_paths(parameter.annotation, obj)))
    if repr(parameter.default).startswith("<") and parameter.default is not parameter.empty:
        parameter = parameter.replace(default=_Written("..."))
    return parameter


def sign(
    app: Sphinx, what: str, name: str, obj: Any, options: Any, signature: str | None, returns: str | None
) -> tuple[str, str | None] | None:
    """Signatures with annotations as the source has them, short and without an import of what they name.

    A class that callers do not make themselves, having no Args, shows no constructor.
    """
    if what == "class" and "Args:" not in (inspect.getdoc(obj) or ""):
        return "", None
    if what not in ("function", "method", "class") or signature is None:
        return None
    found = inspect.signature(obj)
    parameters = [_as_written(parameter, obj) for parameter in found.parameters.values()]
    if what == "method" and parameters and parameters[0].name in ("self", "cls"):
        parameters = parameters[1:]
    text = str(found.replace(parameters=parameters, return_annotation=inspect.Signature.empty))
    shown = found.return_annotation
    return text, returns if what == "class" or not isinstance(shown, str) else _with_paths(shown, obj)


@functools.cache
def places() -> dict[str, str]:
    """Every public name, and every path of its object, -> where it is described."""
    found = {}
    for module, names in surface.public().items():
        for name, value in names.items():
            found[name] = found[f"{value.__module__}.{value.__qualname__}"] = f"{module}.{name}"
    return found


def resolve(app: Sphinx, env: BuildEnvironment, node: pending_xref, contnode: nodes.Element) -> nodes.Node | None:
    """Leads a reference to where its object is described. What exists and is not described here stays text."""
    if node.get("refdomain") != "py":
        return None
    target = str(node["reftarget"])
    here = f"{node.get('py:module')}.{target}"
    place = here if here in places().values() else places().get(target)
    if place is not None:
        return env.get_domain("py").resolve_xref(env, str(node["refdoc"]), app.builder, "obj", place, node, contnode)
    module, _, name = target.rpartition(".")
    exists = hasattr(sys.modules.get(module), name) if module.startswith("barren") else ALIASES.fullmatch(target)
    return contnode if exists or LIBRARIES.fullmatch(target) else None


def setup(app: Sphinx) -> dict[str, bool]:
    """Connects to Sphinx."""
    for field in PyObject.doc_field_types:
        if field.name == "variable":
            field.label = "Attributes"
    app.connect("autodoc-process-docstring", convert)
    app.connect("autodoc-process-signature", sign)
    app.connect("missing-reference", resolve)
    return {"parallel_read_safe": True}
