"""Pieces that all HTML pages share. A page needs nothing but itself: no script, font or picture from elsewhere."""

from __future__ import annotations

import json
from collections.abc import Iterable
from functools import cache
from html import escape
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

TEMPLATES = Path(__file__).parent / "templates"
STYLE = (TEMPLATES / "page.css").read_text()


def document(title: str, body: str, style: str = "") -> str:
    """A whole page; ``body`` is HTML, ``style`` is CSS beside the common one."""
    return ('<!DOCTYPE html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
            f"<title>{escape(title)}</title><style>{STYLE}{style}</style></head><body><main>{body}</main></body></html>\n")


def tile(label: str, value: str, note: str) -> str:
    """A box with one large figure; goes inside ``<div class="tiles">``."""
    return (f'<div class="tile"><div class="label">{escape(label)}</div><div class="value">{escape(value)}</div>'
            f'<div class="note">{escape(note)}</div></div>')


def facts(items: Iterable[tuple[str, Any]]) -> str:
    """A definition list; values that are no text are shown as JSON."""
    cells = "".join(f"<dt>{escape(k)}</dt><dd>{escape(v if isinstance(v, str) else json.dumps(v))}</dd>" for k, v in items)
    return f"<dl>{cells}</dl>"


@cache
def _environment(folder: Path) -> Environment:
    """Templates of a folder and the shared ones; kept, since a page may be written often while a run goes on."""
    loader = FileSystemLoader([folder, TEMPLATES])
    environment = Environment(loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True,
                              keep_trailing_newline=True)
    environment.filters["json"] = json.dumps
    return environment


def render(folder: Path, name: str, **values: Any) -> str:
    """The page that the template ``name`` in ``folder`` gives for ``values``.

    Values are escaped; only a :class:`markupsafe.Markup` goes in as it is. Templates extend ``base.html.j2`` and take
    pieces from ``parts.html.j2``, both beside this module.

    Raises:
        jinja2.UndefinedError: the template uses a value that is not given.
    """
    return _environment(folder).get_template(name).render(**values)
