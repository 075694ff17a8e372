"""``make docs``: all pages are in the site, every link of its HTML leads somewhere, nothing comes from a network; faults fail."""

from __future__ import annotations

import re
import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit
from xml.etree import ElementTree

import pytest

from models.errors import FcimError
from scripts import docs
from scripts.flow.sources import ROOT

FETCHED = {("link", "href"), ("script", "src"), ("img", "src"), ("iframe", "src"), ("object", "data"), ("source", "src")}


class Page(HTMLParser):
    """Anchors and links of a page, and what a browser fetches for it by itself."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.anchors: set[str] = set()
        self.links: list[str] = []
        self.fetched: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Take from a tag what counts."""
        for name, value in attrs:
            if name in ("id", "name") and value:
                self.anchors.add(value)
            elif (tag, name) == ("a", "href") and value:
                self.links.append(value)
            elif (tag, name) in FETCHED and value:
                self.fetched.append(value)


def lead_nowhere(site: Path) -> list[str]:
    """Links of all pages to files or anchors that are not there, and whatever is fetched from elsewhere."""
    pages = {path: Page(path.read_text()) for path in site.rglob("*.html")}
    bad = []
    for path, page in pages.items():
        for link in [*page.links, *page.fetched]:
            parts = urlsplit(link)
            if parts.scheme or parts.netloc:
                bad += [f"{path.name}: {link} is fetched"] if link in page.fetched and parts.scheme != "data" else []
                continue
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            known = pages.get(target)
            if not target.exists() or (parts.fragment and known and unquote(parts.fragment) not in known.anchors):
                bad.append(f"{path.name}: {link}")
    return bad


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The whole site."""
    folder = tmp_path_factory.mktemp("docs")
    docs.gather(folder / "source")
    assert docs.build(folder / "source", folder / "html") == 0
    return folder / "html"


def test_all_pages_are_in_it(site: Path) -> None:
    wanted = {str(page.with_suffix(".html")) for page in docs.pages()} | {f"api/{name}.html" for name in docs.modules()}
    there = {str(path.relative_to(site)) for path in site.rglob("*.html")}
    assert wanted <= there and len(wanted) > 80
    assert {"docs/numbers.html", "api/models.hardware.golden.html", "api/models.system.driver.html"} <= wanted
    text = (site / "api" / "models.hardware.golden.html").read_text()
    assert 'id="models.hardware.golden.run_tile"' in text


def test_every_link_leads_somewhere(site: Path) -> None:
    assert lead_nowhere(site) == []


def test_every_page_is_reached_from_the_first(site: Path) -> None:
    """By the list of pages at its side."""
    found, left = set(), [site / "README.html"]
    while left:
        path = left.pop()
        if path in found:
            continue
        found.add(path)
        links = [urlsplit(link).path for link in Page(path.read_text()).links if not urlsplit(link).scheme]
        targets = [(path.parent / unquote(link)).resolve() for link in links if link.endswith(".html")]
        left += [target for target in targets if target.exists()]
    assert {site / page.with_suffix(".html") for page in docs.pages()} <= found
    assert {site / "api" / f"{name}.html" for name in docs.modules()} <= found


def test_the_list_names_each_page_once() -> None:
    placed = [name for names in docs.ORDER.values() for name in names]
    assert len(placed) == len(set(placed)) and {f"docs/{name}.md" for name in placed} <= {str(page) for page in docs.pages()}


@pytest.mark.parametrize(("text", "says"), [
    ("# A\n\n[b](other.md)", "other.md"), ("# A\n\n[b](#none)", "none"), ("# A\n\n![b](none.png)", "none.png"),
    ("# A\n\n[b](path:none.yaml)", "none.yaml"),
    ("# A\n\n```{eval-rst}\n:func:`models.values.parse_nothing`\n```", "parse_nothing"),
    ("# A\n\n[good](#a)", "")])
def test_what_leads_nowhere_fails(text: str, says: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    docs.write(tmp_path / "source" / "README.md", f"{text}\n")
    code = docs.build(tmp_path / "source", tmp_path / "html")
    assert bool(code) == bool(says) and says in capfd.readouterr().err


def test_diagrams_are_pictures(site: Path) -> None:
    """Of every page, with all of their labels, and nothing in them is fetched."""
    pytest.importorskip("merman")
    count = 0
    for page in docs.pages():
        shown = site / page.with_suffix(".html")
        pictures = [shown.parent / unquote(link) for link in Page(shown.read_text()).fetched if "-diagram-" in link]
        texts = re.findall(r"^```mermaid\n(.*?)^```$", (ROOT / page).read_text(), re.M | re.S)
        assert len(pictures) == len(texts), page
        count += len(texts)
        for path, text in zip(pictures, texts, strict=True):
            svg = ElementTree.parse(path).getroot()
            there = "".join("".join(svg.itertext()).split())
            labels = re.findall(r'[\[({]"?([^\[\](){}"]+)"?[\])}]|(?<!-)-- "?([^">-]+?)"? -->', text)
            assert labels and not [label for pair in labels for label in pair if "".join(label.split()) not in there], path
            assert svg.tag.endswith("}svg") and not re.search(r"(?:href|url\()=?[\"']?(?!#)[a-z]+:", path.read_text()), path
    assert count == sum(page.read_text().count("```mermaid") for page in map(ROOT.joinpath, docs.pages())) > 10


def test_a_wrong_diagram_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("merman")
    with pytest.raises(FcimError, match="^a diagram cannot be drawn: .+"):
        docs.drawn("flowchart LR\n    a --> --> ]b[\n")


def test_what_becomes_of_diagrams(monkeypatch: pytest.MonkeyPatch) -> None:
    """A picture beside the page; text where nothing draws."""
    text = "a\n```mermaid\nflowchart LR\n    a --> b\n```\nb\n"
    pictures = {Path("docs/x-diagram-1.svg"): "", Path("docs/engine-diagram-1.svg"): ""}
    monkeypatch.setattr(docs, "drawn", lambda diagram: f'<svg viewBox="-1 -2.5 30.6 4">{diagram}</svg>')
    got = docs.linked(text, Path("docs/engine.md"), set(), pictures)
    assert got == ("a\n```{image} engine-diagram-2.svg\n:alt: diagram; its text in Mermaid is in docs/engine.md\n:width: 31px\n"
                   ":class: diagram\n```\nb\n")
    assert pictures[Path("docs/engine-diagram-2.svg")] == '<svg viewBox="-1 -2.5 30.6 4">flowchart LR\n    a --> b\n</svg>'
    monkeypatch.setattr(docs, "drawn", lambda diagram: '<svg viewBox="0 0 1100.6 4"></svg>')
    assert ":width: 1101px\n:class: diagram wide\n" in docs.linked(text, Path("docs/engine.md"), set(), pictures)
    monkeypatch.undo()
    monkeypatch.setitem(sys.modules, "merman", None)
    assert docs.linked(text, Path("docs/engine.md"), set(), pictures) == text.replace("```mermaid", "```text")


def test_what_becomes_of_links() -> None:
    files: set[Path] = set()
    text = ("[page](numbers.md#x) [plan](verification_plan.yaml) [`rtl`](../rtl) ![core](images/core.svg) <a@b.c> "
            "[host](https://x.org/a.yaml)\n```yaml\n[plan](verification_plan.yaml)\n```\n")
    assert docs.linked(text, Path("docs/engine.md"), files, {}) == (
        "[page](numbers.md#x) [plan](path:verification_plan.yaml) `rtl` ![core](images/core.svg) <a@b.c> "
        "[host](https://x.org/a.yaml)\n```yaml\n[plan](verification_plan.yaml)\n```\n")
    assert files == {Path("docs/verification_plan.yaml"), Path("docs/images/core.svg")}
    assert all((ROOT / path).is_file() for path in files)
