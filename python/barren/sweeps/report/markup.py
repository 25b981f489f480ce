"""HTML by construction: text is escaped where it enters, so that no cell, error or title can write into the page."""

from __future__ import annotations

from html import escape

__all__ = ["Html", "element", "joined"]


class Html(str):
    """Markup as it stands in the page; any other text is escaped first."""

    __slots__ = ()


def joined(*parts: str | None, by: str = "") -> Html:
    """The parts one after the other: markup as it is, text escaped, None left out.

    Example:
        >>> joined("a < b", Html("<br>"), None)
        'a &lt; b<br>'
    """
    return Html(by.join(part if isinstance(part, Html) else escape(part) for part in parts if part is not None))


def element(name: str, *children: str | None, **attributes: str | float | bool | None) -> Html:
    """An element with its children, which are escaped unless they are markup.

    Args:
        name: of the element.
        children: its contents; None is left out.
        attributes: name -> value; "class_" is class and other underscores are hyphens; True stands alone, None and
            False are left out.

    Example:
        >>> element("td", "p < q", class_="number", data_sort=0.5)
        '<td class="number" data-sort="0.5">p &lt; q</td>'
    """
    opened = name
    for key, value in attributes.items():
        if value is None or value is False:
            continue
        opened += " " + key.rstrip("_").replace("_", "-")
        if value is not True:
            opened += f'="{escape(str(value))}"'
    return Html(f"<{opened}>{joined(*children)}</{name}>")
