"""Orders of the keys chosen beforehand, for each KV head of each layer of a model: the file that ``make calibrate`` writes.

A tile holds all query heads of a KV head, so a KV head is the finest thing that can have an order of its own.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from models.errors import FcimError
from models.hardware.config import EngineConfig
from models.hardware.schedules import TileOptions

FORMAT = "FusionCIM orders"
VERSION = 2
_KEYS = {"format": str, "version": int, "model": str, "text": str, "tokens": int, "config": str, "keys_per_block": int,
         "heads_per_kv_head": int, "effects": list, "layers": list}
_EFFECT = {"text": str, "rows": int, "natural": int, "rescales": int, "lost_db": float, "worst_db": float}
_HEAD = re.compile(r"L(\d+)H(\d+)")


@dataclass(frozen=True)
class Effect:
    """What orders did on a text: rescales of so many ``rows`` in ``natural`` order and with them, and dB of SQNR against natural
    order that query heads lose, on average and the worst of them."""

    text: str
    rows: int
    natural: int
    rescales: int
    lost_db: float
    worst_db: float

    @property
    def fewer(self) -> float:
        """Share of natural order's rescales that is gone."""
        return 1 - self.rescales / self.natural if self.natural else 0.0


@dataclass(frozen=True)
class Orders:
    """``chosen[layer][kv_head]``: schedule, first step and threshold; nothing else of these options counts.

    For people: ``model``, ``text`` and ``tokens`` that they were chosen on, configuration ``config`` and its
    ``keys_per_block``, and the ``effects`` that they had on texts. ``heads_per_kv_head``: query heads on a KV head.
    """

    model: str
    text: str
    tokens: int
    config: str
    keys_per_block: int
    heads_per_kv_head: int
    chosen: tuple[tuple[TileOptions, ...], ...]
    effects: tuple[Effect, ...] = ()

    def options_of(self, layer: int, kv_head: int, given: TileOptions | None = None) -> TileOptions:
        """The options of a KV head; what they do not say, skipping, is that of ``given``."""
        own = self.chosen[layer][kv_head]
        return replace(given or TileOptions(), schedule=own.schedule, fused=own.fused, tau=own.tau)

    def of_head(self, name: str, given: TileOptions | None = None) -> TileOptions:
        """The options of the KV head that a query head reads, by the query head's name, like ``L3H5``.

        Raises:
            FcimError: the name does not say layer and head, or there is no such head.
        """
        match = _HEAD.fullmatch(name)
        if not match:
            raise FcimError(f"ORDERS are for the heads of a model's layers, and '{name}' is none; leave ORDERS out, or give "
                            "tensors that make capture wrote")
        layer, kv_head = int(match[1]), int(match[2]) // self.heads_per_kv_head
        if layer >= len(self.chosen) or kv_head >= len(self.chosen[layer]):
            raise FcimError(f"ORDERS are for {len(self.chosen)} layers with {len(self.chosen[0]) * self.heads_per_kv_head} heads "
                            f"each, and {name} is none of them; run make calibrate on this model")
        return self.options_of(layer, kv_head, given)

    def each(self) -> Iterator[TileOptions]:
        """All that were chosen."""
        for layer in self.chosen:
            yield from layer

    def check(self, cfg: EngineConfig) -> Orders:
        """Itself, if ``cfg`` can do all of them.

        Raises:
            FcimError: it cannot.
        """
        for options in self.each():
            options.check(cfg)
        return self

    def check_model(self, layers: int, heads: int, kv_heads: int) -> Orders:
        """Itself, if a model has as many layers, query heads and KV heads.

        Raises:
            FcimError: it is another model.
        """
        own = len(self.chosen), len(self.chosen[0]) * self.heads_per_kv_head, len(self.chosen[0])
        if own != (layers, heads, kv_heads):
            raise FcimError(f"ORDERS were chosen for model '{self.model}' with {own[0]} layers of {own[1]} heads on {own[2]} KV "
                            f"heads, and this one has {layers} of {heads} on {kv_heads}; run make calibrate on this model")
        return self

    def text_form(self) -> str:
        """The file's text, JSON with a layer a line."""
        facts = {"format": FORMAT, "version": VERSION, "model": self.model, "text": self.text, "tokens": self.tokens,
                 "config": self.config, "keys_per_block": self.keys_per_block, "heads_per_kv_head": self.heads_per_kv_head,
                 "effects": [asdict(effect) for effect in self.effects]}
        lines = [json.dumps([{"schedule": o.schedule, "fused": o.fused, "tau": o.tau} for o in layer]) for layer in self.chosen]
        return json.dumps(facts, indent=1)[:-2] + ',\n "layers": [\n  ' + ",\n  ".join(lines) + "\n ]\n}\n"


def _options(where: str, entry: Any) -> TileOptions:
    if not isinstance(entry, dict) or set(entry) != {"schedule", "fused", "tau"}:
        raise FcimError(f"{where} must hold schedule, fused and tau, and nothing else")
    if not isinstance(entry["schedule"], str) or type(entry["fused"]) is not bool or type(entry["tau"]) is not int:
        raise FcimError(f"{where} must hold a name, true or false, and a whole number")
    try:
        return TileOptions(entry["schedule"], entry["fused"], tau=entry["tau"]).check(EngineConfig())
    except FcimError as error:
        raise FcimError(f"{where}: {error}") from None


def _parsed(data: Any) -> Orders:
    if not isinstance(data, dict) or data.get("format") != FORMAT:
        raise FcimError(f"it does not say format '{FORMAT}'")
    if data.get("version") != VERSION:
        raise FcimError(f"it has version {data.get('version')!r} and version {VERSION} is read")
    for name, kind in _KEYS.items():
        if type(data.get(name)) is not kind:
            raise FcimError(f"'{name}' is missing or of another type")
    if unknown := sorted(set(data) - set(_KEYS)):
        raise FcimError(f"'{unknown[0]}' is not known")
    if data["tokens"] < 1 or data["keys_per_block"] < 1 or data["heads_per_kv_head"] < 1:
        raise FcimError("a number is below 1")
    layers = data["layers"]
    if not layers or any(not isinstance(heads, list) or not heads or len(heads) != len(layers[0]) for heads in layers):
        raise FcimError("'layers' must hold for every layer as many entries as there are KV heads")
    for effect in data["effects"]:
        if not isinstance(effect, dict) or {name: type(value) for name, value in effect.items()} != _EFFECT:
            raise FcimError(f"an entry of 'effects' must hold {', '.join(_EFFECT)}, and nothing else")
    chosen = tuple(tuple(_options(f"layer {number}, KV head {kv}", entry) for kv, entry in enumerate(heads))
                   for number, heads in enumerate(layers))
    return Orders(*(data[name] for name in ("model", "text", "tokens", "config", "keys_per_block", "heads_per_kv_head")), chosen,
                  tuple(Effect(**effect) for effect in data["effects"]))


def load_orders(path: str | Path) -> Orders:
    """The orders in a file.

    Raises:
        FcimError: it cannot be read, or is not what ``make calibrate`` writes; one line.
    """
    try:
        data = json.loads(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise FcimError(f"ORDERS file '{path}' cannot be read ({error.strerror}); make calibrate writes one") from None
    except (ValueError, RecursionError):
        raise FcimError(f"ORDERS file '{path}' is no JSON; make calibrate writes one") from None
    try:
        return _parsed(data)
    except FcimError as error:
        raise FcimError(f"ORDERS file '{path}': {error}; run make calibrate again") from None
