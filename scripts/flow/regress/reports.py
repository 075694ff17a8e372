"""The reports of a regression: JSON, JUnit XML for CI systems, and a page, each replaced as a whole.

The XML has a suite per entry, a case per job. It keeps to the schema of Jenkins' xUnit plugin (junit-10.xsd), the strictest of
those in use: no counts of skipped cases on the root, no properties in a case. What repeats a job stands in its output.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from xml.etree import ElementTree

from scripts.flow.files import write_atomic
from scripts.flow.regress import page, record
from scripts.flow.regress.process import log_tail
from scripts.flow.regress.record import BAD, NOT_RUN, SKIPPED, TIMEOUT, JobRecord, Record

JUNIT_FILE = "junit.xml"
# what XML 1.0 cannot hold, for example ESC of colours
ILLEGAL = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def _clean(text: str) -> str:
    return ILLEGAL.sub("?", text)


def _case(suite: ElementTree.Element, job: JobRecord, out: Path) -> None:
    case = ElementTree.SubElement(suite, "testcase", classname=f"regress.{job.name}", name=job.id, time=f"{job.seconds:.3f}")
    if job.status in BAD:
        kind = "timeout" if job.status == TIMEOUT else "failure"
        problem = ElementTree.SubElement(case, "failure", type=kind, message=_clean(job.first_line))
        problem.text = _clean(f"{job.message}\nrepeat: {job.repeat}")
    elif job.status in (NOT_RUN, SKIPPED):
        ElementTree.SubElement(case, "skipped", message=_clean(job.message or job.status))
    given = {"seed": job.seed, "parameters": job.shown_parameters, "repeat": job.repeat, "log": job.log or "", **job.metrics}
    lines = [f"{name}: {value}" for name, value in given.items()]
    tail = log_tail(out / job.log) if job.log and job.status in BAD else []
    ElementTree.SubElement(case, "system-out").text = _clean("\n".join([*lines, *tail]))


def _counts(jobs: Sequence[JobRecord]) -> dict[str, str]:
    skipped = sum(job.status in (NOT_RUN, SKIPPED) for job in jobs)
    return {"tests": str(len(jobs)), "failures": str(sum(job.status in BAD for job in jobs)), "errors": "0",
            "skipped": str(skipped), "time": f"{sum(job.seconds for job in jobs):.3f}"}


def render_junit(record: Record, out: Path) -> str:
    """The XML; that of an incomplete regression holds an error, so that nobody takes it for green because nothing failed."""
    counts = _counts(record.jobs)
    del counts["skipped"]       # each suite says it
    root = ElementTree.Element("testsuites", name="regression", **counts)
    for name in dict.fromkeys(job.name for job in record.jobs):
        jobs = [job for job in record.jobs if job.name == name]
        suite = ElementTree.SubElement(root, "testsuite", name=name, timestamp=record.started, **_counts(jobs))
        properties = ElementTree.SubElement(suite, "properties")
        for key, value in (("seed", record.seed), ("command", record.command)):
            ElementTree.SubElement(properties, "property", name=key, value=_clean(str(value)))
        for job in jobs:
            _case(suite, job, out)
    if not record.complete:
        root.set("errors", "1")
        root.set("tests", str(len(record.jobs) + 1))
        suite = ElementTree.SubElement(root, "testsuite", name="regression", **{**_counts([]), "tests": "1", "errors": "1"})
        case = ElementTree.SubElement(suite, "testcase", classname="regress", name="all jobs ran", time="0")
        ElementTree.SubElement(case, "error", type="incomplete", message=_clean(record.verdict()))
    ElementTree.indent(root)
    return '<?xml version="1.0" encoding="utf-8"?>\n' + ElementTree.tostring(root, encoding="unicode") + "\n"


def write_reports(rec: Record, out: Path) -> None:
    """Write all three into ``out``.

    Raises:
        FcimError: the folder cannot be written.
    """
    write_atomic(out / record.FILE, rec.as_json())
    write_atomic(out / JUNIT_FILE, render_junit(rec, out))
    write_atomic(out / page.FILE, page.render_page(rec))
