"""Shared by the model tests: a tiny checkpoint, and the check that bad input is refused cleanly."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch

from models.errors import run_cli


@pytest.fixture
def refused(capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """``refused(main, argv, "part of the message")``: exit code 2, one line on stderr, nothing on stdout."""

    def check(main: Callable[[list[str]], int], argv: list[object], *parts: str) -> str:
        capsys.readouterr()
        with pytest.raises(SystemExit) as exit_info:
            run_cli(lambda: main([str(a) for a in argv]))
        out, err = capsys.readouterr()
        assert exit_info.value.code == 2
        assert out == ""
        assert err.startswith("error: ") and err.count("\n") == 1 and "Traceback" not in err
        for part in parts:
            assert part in err
        return err

    return check


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    """The tensors are tiny: more threads would only wait for each other."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint that tests read, or take damaged copies of."""
    from tests.models.tiny_llama import make_checkpoint  # late: transformers takes seconds to import

    return make_checkpoint(tmp_path_factory.mktemp("plain"))
