"""What the commands about a whole model start from: the model, the texts, the hardware, from one set of options."""

from __future__ import annotations

import argparse
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
import transformers
from torch import Tensor

import models.hf_attention as ha
from models.errors import FcimError
from models.hardware.config import load_config
from models.hardware.schedules import TileOptions
from models.hf_attention.calibrate import V_ROOM
from models.hf_attention.statistics import LayerStatistics, preparation
from models.tensors.checkpoint import Checkpoint
from models.tensors.fit import fit_note
from models.tensors.source import open_checkpoint, parse_count
from models.tensors.text import load_corpus
from models.tensors.token_ids import Tokenizer, read_text, token_ids
from scripts.checks import check_call
from scripts.flow.files import check_writable

TOKENS = 4096       # of the text that is scored
CALIBRATION = (4, 512)
"""Texts and tokens of each from which the statistics come that a running system has: not of the text that is scored."""


@dataclass
class Loaded:
    """``model`` in float32, calibrated; ``ids`` int64 ``[T]`` of the text; ``facts`` for the report, without machine paths."""

    model: transformers.PreTrainedModel
    tokenizer: Tokenizer
    ids: Tensor
    bytes_per_token: float
    calibration: Tensor
    settings: ha.Settings
    facts: dict[str, Any]
    checkpoint: Checkpoint
    statistics: dict[tuple[tuple[bool, bool, bool], float], dict[int, LayerStatistics]] = field(default_factory=dict)

    def recalibrate(self, v_room: float = V_ROOM, **changes: object) -> ha.Settings:
        """Change settings, with the statistics that go with them; which depend on the preparation of Q and K and V's room."""
        choice = ha.configure(self.model, statistics={}, **changes).quantisation
        key = (preparation(choice), v_room)
        if key not in self.statistics:
            self.statistics[key] = ha.calibrate(self.model, self.calibration, v_room).statistics
        self.settings = ha.configure(self.model, statistics=self.statistics[key])
        return self.settings


def add_device(parser: argparse.ArgumentParser) -> None:
    """The option that is no variable of make."""
    parser.add_argument("--device", help="where PyTorch computes (default: cuda where there is one, else cpu)")


def device_of(name: str | None) -> torch.device:
    """The device that was asked for, or the best there is.

    Raises:
        FcimError: no such device here.
    """
    chosen = name or ("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(chosen)
        torch.zeros(1, device=device)
    except (RuntimeError, AssertionError):
        device = None
    if device is None or device.type not in ("cpu", "cuda"):
        raise FcimError(f"PyTorch cannot compute on device '{chosen}' here; use cpu or cuda, or leave --device out")
    return device


def output_folder(path: Path) -> Path:
    """The folder of a command's results, made if it is not there; called before the work, so that none is lost.

    Raises:
        FcimError: it cannot be made.
    """
    check_writable(path)
    return path


def load(args: argparse.Namespace, tokens: int, checkpoint: Checkpoint | None = None) -> Loaded:
    """Model, text and settings of a command's options; ``tokens`` of the text are taken, ``checkpoint`` is theirs if it is open.

    Raises:
        FcimError: anything the user can get wrong, in one line.
    """
    options = TileOptions(args.schedule, args.fused, False, args.tau)
    hardware = load_config(args.config) if args.config else None
    device = device_of(args.device)
    checkpoint = checkpoint or open_checkpoint(args.checkpoint)
    wanted = ha.Settings(hardware=hardware, options=options)
    note = fit_note(checkpoint.config.head_dim, wanted.hardware_for(checkpoint.config.head_dim))
    if note:
        print(note)
    checkpoint.check_weights()
    vocabulary = checkpoint.config.vocab_size
    text = read_text(args.text) if args.text else None
    taken = token_ids(checkpoint.tokenizer, text, tokens, vocabulary, 1 << 40)
    model = checkpoint.load_model(device)
    ha.configure(model, wanted)
    calibration = _calibration_ids(checkpoint.tokenizer, vocabulary, checkpoint.config.max_position_embeddings).to(device)
    size = len(checkpoint.tokenizer.decode(taken.ids[1:]).encode())      # the first token is never scored
    loaded = Loaded(model, checkpoint.tokenizer, taken.ids.to(device), size / max(1, len(taken.ids) - 1) if size else 1.0,
                    calibration, wanted, {**checkpoint.facts(), **taken.facts, **({"fit": note} if note else {})}, checkpoint)
    loaded.recalibrate()
    return loaded


def _calibration_ids(tokenizer: Tokenizer, vocabulary: int, positions: int) -> Tensor:
    rows, tokens = CALIBRATION
    tokens = min(tokens, positions)
    corpus = load_corpus(held_out=False)
    ids: list[int] = []
    for data in corpus[:: max(1, len(corpus) // 64)]:       # pieces of many files
        ids += tokenizer.encode(data.decode("utf-8", errors="replace")[:4 * tokens])[:max(1, tokens // 4)]
        if len(ids) >= rows * tokens:
            break
    if max(ids) >= vocabulary:
        raise FcimError(f"the tokenizer gives token {max(ids)} but the model knows only {vocabulary};"
                        " the tokenizer files belong to another model")
    return torch.tensor(ids[:rows * tokens]).view(rows, tokens)


def context_of(given: str | None, default: int, model_positions: int) -> int:
    """A length of context that the model can take.

    Raises:
        FcimError: it cannot.
    """
    value = parse_count(given, "CONTEXT") or min(default, model_positions)
    if not 2 <= value <= model_positions:
        raise FcimError(f"CONTEXT = {value} is illegal; this model takes 2 to {model_positions}")
    return value


def load_scored(args: argparse.Namespace, context: int) -> tuple[Path, Loaded, int]:
    """The folder of the results, model and text, and the tokens of a window; ``context`` is their default.

    Raises:
        FcimError: anything the user can get wrong, in one line.
    """
    check_call(args)
    folder = output_folder(args.out)
    checkpoint = open_checkpoint(args.checkpoint)
    window = context_of(args.context, context, checkpoint.config.max_position_embeddings)
    return folder, load(args, args.tokens or TOKENS, checkpoint), window


def conditions(loaded: Loaded, **more: int) -> dict[str, Any]:
    """Everything the figures depend on; ``more`` is what only one command has."""
    settings = loaded.settings
    cfg = settings.hardware_for(loaded.model.config.head_dim)
    return {"source": loaded.facts, **more, "bytes_per_token": loaded.bytes_per_token,
            "dtype": "float32", "device": str(loaded.model.device), "config": asdict(cfg), **asdict(settings.options),
            "quantisation": asdict(settings.quantisation),
            "calibration": "statistics of V and K from other sources of the Python standard library, "
                           f"{loaded.calibration.shape[0]} x {loaded.calibration.shape[1]} tokens"}
