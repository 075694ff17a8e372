"""``rtl/README.md`` is an index of the RTL as it is: every module, its file, its place in the hierarchy, its latency."""

from __future__ import annotations

import re

import pytest

from scripts.flow.sources import ROOT, rtl_files
from tests.docs.test_pages import broken_links

PAGE = ROOT / "rtl" / "README.md"
TEXT = PAGE.read_text()
FILES = {path.stem: path for path in rtl_files()}


def header(module: str) -> dict[str, str]:
    """The lines Latency, Throughput, Cuts and Numbers of a module's header, each as one text."""
    lines = re.match(r"(?://.*\n)*", FILES[module].read_text())[0].replace("\n//    ", " ")
    return {name: " ".join(text.split()) for name, text in re.findall(r"^// ([A-Z]\w+): +(.*)$", lines, re.M)}


def instances(module: str) -> list[tuple[str, str]]:
    """Instance and module of what a module is made of, in its order; modules that accuse a parameter are not among them."""
    text = re.sub(r"//.*", "", FILES[module].read_text())
    found = re.findall(r"^ {4,}(fcim_\w+)(?: #\([^;]*?\))? (u_\w+) \(", text, re.M)
    return [(instance, kind) for kind, instance in found]


def tree(module: str, depth: int = 0) -> list[tuple[int, str, str]]:
    """Depth, instance and module of everything below a module."""
    return [line for instance, kind in instances(module) for line in [(depth, instance, kind), *tree(kind, depth + 1)]]


def tops() -> list[str]:
    """Modules that are in no other one."""
    return sorted(set(FILES) - {kind for module in FILES for _, kind in instances(module)})


def section(module: str) -> str:
    """What the page says of one module."""
    return re.search(rf"^### `{module}`\n(.*?)(?=^### |\Z)", TEXT, re.M | re.S)[1]


def test_every_module_and_header_file_of_the_folder_is_in_the_index() -> None:
    listed = dict(re.findall(r"^\| \[`(\w+)`\]\(#\w+\) \| \[`([\w/.]+)`\]", TEXT, re.M))
    assert listed == {module: str(path.relative_to(PAGE.parent)) for module, path in FILES.items()}
    assert set(FILES.values()) == set((ROOT / "rtl").rglob("*.v"))
    for path in sorted((ROOT / "rtl").rglob("*.vh")):
        assert f"]({path.relative_to(PAGE.parent)})" in TEXT, path


def test_the_hierarchy_is_that_of_the_instances() -> None:
    assert set(tops()) == set(re.findall(r"^```text\n(fcim_\w+)\n[├└]", TEXT, re.M))
    for top in tops():
        picture = re.search(rf"```text\n{top}\n(.*?)```", TEXT, re.S)[1]
        drawn = re.findall(r"^((?:│   |    )*)[├└]── (u_\w+) +(fcim_\w+)$", picture, re.M)
        assert len(drawn) == len(picture.splitlines())
        assert [(len(indent) // 4, instance, kind) for indent, instance, kind in drawn] == tree(top)


@pytest.mark.parametrize("module", FILES)
def test_a_module_has_a_picture_and_the_latency_of_its_header(module: str) -> None:
    said = header(module)
    assert set(said) == {"Latency", "Throughput", "Cuts", "Numbers"}, "a line of the header is missing"
    text = section(module)
    assert re.search(r"^```(text|mermaid)\n.+?^```$", text, re.M | re.S)
    for name in ("Latency", "Throughput"):
        shown = re.search(rf"^\* {name}: (.*?)(?=\n\*|\n\n)", text, re.M | re.S)[1]
        assert " ".join(shown.split()).lower() == said[name].lower()


def test_a_picture_names_what_there_is() -> None:
    """Signals and modules in the pictures of one module are those of its file, or the modules around it."""
    for module, path in FILES.items():
        for picture in re.findall(r"^```text\n(.+?)^```$", section(module), re.M | re.S):
            names = set(re.findall(r"\b(?:[a-z]+_[a-z_0-9]+|[A-Z]+_[A-Z_]+)\b", picture)) - set(FILES)
            text = path.read_text()
            missing = [name for name in names if not re.search(rf"\b{name}|\b{name}_", text)]
            assert not missing, f"{module}: {missing}"


def test_its_links_lead_somewhere() -> None:
    assert broken_links(PAGE) == []


def test_a_module_that_the_index_lacks_would_be_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(FILES, "fcim_new", PAGE.parent / "stream" / "fcim_new.v")
    with pytest.raises(AssertionError):
        test_every_module_and_header_file_of_the_folder_is_in_the_index()
