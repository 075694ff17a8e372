"""HTML pages from templates. A page needs nothing but itself: no script, font or picture from elsewhere."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

TEMPLATES = Path(__file__).parent / "templates"


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
