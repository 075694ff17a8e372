"""Pieces that all HTML pages share. A page needs nothing but itself: no script, font or picture from elsewhere."""

from __future__ import annotations

import json
from collections.abc import Iterable
from html import escape
from pathlib import Path
from typing import Any

STYLE = (Path(__file__).parent / "page.css").read_text()


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
