"""The fixture model's tokenizer: one token per byte, in ordinary Hugging Face files.

Ids 0 to 255 are byte values; 256 begins a text, 257 ends it. Built from the ``tokenizers`` library's
byte-level pieces without merges, so ``AutoTokenizer`` loads it like any LLaMA-3 tokenizer.
"""

from __future__ import annotations

from pathlib import Path

from tokenizers import Tokenizer, decoders, pre_tokenizers, processors
from tokenizers.models import BPE
from transformers import PreTrainedTokenizerFast

BOS, EOS = "<|begin_of_text|>", "<|end_of_text|>"
BOS_ID, EOS_ID = 256, 257
VOCAB_SIZE = 258


def _byte_to_symbol() -> dict[int, str]:
    """The printable stand-in that byte-level BPE uses for each byte value.

    Printable Latin-1 characters stand for themselves; the others are numbered from U+0100 up, in
    ascending order (the convention of GPT-2's byte-level vocabulary).
    """
    plain = [*range(ord("!"), ord("~") + 1), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    table = {b: chr(b) for b in plain}
    for b in range(256):
        if b not in table:
            table[b] = chr(0x100 + len(table) - len(plain))
    return table


def build_tokenizer() -> PreTrainedTokenizerFast:
    """A byte-level tokenizer that puts the begin-of-text token first."""
    vocab = {symbol: byte for byte, symbol in _byte_to_symbol().items()}
    tokenizer = Tokenizer(BPE(vocab=vocab, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens([BOS, EOS])
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{BOS} $A", pair=f"{BOS} $A $B", special_tokens=[(BOS, BOS_ID)]
    )
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, bos_token=BOS, eos_token=EOS)


def save_tokenizer(directory: Path) -> None:
    """Write ``tokenizer.json`` and ``tokenizer_config.json`` into ``directory``."""
    build_tokenizer().save_pretrained(directory)
