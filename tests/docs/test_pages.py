"""The pages keep their promises: links lead somewhere, and the examples of verification.md and debugging.md run as they stand."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import types
from pathlib import Path

import pytest
import torch
import yaml

from models.hardware import golden
from models.hardware.quantise import quantise
from models.tensors.source import load_tensors
from scripts.flow.regress.entries import read_entries
from scripts.flow.regress.job import Job
from scripts.flow.regress.selection import select_jobs
from scripts.flow.sources import ROOT
from scripts.sim.jobs import GroupJob

PAGES = sorted([ROOT / "README.md", *(ROOT / "docs").rglob("*.md")])
LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")
EXAMPLES = ("tb/double/", "rtl/double/")      # what a page tells its reader to write
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, made as the usual renderers make them."""
    text = FENCE.sub("", page.read_text())
    heads = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", head.lower()).strip().replace(" ", "-") for head in heads}


def broken_links(page: Path) -> list[str]:
    """Links of a page to files or headings that are not there; addresses of other hosts are not looked up."""
    broken = []
    for target in LINK.findall(FENCE.sub("", page.read_text())):
        if re.match(r"[a-z]+:", target):
            continue
        name, _, anchor = target.partition("#")
        path = (page.parent / name).resolve() if name else page
        if not path.exists() or (anchor and path.suffix == ".md" and anchor not in anchors(path)):
            broken.append(target)
    return broken


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    assert broken_links(page) == []


@pytest.mark.parametrize("link", ["[a](no_such_page.md)", "[a](other.md#no-such-heading)", "![a](images/none.png)", "[a](#gone)"])
def test_a_broken_link_is_seen(link: str, tmp_path: Path) -> None:
    (tmp_path / "other.md").write_text("# A heading, with `code`\n")
    (tmp_path / "page.md").write_text(f"[good](other.md#a-heading-with-code) and {link}\n")
    assert len(broken_links(tmp_path / "page.md")) == 1


def named_files(page: Path) -> list[str]:
    """Paths in code spans that look like files of the project, as in `tb/core/sequences.py`."""
    spans = re.findall(r"`([\w./-]+)`", FENCE.sub("", page.read_text()))
    folders = ("rtl/", "tb/", "models/", "scripts/", "config/", "docs/")
    return [span for span in spans if span.startswith(folders) and not span.startswith(EXAMPLES)]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_files_that_a_page_names_exist(page: Path) -> None:
    assert [name for name in named_files(page) if not (ROOT / name).exists()] == []


# ---- the examples of docs/verification.md
def example(language: str, start: str) -> str:
    """The one code block of that language on the page that begins with ``start``."""
    blocks = [body for kind, body in FENCE.findall((ROOT / "docs" / "verification.md").read_text())
              if kind == language and body.startswith(start)]
    assert len(blocks) == 1
    return blocks[0]


def test_the_workload_of_the_page_runs(tmp_path: Path, seed: int) -> None:
    module = types.ModuleType("equal_keys")
    exec(compile(example("python", '"""A tile whose keys'), "docs/verification.md", "exec"), module.__dict__)  # noqa: S102
    outcome = module.run(Job("equal-keys", "tiny", {"keys": 20}, seed, "icarus", False, tmp_path, "make test TEST=tests/docs"))
    assert outcome.passed, outcome.message
    assert outcome.metrics["rows"] > 0 and outcome.digest


def test_the_entry_of_the_page_is_legal(tmp_path: Path) -> None:
    text = example("yaml", "- name: equal-keys")
    entry = yaml.safe_load(text)[0]
    listed = tmp_path / "list.yaml"     # the module is the reader's to write; any other stands for it here
    listed.write_text(text.replace(entry["module"], "tb.workloads.shapes"))
    jobs = select_jobs(read_entries(listed), 1, [], None, None, None)
    assert len(jobs) == 12 and {job.sim for job in jobs} == {"icarus", "verilator"}


def test_the_coverpoint_of_the_page_is_sampled(tmp_path: Path) -> None:
    code = example("python", '"""Coverpoints of') + "\nsample_quotient(-3); sample_quotient(0)"
    file = tmp_path / "hits.json"
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=os.environ | {"FCIM_COVER_FILE": str(file)}, check=True)
    assert json.loads(file.read_text())["points"] == {"divider.sign": {"negative": 1, "0": 1}}


def test_every_page_is_in_the_readme() -> None:
    """A page that nothing leads to is a page that nobody finds."""
    linked: set[Path] = set()
    waiting = [ROOT / "README.md"]
    while waiting:
        page = waiting.pop()
        for target in LINK.findall(page.read_text()):
            path = (page.parent / target.partition("#")[0]).resolve()
            if path.suffix == ".md" and path not in linked and path.exists():
                linked.add(path)
                waiting.append(path)
    assert [page.name for page in PAGES[1:] if page not in linked] == []


# ---- the example of docs/debugging.md
def test_the_golden_model_tells_what_each_block_leaves(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The page's lines, on a run kept by hand: one line a block, and what the last one leaves gives the output."""
    group = quantise(load_tensors(tokens=40)[0])[0]
    torch.save(GroupJob("run", 0, 0, "prefill", ["H0"], group), tmp_path / "job.pt")
    text = (ROOT / "docs" / "debugging.md").read_text()
    (code,) = [body for kind, body in FENCE.findall(text) if kind == "python"]
    assert "build/sim/kept/RUN/000/job.pt" in code
    before = golden.accumulate
    try:
        exec(compile(code.replace("build/sim/kept/RUN/000", str(tmp_path)), "docs/debugging.md", "exec"), {})  # noqa: S102
    finally:
        golden.accumulate = before
    printed = capsys.readouterr().out
    states = re.findall(r"shift (\d+), maximum (-?\d+), sum (\d+), O (-?\d+)", printed)
    assert len(states) == 1     # tile 0 of a group of four heads sees 16 keys: one block
    row_sum, acc = int(states[-1][2]), int(states[-1][3])
    sign = -1 if acc < 0 else 1
    assert printed.rstrip().endswith(f"output {sign * ((abs(acc) * 512 + row_sum) // (2 * row_sum))}")
