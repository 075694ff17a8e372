"""The rules of junit-10.xsd, the schema of Jenkins' xUnit plugin, as a table: what may stand where."""

from __future__ import annotations

import re
from dataclasses import dataclass
from xml.etree import ElementTree

TIME = re.compile(r"(([0-9]{0,3},)*[0-9]{3}|[0-9]{0,3})*(\.[0-9]*)?")     # the schema's SUREFIRE_TIME


@dataclass(frozen=True)
class Rule:
    """An element's ``required`` and other attributes, its children, and whether it may hold text."""

    required: frozenset[str] = frozenset()
    others: frozenset[str] = frozenset()
    children: frozenset[str] = frozenset()
    text: bool = False


def _names(text: str) -> frozenset[str]:
    return frozenset(text.split())


_PROBLEM = Rule(others=_names("type message"), text=True)
RULES = {
    "testsuites": Rule(others=_names("name time tests failures errors"), children=_names("testsuite")),
    "testsuite": Rule(_names("name tests failures errors"),
                      _names("group time skipped timestamp hostname id package file log url"),
                      _names("testsuite properties testcase system-out system-err")),
    "properties": Rule(children=_names("property")),
    "property": Rule(_names("name value")),
    "testcase": Rule(_names("name"), _names("time classname group"), _names("skipped error failure system-out system-err")),
    "failure": _PROBLEM, "error": _PROBLEM, "skipped": _PROBLEM, "system-out": Rule(text=True), "system-err": Rule(text=True),
}


def violations(element: ElementTree.Element) -> list[str]:
    """What in an element and all below it is against the schema."""
    rule = RULES.get(element.tag)
    if rule is None:
        return [f"<{element.tag}> is unknown"]
    names = set(element.keys())
    found = [f"<{element.tag}> lacks {name}" for name in sorted(rule.required - names)]
    found += [f"<{element.tag}> must not have {name}" for name in sorted(names - rule.required - rule.others)]
    if element.tag in ("testsuites", "testsuite") and TIME.fullmatch(element.get("time", "")) is None:
        found.append(f"<{element.tag}>: time is {element.get('time')}")
    texts = [element.text, *(child.tail for child in element)]
    if not rule.text and any(text and text.strip() for text in texts):
        found.append(f"<{element.tag}> must not hold text")
    for child in element:
        found += violations(child) if child.tag in rule.children else [f"<{child.tag}> must not stand in <{element.tag}>"]
    return found
