"""``make docs``: README, docs/*.md and the models' docstrings as one site of HTML, every link in it checked.

The Markdown files are the one source, as any host of the project shows them. What is added here is the order of the pages and a
page for each public module of the models.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from models.errors import FcimError, run_cli
from models.place import BUILD, ROOT
from scripts.flow.arguments import Parser
from scripts.flow.processes import locked, shown

FOLDER = BUILD / "docs"
ROOT_PAGE = "README.md"
MORE_PAGES = ("CONTRIBUTING.md", "CHANGELOG.md", "rtl/README.md")
ORDER = {
    "Using it": ("package", "integration", "system", "registers", "axi", "accuracy", "checkpoints", "make", "report_schema",
                 "exit_codes"),
    "Specification": ("engine", "numbers", "streams", "cycles", "requests", "hardware", "scope", "glossary"),
    "Results": ("schedules", "paper", "baselines", "energy", "power", "synthesis"),
    "Verification": ("first_change", "verification", "farm", "testbench", "debugging", "waves", "proofs", "gates"),
}
"""The pages of ``docs`` in the order of the site's list; those that stand in none come last."""
LINK = re.compile(r"(!?)\[((?:[^\[\]]|\[[^\]]*\]\([^)]*\))*)\]\(([^)#\s]+)(#[^)\s]*)?\)")
FENCE = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)
DIAGRAM = re.compile(r"```mermaid\n(.*)```", re.DOTALL)
# Plain lines, and labels as text of the picture, which every viewer of SVG shows; room at the edges, since fonts differ in width.
LOOK = {"theme": "neutral", "look": "classic", "htmlLabels": False, "flowchart": {"htmlLabels": False, "diagramPadding": 24}}
PICTURE = """```{{image}} {name}
:alt: diagram; its text in Mermaid is in {page}
:width: {width}px
:class: diagram{wide}
```"""
READABLE = 1100     # pixels of a picture that may be made as narrow as the page's text


def pages() -> list[Path]:
    """The Markdown files of the site, from the project's root."""
    found = sorted(path.relative_to(ROOT) for path in (ROOT / "docs").glob("*.md"))
    return [Path(ROOT_PAGE), *map(Path, MORE_PAGES), *found]


def modules() -> list[str]:
    """The public modules and packages of the models, by name."""
    names = []
    for path in sorted((ROOT / "models").rglob("*.py")):
        parts = path.relative_to(ROOT).with_suffix("").parts
        if not any(part.startswith("_") and part != "__init__" for part in parts):
            names.append(".".join(parts).removesuffix(".__init__"))
    return sorted(names)


def drawn(diagram: str) -> str | None:
    """A diagram in Mermaid as SVG; None where the package that draws it is not there, as it is not for every machine.

    Raises:
        FcimError: it is no diagram.
    """
    try:
        from merman import Merman, MermanError
    except ImportError:
        return None
    try:
        svg = Merman().render_svg(f"%%{{init: {json.dumps(LOOK)}}}%%\n{diagram}", None)
    except MermanError as error:
        raise FcimError(f"a diagram cannot be drawn: {' '.join(str(error).split())}") from None
    # A page may be dark, the lines are not; a tenth of a pixel is as fine as anyone sees, and a third of the size.
    svg = re.sub(r"\d+\.\d\d+", lambda number: f"{float(number[0]):.1f}", svg)
    return svg.replace('style="', 'style="background: white; ', 1)


def linked(text: str, page: Path, files: set[Path], pictures: dict[Path, str]) -> str:
    """The text of a page as the site has it.

    Links to what is no page are links to files, which go along, or no links at all for folders. A diagram in Mermaid is a
    picture, which leads to itself alone.

    Args:
        page: its path from the project's root.
        files: gets what has to go along, from the project's root.
        pictures: gets what was drawn, by path from the site's source.

    Raises:
        FcimError: a diagram is none.
    """
    def changed(link: re.Match[str]) -> str:
        picture, name, target = link[1], link[2], link[3]
        if re.match(r"[a-z]+:", target):
            return link[0]
        path = Path(os.path.normpath(page.parent / target))
        if (ROOT / path).is_dir():
            return name
        if path.suffix != ".md" and (ROOT / path).is_file():
            files.add(path)
            return link[0] if picture else f"[{name}](path:{target})"
        return link[0]

    def shown_fence(fence: str) -> str:
        diagram = DIAGRAM.fullmatch(fence)
        svg = drawn(diagram[1]) if diagram else None
        if svg is None:
            return fence.replace("```mermaid", "```text", 1)
        before = sum(path.parent == page.parent and path.name.startswith(f"{page.stem}-diagram") for path in pictures)
        name = f"{page.stem}-diagram-{before + 1}.svg"
        pictures[page.parent / name] = svg
        width = round(float(re.search(r'viewBox="[-.\d]+ [-.\d]+ ([.\d]+)', svg)[1]))
        return PICTURE.format(name=name, page=page, width=width, wide=" wide" if width > READABLE else "")

    parts, at = [], 0
    for fence in FENCE.finditer(text):
        parts += [LINK.sub(changed, text[at:fence.start()]), shown_fence(fence[0])]
        at = fence.end()
    return "".join([*parts, LINK.sub(changed, text[at:])])


def contents(api: list[str]) -> str:
    """The site's list of pages, as Sphinx reads it, for the end of the first page."""
    docs = [path.stem for path in pages() if path.parent.name == "docs"]
    placed = {name for names in ORDER.values() for name in names}
    parts = {caption: [f"docs/{name}" for name in names] for caption, names in ORDER.items()}
    parts["More"] = [*(f"docs/{name}" for name in docs if name not in placed),
                     *(str(Path(name).with_suffix("")) for name in reversed(MORE_PAGES))]
    parts["Python"] = [f"api/{name}" for name in api if name.count(".") <= 1]
    return "".join(f"\n```{{toctree}}\n:hidden:\n:caption: {caption}\n\n" + "\n".join(names) + "\n```\n"
                   for caption, names in parts.items())


def module_page(name: str, api: list[str]) -> str:
    """The page of one module: its docstring, what it defines, and the modules of a package."""
    inside = [other for other in api if other.startswith(f"{name}.") and other.count(".") == name.count(".") + 1]
    listed = f"\n```{{toctree}}\n:maxdepth: 1\n\n{chr(10).join(inside)}\n```\n" if inside and name != "models" else ""
    package = (ROOT / Path(*name.split("."))).is_dir()     # whose names are those of its modules
    members = "" if package else "   :members:\n   :show-inheritance:\n"
    return f"# {name}\n\n```{{eval-rst}}\n.. automodule:: {name}\n{members}```\n{listed}"


def gather(folder: Path) -> None:
    """Put together what Sphinx reads: the pages, what they link to, a page for each module."""
    files: set[Path] = set()
    pictures: dict[Path, str] = {}
    api = modules()
    for page in pages():
        text = linked((ROOT / page).read_text(), page, files, pictures)
        write(folder / page, text + (contents(api) if page.name == ROOT_PAGE and page.parent == Path() else ""))
    for name in api:
        write(folder / "api" / f"{name}.md", module_page(name, api))
    for path, svg in pictures.items():
        write(folder / path, svg)
    for path in files:
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / path, folder / path)


def write(path: Path, text: str) -> None:
    """A file and the folders that it is in."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def build(source: Path, site: Path) -> int:
    """Make the site of what lies in ``source``; Sphinx's exit code, not 0 if it warns of anything."""
    command = [sys.executable, "-m", "sphinx", "-n", "-W", "--keep-going", "-q", "-c", ROOT / "docs",
               "-d", site.parent / "doctrees", source, site]
    return subprocess.run(command, cwd=ROOT, check=False, env={**os.environ, "PYTHONPATH": str(ROOT)}).returncode


def main() -> int:
    """Make the site; a link or a name that leads nowhere fails.

    Raises:
        FcimError: Sphinx is not installed, or a diagram cannot be drawn.
    """
    args = Parser("docs", "README, docs and the models' docstrings as one site.", out=FOLDER).parse_args()
    try:
        import sphinx  # noqa: F401
    except ImportError:
        raise FcimError("Sphinx, which makes the site, is not installed; type: make setup") from None
    source, site = args.out.resolve() / "source", args.out.resolve() / "html"
    with locked(args.out, "docs", "wait for its end"):
        for old in (source, site):
            shutil.rmtree(old, ignore_errors=True)
        gather(source)
        code = build(source, site)
    if code:
        print(f"error: the lines above say which links or names lead nowhere; the site is in {shown(site)}", file=sys.stderr)
        return 1
    print(f"site: {shown(site / 'README.html')}")
    return 0


if __name__ == "__main__":
    run_cli(main)
