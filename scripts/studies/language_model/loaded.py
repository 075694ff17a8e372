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
from models.hardware.config import EngineConfig, load_config
from models.hardware.orders import load_orders
from models.hardware.schedules import DEFAULT_OPTIONS, TileOptions
from models.hf_attention.calibrate import V_ROOM
from models.hf_attention.kernel import Skipped
from models.hf_attention.statistics import LayerStatistics, preparation
from models.tensors.checkpoint import Checkpoint
from models.tensors.fit import fit_note
from models.tensors.source import kinds_of, open_checkpoint, parse_count
from models.tensors.text import CODE, PROSE, load_corpus, load_prose
from models.tensors.token_ids import TokenIds, Tokenizer, read_text, token_ids
from scripts.checks import check_call
from scripts.flow.files import check_writable

TOKENS = 4096       # of the text that is scored
CALIBRATION = (4, 512)
"""Texts and tokens of each from which the statistics come that a running system has: not of the text that is scored."""


@dataclass(frozen=True)
class Part:
    """A text as the model is run on it: ``ids`` int64 ``[T]``, and the bytes of text that one of its tokens stands for."""

    ids: Tensor
    bytes_per_token: float


@dataclass
class Loaded:
    """``model`` in float32, calibrated; the texts by their names; ``facts`` for the report, without machine paths."""

    model: transformers.PreTrainedModel
    tokenizer: Tokenizer
    parts: dict[str, Part]
    calibration: Tensor
    settings: ha.Settings
    facts: dict[str, Any]
    checkpoint: Checkpoint
    statistics: dict[tuple[tuple[bool, bool, bool], float], dict[int, LayerStatistics]] = field(default_factory=dict)

    @property
    def ids(self) -> Tensor:
        """Of the first text, which most commands have alone."""
        return next(iter(self.parts.values())).ids

    @property
    def bytes_per_token(self) -> float:
        """Of the first text."""
        return next(iter(self.parts.values())).bytes_per_token

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


def peak_memory(device: torch.device) -> float:
    """MiB. Of this program's memory alone: getrusage would give a new process the peak of the one that started it."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated() / 2**20
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM:"))
    return int(line.split()[1]) / 1024


def output_folder(path: Path) -> Path:
    """The folder of a command's results, made if it is not there; called before the work, so that none is lost.

    Raises:
        FcimError: it cannot be made.
    """
    check_writable(path)
    return path


def text_ids(args: argparse.Namespace, checkpoint: Checkpoint, tokens: int, kind: str = CODE) -> TokenIds:
    """``tokens`` tokens of the text that was asked for, or of held-out text of a kind.

    Raises:
        FcimError: the text cannot be read, is too short, or the tokenizer is another model's.
    """
    text = read_text(args.text) if args.text else None
    return token_ids(checkpoint.tokenizer, text, tokens, checkpoint.config.vocab_size, 1 << 40, kind)


def load(args: argparse.Namespace, checkpoint: Checkpoint, texts: dict[str, TokenIds],
         hardware: EngineConfig | None = None) -> Loaded:
    """Model and settings of a command's options, and the texts to run it on, by their names; ``hardware`` instead of CONFIG's.

    Raises:
        FcimError: anything the user can get wrong, in one line.
    """
    skips = {name: getattr(args, name, None) for name in ("skip", "octaves")}      # as ORDERS, which not every command takes
    options = DEFAULT_OPTIONS.given(schedule=args.schedule, fused=args.fused, tau=args.tau, **skips)
    hardware = load_config(args.config) if args.config else hardware
    device = device_of(args.device)
    orders = load_orders(args.orders) if getattr(args, "orders", None) else None
    wanted = ha.Settings(hardware=hardware, options=options, orders=orders)
    note = fit_note(checkpoint.config.head_dim, wanted.hardware_for(checkpoint.config.head_dim))
    if note:
        print(note)
    checkpoint.check_weights()
    model = checkpoint.load_model(device)
    ha.configure(model, wanted)
    kinds = kinds_of(checkpoint)
    calibration = _calibration_ids(checkpoint, kinds).to(device)
    parts = {name: Part(text.ids.to(device), _bytes_per_token(checkpoint.tokenizer, text.ids)) for name, text in texts.items()}
    facts = {name: text.facts for name, text in texts.items()}
    source = next(iter(facts.values())) if len(facts) == 1 else {"texts": facts}
    loaded = Loaded(model, checkpoint.tokenizer, parts, calibration, wanted,
                    {**checkpoint.facts(), **source, "calibration": f"other {' and '.join(_OTHER[kind] for kind in kinds)}",
                     **({"fit": note} if note else {})}, checkpoint)
    loaded.recalibrate()
    return loaded


_OTHER = {CODE: "sources of the Python standard library", PROSE: "topics of Python's help"}


def _bytes_per_token(tokenizer: Tokenizer, ids: Tensor) -> float:
    """Over all tokens but the first, which is never scored; 1 where the checkpoint has no tokenizer."""
    size = len(tokenizer.decode(ids[1:]).encode())
    return size / max(1, len(ids) - 1) if size else 1.0


def _pieces(kind: str, size: int) -> list[str]:
    """Pieces of ``size`` characters or fewer: the beginnings of many files, or all of the prose, which is in few topics."""
    if kind == PROSE:
        return [text[first:first + size] for text in load_prose(held_out=False) for first in range(0, len(text), size)]
    corpus = load_corpus(held_out=False)
    return [data.decode("utf-8", errors="replace")[:size] for data in corpus[:: max(1, len(corpus) // 64)]]


def _calibration_ids(checkpoint: Checkpoint, kinds: tuple[str, ...]) -> Tensor:
    """Pieces of many texts, none of which is scored: as many of each kind."""
    rows, tokens = CALIBRATION
    tokens = min(tokens, checkpoint.config.max_position_embeddings)
    ids: list[int] = []
    for number, kind in enumerate(kinds, 1):
        wanted = rows * tokens * number // len(kinds)
        for text in _pieces(kind, 4 * tokens):
            ids += checkpoint.tokenizer.encode(text)[:min(max(1, tokens // 4), wanted - len(ids))]
            if len(ids) >= wanted:
                break
    if max(ids) >= checkpoint.config.vocab_size:
        raise FcimError(f"the tokenizer gives token {max(ids)} but the model knows only {checkpoint.config.vocab_size};"
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
    return folder, load(args, checkpoint, {"text": text_ids(args, checkpoint, args.tokens or TOKENS)}), window


def skipping(options: TileOptions, skipped: Skipped) -> str:
    """What a run skipped, for people."""
    below = f"more than {options.octaves} octaves below the maxima" if options.octaves else "whose probabilities are all 0"
    return (f"skipped: {100 * skipped.skipped_blocks / max(1, skipped.blocks):.1f} % of the key blocks, those {below}; "
            f"{100 * skipped.skipped_values / max(1, skipped.values):.1f} % of the rows of V are not read")


def conditions(loaded: Loaded, **more: int) -> dict[str, Any]:
    """Everything the figures depend on; ``more`` is what only one command has."""
    settings = loaded.settings
    cfg = settings.hardware_for(loaded.model.config.head_dim)
    return {"source": loaded.facts, **more, "bytes_per_token": loaded.bytes_per_token,
            "dtype": "float32", "device": str(loaded.model.device), "config": asdict(cfg), **asdict(settings.options),
            "orders": settings.orders and f"chosen on {settings.orders.text}, {settings.orders.tokens} tokens",
            "quantisation": asdict(settings.quantisation),
            "calibration": f"statistics of V and K from {loaded.facts['calibration']}, "
                           f"{loaded.calibration.shape[0]} x {loaded.calibration.shape[1]} tokens"}
