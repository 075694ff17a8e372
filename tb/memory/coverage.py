"""Coverpoints of ``fcim_ram``, ``fcim_register_file`` and ``fcim_fifo`` and their samplers."""

from __future__ import annotations

from tb.common.coverage import BenchCoverGroup, numbers, one_some_all, points_of, sampler

ram, file, fifo = points_of("fcim_ram"), points_of("fcim_register_file"), points_of("fcim_fifo")
PLACES = ("first", "between", "last")
PORTS = ("neither", "a write", "a read", "both, different words", "both, the same word")

COVERPOINTS = (
    ram("ram.ports", "What the ports do in a cycle", PORTS),
    ram("ram.word", "Words that are read after they were written", ("the only one", *PLACES)),
    ram("ram.held", "What stands at the output while nothing is read",
        ("the word that was read last", "the word that was read last, written anew since")),
    file("register_file.ports", "What is written while a word is read",
         ("nothing", "another word", "the same word, which is read as it was")),
    file("register_file.word", "Words that are read after they were written", ("the only one", *PLACES)),
    file("register_file.parts", "Parts of a word that are written, of as many as it has",
         axes=(("parts", numbers(1, 2, 8)), ("written", ("none", "one", "some", "all"))),
         ignored={"1, some": "a word of one part", "1, one": "counts as all", "2, some": "one of two counts as one"}),
    fifo("fifo.moves", "Beats come and leave while it is empty, full and between",
         axes=(("fill", ("empty", "some", "full")), ("moves", ("nothing", "a beat comes", "a beat leaves", "both"))),
         illegal={**dict.fromkeys(("empty, a beat leaves", "empty, both"), "nothing is inside"),
                  **dict.fromkeys(("full, a beat comes", "full, both"), "a full one takes nothing")}),
    fifo("fifo.words", "Beats that it holds", ("1", "2", "more, a power of two", "more, no power of two")),
    fifo("fifo.reset", "What a reset finds", ("nothing", "beats")),
)
GROUP = BenchCoverGroup(COVERPOINTS)


def _place(word: int, words: int) -> str:
    return "the only one" if words == 1 else "first" if word == 0 else "last" if word == words - 1 else "between"


@sampler
def sample_ram(write: int | None, read: int | None, words: int, known: bool, written_since: bool | None) -> None:
    """A cycle of the RAM: addresses or None; ``known``: the word that is read was written; ``written_since``: so was the one that
    was read last, after its read, None if there is none."""
    GROUP.sample("ram.ports", "neither" if write is read is None else "a write" if read is None else "a read" if write is None
                 else "both, the same word" if write == read else "both, different words")
    if read is not None and known:
        GROUP.sample("ram.word", _place(read, words))
    if read is None and written_since is not None:
        GROUP.sample("ram.held", f"the word that was read last{', written anew since' if written_since else ''}")


@sampler
def sample_file(write: int, enabled: int, parts: int, read: int, words: int) -> None:
    """A cycle of the register file: the address and the number of parts that are written, and the address that is read."""
    GROUP.sample("register_file.ports", "nothing" if not enabled else "the same word, which is read as it was" if write == read
                 else "another word")
    written = "none" if not enabled else one_some_all(enabled, parts)
    GROUP.sample("register_file.parts", f"{parts}, {written}")
    GROUP.sample("register_file.word", _place(read, words))


@sampler
def sample_fifo(inside: int, words: int, comes: bool, leaves: bool) -> None:
    """A cycle of a FIFO of ``words`` beats with some of them inside."""
    fill = "full" if inside == words else "some" if inside else "empty"
    moves = "both" if comes and leaves else "a beat comes" if comes else "a beat leaves" if leaves else "nothing"
    GROUP.sample("fifo.moves", f"{fill}, {moves}")
    GROUP.sample("fifo.words", str(words) if words < 3 else f"more, {'no' if words & words - 1 else 'a'} power of two")


@sampler
def sample_fifo_reset(inside: int) -> None:
    """A reset that finds beats inside, or none."""
    GROUP.sample("fifo.reset", "beats" if inside else "nothing")
