"""Checks that the docstring of every public name says what a reader needs, and prints what is missing (status 1).

| what | must have |
|---|---|
| everything | a first sentence |
| function | Args that name each parameter, Returns or Yields (unless it returns nothing), Raises, Cost, Source |
| class that callers make | Args that name each parameter of the constructor, Raises (unless it takes none), Source |
| class that callers are given | Attributes that name each public field, Source |
| method | Args that name each parameter, or one line that does; what is raised where it raises |
| arrays and tensors, in any of these | their shape; what a function returns, and tensors, their dtype as well |
| times and sizes, in any of these | a unit: seconds, bytes |

A method is read together with those that it overrides: what stands at one of them holds for all. A parameter that is
a function of arrays needs their shape, as an array does. What refers to another name (as for `other`) needs no more.
Times and sizes are numbers whose name has `seconds`, `memory`, `time`, `timeout` or `bytes` between underscores, or
ends in `_s`.

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
ARRAY = re.compile(r"\b(NDArray|ndarray|ArrayLike|Floats|Integers|Doubles|Booleans|Tensor)\b")
MEASURED = re.compile(r"(?:^|_)(?:seconds?|memory|time|timeout|bytes)(?:_|$)|_s$")
UNIT = re.compile(r"\b(?:second|minute|hour|millisecond|byte)s?\b|\b[kMG]i?B\b", flags=re.IGNORECASE)
SHAPE = re.compile(r"shape|a row (?:a|of|for)|one (?:a|for each)|\([A-Za-z0-9_+−·, ]+,\s?[A-Za-z0-9_+−· ]*\)")
DTYPE = re.compile(r"float64|float32|int64|uint64|bool|dtype")
# What another name describes, and in the same way.
ELSEWHERE = re.compile(r"as for `|those of `|see `")
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


def has_unit(name: str, annotation: Any, said: str) -> bool:
    """Whether a unit is said of a time or a size; all else needs none."""
    is_number = re.search(r"int|float|NDArray|Floats|Integers", str(annotation)) is not None
    return not (MEASURED.search(name) and is_number) or UNIT.search(said) is not None


def of_value(name: str, annotation: Any, said: str | None, section: str = "Args") -> Iterator[str]:
    """What is lacking where a parameter or a field is described, or that it is not."""
    if said is None:
        yield f"{section} do not name {name}"
        return
    if ELSEWHERE.search(said):
        return
    takes_arrays = "Callable" in str(annotation) and ARRAY.search(str(annotation)) is not None
    if (is_array(annotation) or takes_arrays) and not SHAPE.search(said):
        yield f"{name} has no shape"
    if re.search(r"\bTensor\b", str(annotation)) and not DTYPE.search(said):
        yield f"{name} has no dtype"
    if not has_unit(name, annotation, said):
        yield f"{name} has no unit"


def of_function(value: Any) -> Iterator[str]:
    """What the docstring of a function lacks."""
    doc, returned = Described(value.__doc__), inspect.signature(value).return_annotation
    for parameter in parameters(value):
        yield from of_value(parameter.name, parameter.annotation, doc.entry("Args", parameter.name))
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
        yield from of_value(parameter.name, parameter.annotation, doc.entry("Args", parameter.name))
    if given and not doc.sections.get("Raises", "").strip() and "Raises nothing" not in doc.text:
        yield "no Raises"
    if not made:
        for name, annotation in inspect.get_annotations(value).items():
            if not name.startswith("_") and "ClassVar" not in str(annotation):
                yield from of_value(name, annotation, doc.entry("Attributes", name), "Attributes")
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
    docs = [Described(each.__doc__) for each in (function, *filter(None, overridden))]
    text = "\n\n".join(doc.text for doc in docs)
    for parameter in parameters(function)[0 if isinstance(member, staticmethod) else 1 :]:
        entries = [said for doc in docs if (said := doc.entry("Args", parameter.name)) is not None]
        named = re.compile(rf"(?<!\w){re.escape(parameter.name)}(?!\w)")
        lines = [doc.text for doc in docs if "\n" not in doc.text and named.search(doc.text)]
        yield from of_value(parameter.name, parameter.annotation, "\n".join([*entries, *lines]) or None)
    returned = inspect.signature(function).return_annotation
    if is_array(returned) and not SHAPE.search(text):
        yield "what is returned has no shape"
    if not has_unit(name, returned, text):
        yield "what is returned has no unit"
    body = inspect.getsource(function)
    if re.search(r"^\s+raise \w", body, flags=re.MULTILINE) and not any("Raises" in doc.sections for doc in docs):
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
