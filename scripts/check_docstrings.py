"""Checks that the docstring of every public name says what a reader needs, and prints what is missing (status 1).

| what | must have |
|---|---|
| everything | a first sentence |
| function | Args that name each parameter, Returns or Yields (unless it returns nothing), Raises, Cost, Source |
| class that callers make | Args that name each parameter of the constructor, Raises (unless it takes none), Source |
| class that callers are given | Attributes that name each public field, Source |
| method | its parameters by name, what is raised where it raises |
| arrays, in any of these | their shape; where they are returned, their dtype as well |

Cost is time and memory in the sizes of the problem. Source is where the formula or the definition stands: a page of
docs/, a paper, a book. Both begin a paragraph, or are a section. What raises nothing says "Raises nothing".
"""

from __future__ import annotations

import inspect
import re
import sys
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import Any

from documentation import surface

ROOT = Path(__file__).parent.parent
ARRAY = re.compile(r"\b(NDArray|ndarray|ArrayLike|Floats|Integers|Doubles|Booleans)\b")
SHAPE = re.compile(
    r"shape|as for `|those of `|a row (?:a|of|for)|one (?:a|for each)|\([A-Za-z0-9_+−·, ]+,\s?[A-Za-z0-9_+−· ]*\)"
)
DTYPE = re.compile(r"float64|float32|int64|uint64|bool|dtype")
SECTION = re.compile(
    r"^(Args|Returns|Yields|Raises|Warns|Attributes|Example|Cost|Source):(?: (?P<rest>.*))?$", flags=re.MULTILINE
)


class Described:
    """A docstring, its sections by name, and the paragraphs of Cost and Source."""

    def __init__(self, text: str | None) -> None:
        self.text = inspect.cleandoc(text or "")
        found = list(SECTION.finditer(self.text))
        ends = [*(match.start() for match in found[1:]), len(self.text)][: len(found)]
        self.sections = {
            match[1]: f"{match['rest'] or ''}{self.text[match.end() : end]}"
            for match, end in zip(found, ends, strict=True)
        }
        self.summary = self.text[: found[0].start()] if found else self.text

    def entry(self, section: str, name: str) -> str | None:
        """What a section says of a name; several may stand before one colon."""
        for entry in re.split(r"^ {4}(?=\S)", self.sections.get(section, ""), flags=re.MULTILINE)[1:]:
            names, _, said = entry.partition(":")
            if name in re.split(r"[,\s]+", names.replace("*", "")):
                return said
        return None


def parameters(value: Any) -> list[inspect.Parameter]:
    """What callers give."""
    return list(inspect.signature(value).parameters.values())


def is_array(annotation: Any) -> bool:
    """Whether an annotation, as the source has it, is of an array and of nothing that holds arrays."""
    text = annotation if isinstance(annotation, str) else getattr(annotation, "__name__", "")
    return bool(ARRAY.search(text)) and not re.search(r"Callable|Iterat|dict|Mapping|list\[|tuple\[", text)


def of_function(value: Any) -> Iterator[str]:
    """What the docstring of a function lacks."""
    doc, returned = Described(value.__doc__), inspect.signature(value).return_annotation
    for parameter in parameters(value):
        said = doc.entry("Args", parameter.name)
        if said is None:
            yield f"Args do not name {parameter.name}"
        elif is_array(parameter.annotation) and not SHAPE.search(said):
            yield f"{parameter.name} has no shape"
    if returned not in ("None", None):
        said = doc.sections.get("Returns") or doc.sections.get("Yields")
        if said is None:
            yield "no Returns"
        elif is_array(returned):
            if not SHAPE.search(said):
                yield "what is returned has no shape"
            if not DTYPE.search(said):
                yield "what is returned has no dtype"
    if not doc.sections.get("Raises", "").strip() and "Raises nothing" not in doc.text:
        yield "no Raises"
    if not doc.sections.get("Cost", "").strip():
        yield "no Cost"
    yield from of_source(doc)


def of_source(doc: Described) -> Iterator[str]:
    """Whether there is a source, and what it names of docs/ exists."""
    said = doc.sections.get("Source", "").strip()
    if not said:
        yield "no Source"
    for page, section in re.findall(r"docs/([\w-]+)(?:, sections? (\d(?:\.\d+)?))?", said):
        path = ROOT / "docs" / f"{page}.md"
        if not path.exists():
            yield f"Source names docs/{page}, which is not there"
        elif section and not re.search(rf"^(#+ |\*\*){re.escape(section)}\.? ", path.read_text(), flags=re.MULTILINE):
            yield f"Source names section {section} of docs/{page}, which is not there"


def of_class(value: type) -> Iterator[str]:
    """What the docstring of a class lacks, without those of its methods."""
    doc = Described(value.__doc__)
    if issubclass(value, BaseException):
        return
    is_abstract = inspect.isabstract(value) or getattr(value, "_is_protocol", False)
    made = "Args" in doc.sections or not ("Attributes" in doc.sections or is_abstract)
    given = parameters(value) if made and not is_abstract else []
    for parameter in given:
        said = doc.entry("Args", parameter.name)
        if said is None:
            yield f"Args do not name {parameter.name}"
        elif is_array(parameter.annotation) and not SHAPE.search(said):
            yield f"{parameter.name} has no shape"
    if given and not doc.sections.get("Raises", "").strip() and "Raises nothing" not in doc.text:
        yield "no Raises"
    if not made:
        for name, annotation in inspect.get_annotations(value).items():
            said = doc.entry("Attributes", name)
            if not name.startswith("_") and said is None and "ClassVar" not in str(annotation):
                yield f"Attributes do not name {name}"
    yield from of_source(doc)


def plain_function(member: Any) -> Any:
    """The function of a method or property, or None."""
    if isinstance(member, property | cached_property):
        member = member.fget if isinstance(member, property) else member.func
    function = getattr(member, "__func__", member)
    return function if inspect.isfunction(function) else None


def of_member(name: str, member: Any, bases: tuple[type, ...] = ()) -> Iterator[str]:
    """What the docstring of a method or property lacks, read together with those that it overrides."""
    function = plain_function(member)
    if not Described(function.__doc__).summary.strip():
        yield "nothing"
        return
    overridden = (plain_function(vars(base).get(name)) for base in bases)
    doc = Described("\n\n".join(inspect.cleandoc(each.__doc__ or "") for each in (function, *filter(None, overridden))))
    for parameter in parameters(function)[0 if isinstance(member, staticmethod) else 1 :]:
        if not re.search(rf"(?<!\w){re.escape(parameter.name)}(?!\w)", doc.text):
            yield f"does not name {parameter.name}"
    returned = inspect.signature(function).return_annotation
    if is_array(returned) and not SHAPE.search(doc.text):
        yield "what is returned has no shape"
    body = inspect.getsource(function)
    if re.search(r"^\s+raise \w", body, flags=re.MULTILINE) and "Raises" not in doc.sections:
        yield "no Raises"


def members(value: type) -> Iterator[tuple[str, Any]]:
    """The public methods and properties that a class defines; one that overrides may inherit its text."""
    for name, member in vars(value).items():
        function = plain_function(member)
        if name.startswith("_") or function is None:
            continue
        inherited = any(hasattr(base, name) for base in value.__mro__[1:])
        if function.__doc__ or not inherited:
            yield name, member


def faults() -> list[str]:
    """Every fault of every public name, a line each."""
    found = []
    for module, names in surface.public().items():
        for name, value in names.items():
            doc = Described(value.__doc__)
            if not doc.summary.strip():
                found.append(f"{module}.{name}: nothing")
                continue
            parts = of_class(value) if inspect.isclass(value) else of_function(value)
            found += [f"{module}.{name}: {fault}" for fault in parts]
            if inspect.isclass(value):
                for member, function in members(value):
                    lacking = of_member(member, function, value.__mro__[1:])
                    found += [f"{module}.{name}.{member}: {fault}" for fault in lacking]
    return found


def main() -> int:
    """Prints the faults."""
    found = faults()
    names = sum(map(len, surface.public().values()))
    print("\n".join([*found, f"{len(found) or 'no'} faults in {names} public names"]))
    return bool(found)


if __name__ == "__main__":
    sys.exit(main())
