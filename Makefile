# FusionCIM: the front door. "make help" lists what there is; "make setup" runs by itself when it is needed.
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
MAKEFLAGS += --no-print-directory
SHELL := /bin/bash

PY := .venv/bin/python
STAMP := .venv/.stamp

# Where the path of this folder cannot work, every target but help and doctor says so at once.
path_fault := $(if $(filter-out help doctor,$(MAKECMDGOALS)),$(shell command -v python3 >/dev/null && python3 -I -S scripts/doctor.py --path))
$(if $(path_fault),$(error $(path_fault)))

export PATH := $(CURDIR)/.tools/verilator/bin:$(PATH)

# What is given on make's command line; scripts/flow/variables.py says what there is, and what the environment may give as well.
given := $(sort $(foreach v,$(.VARIABLES),$(if $(filter command,$(firstword $(origin $(v)))),$(v))))
from_environment := SEED SIM WAVES JOBS PYTHON PIP_ARGS

# Nothing goes on by itself to what a recipe starts: not the variables, which go as options, not make's own, and not what would
# change Python or pytest behind their backs (scripts/flow/bench_environment.py sees to the simulators).
MAKEOVERRIDES :=
unexport $(given) $(from_environment) PYTHONOPTIMIZE PYTHONPATH PYTHONHOME PYTHONSAFEPATH PYTHONWARNINGS PYTHONINSPECT
unexport PYTEST_ADDOPTS PYTEST_PLUGINS PYTEST_DISABLE_PLUGIN_AUTOLOAD

define newline


endef
$(foreach v,$(given),$(if $(findstring $(newline),$(value $(v))),$(error $(v) holds a line break; write it in one line)))

# $(call quote,TEXT): TEXT as one word of the shell.
quote = '$(subst ','\'',$(1))'
# $(call value_of,VARIABLE): what make's command line says, or the environment where it may; a $ in it is a character like others.
value_of = $(if $(or $(filter $(1),$(from_environment)),$(filter-out environment,$(firstword $(origin $(1))))),$(value $(1)))
# $(call flag,VARIABLE,--option): the option with the variable's value, or nothing where the variable is unset or empty.
flag = $(if $(strip $(call value_of,$(1))),$(2)=$(call quote,$(call value_of,$(1))))

model_flags = $(call flag,CHECKPOINT,--checkpoint) $(call flag,MODEL,--model) $(call flag,TEXT,--text) $(call flag,TOKENS,--tokens)
head_flags = $(call flag,LAYER,--layer) $(call flag,HEADS,--heads)
skip_flags = $(call flag,SKIP,--skip) $(call flag,OCTAVES,--octaves)
tile_flags = $(call flag,SCHEDULE,--schedule) $(call flag,FUSED,--fused) $(skip_flags) $(call flag,TAU,--tau)
order_flags = $(call flag,ORDERS,--orders)
run_flags = $(call flag,SEED,--seed) $(call flag,SIM,--sim) $(call flag,JOBS,--jobs)
sim_flags = $(call flag,CONFIG,--config) $(call flag,TENSORS,--tensors) $(model_flags) $(head_flags) $(tile_flags) $(order_flags) $(run_flags)
system_flags = $(call flag,SYSTEM,--system) $(call flag,ENGINES,--engines) $(call flag,PHASE,--phase) $(call flag,SPLIT,--split) $(call flag,DRAM_GBS,--dram-gbs) $(call flag,DRAM_LATENCY,--dram-latency) $(call flag,TENSORS,--tensors) $(model_flags) $(call flag,GEOMETRY,--geometry) $(head_flags) $(call flag,FUSED,--fused) $(skip_flags) $(call flag,TAU,--tau) $(call flag,SEED,--seed)
in_model_flags = $(call flag,CONFIG,--config) $(model_flags) $(call flag,SCHEDULE,--schedule) $(call flag,FUSED,--fused) $(call flag,TAU,--tau) $(call flag,OUT,--out)

place_flags = $(call flag,FARM,--farm) $(call flag,LAUNCH,--launch)
# what the regression and the coverage run share; OUT goes along only if it is given, so that parts of a run keep a folder of their own
regress_flags = $(call flag,JOBS,--jobs) $(call flag,TEST,--test) $(call flag,ITERATIONS,--iterations) $(call flag,SEED,--seed) $(call flag,FAIL_FAST,--fail-fast) $(call flag,HISTORY,--history) $(place_flags)

TARGETS := help setup sim system regress rerun coverage history bench-sim ablation calibrate perplexity generate precision bench-attention efficiency capture head-stats synth prove power encodings paper registers cores figures docs test mutate lint waves doctor clean distclean
UNKNOWN := $(subst :,\:,$(filter-out $(TARGETS) $(STAMP) check-call,$(MAKECMDGOALS)))
.PHONY: $(TARGETS) $(UNKNOWN) check-call

# Before anything else: whether targets, variables and values are right. Any Python does, since there is no .venv yet at first.
$(TARGETS) $(UNKNOWN) $(STAMP): | check-call
check-call:
	@python=$$(command -v $(PY) || command -v python3) || exit 0; \
	exec "$$python" -I -S scripts/flow/variables.py check $(foreach g,$(or $(MAKECMDGOALS),help),$(call quote,$(g))) -- $(TARGETS) $(STAMP) \
	  -- $(foreach v,$(given),$(call quote,$(v)=$(value $(v)))) -- $(foreach v,$(filter-out $(given),$(from_environment)),$(call quote,$(v)=$(value $(v))))

help: ## this list
	@echo 'usage: make TARGET [VARIABLE=value ...]'; echo; echo 'targets'
	@sed -nE 's/^([a-z][a-z-]*):[^#]*## (.*)/\1|\2/p' $(firstword $(MAKEFILE_LIST)) | while IFS='|' read -r t d; do printf '  %-15s %s\n' "$$t" "$$d"; done
	@echo; echo 'variables'
	@$$(command -v $(PY) || command -v python3) -I -S scripts/flow/variables.py help

setup: $(STAMP) ## install everything once: system packages, .venv, Verilator

$(STAMP): requirements.txt scripts/setup.sh scripts/setup_verilator.sh
	@PYTHON=$(call quote,$(call value_of,PYTHON)) PIP_ARGS=$(call quote,$(call value_of,PIP_ARGS)) bash scripts/setup.sh

sim: $(STAMP) ## run attention heads through the RTL and compare with the models
	@$(PY) -m scripts.call sim $(sim_flags) $(call flag,WAVES,--waves)

system: $(STAMP) ## run a layer through the accelerator of several engines, from memory to memory; report in build/system
	@$(PY) -m scripts.call system $(system_flags) $(call flag,OUT,--out)

regress: $(STAMP) ## run the regression on Verilator, parts of it on both simulators; report in build/regress
	@$(PY) -m scripts.regress $(regress_flags) $(call flag,TAGS,--tags) $(call flag,SIM,--sim) $(call flag,OUT,--out) $(call flag,WAVES,--waves) $(call flag,LIST,--list)

rerun: $(STAMP) ## repeat what failed in the last regression, with its seeds, with waves
	@$(PY) -m scripts.regress --rerun $(call flag,JOBS,--jobs) $(call flag,OUT,--out) $(place_flags)

coverage: $(STAMP) ## code and functional coverage, the verification plan's page; fails below the floors or if a job does
	@$(PY) -m scripts.coverage.run $(regress_flags)

history: $(STAMP) ## pass rate, coverage, cycles and seconds of regressions and coverage runs over commits; page in build/history
	@$(PY) -m scripts.history $(call flag,HISTORY,--history)

bench-sim: $(STAMP) ## cycles and MACs per second of the simulators, beside the same attention in NumPy
	@OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 MKL_NUM_THREADS=1 $(PY) -m scripts.call bench-sim $(call flag,TOKENS,--tokens) $(call flag,SEED,--seed)

perplexity: $(STAMP) ## what a language model loses with the hardware's attention, by kind of text, on request by layer
	@$(PY) -m scripts.call perplexity $(in_model_flags) $(skip_flags) $(order_flags) $(call flag,LAYER,--layer) $(call flag,CONTEXT,--context) $(call flag,STRIDE,--stride)

generate: $(STAMP) ## greedy text with float attention and with the hardware's, side by side; RTL=1: a few tokens in the Verilog
	@$(PY) -m scripts.call generate $(in_model_flags) $(skip_flags) $(order_flags) $(call flag,PROMPT,--prompt) $(call flag,NEW,--new) $(call flag,RTL,--rtl) $(call flag,SYSTEM,--system)

precision: $(STAMP) ## loss and SQNR by bits, scales, smoothing, rotation and threshold
	@$(PY) -m scripts.call precision $(in_model_flags) $(call flag,CONTEXT,--context)

bench-attention: $(STAMP) ## time of the hardware's arithmetic in PyTorch beside SDPA, by length
	@$(PY) -m scripts.call bench-attention $(call flag,CONFIG,--config) $(call flag,TOKENS,--tokens) $(call flag,SEED,--seed)

efficiency: $(STAMP) ## predicted share of the ideal cycles, by block size and group size
	@$(PY) -m scripts.call efficiency $(call flag,CONFIG,--config) $(call flag,TOKENS,--tokens)

ablation: $(STAMP) ## compare the orders of the keys: rescales, skipped blocks, accuracy, cycles; results in build/ablation
	@$(PY) -m scripts.call ablation $(call flag,CONFIG,--config) $(model_flags) $(head_flags) $(call flag,SCHEDULE,--schedule) $(call flag,TAU,--tau) $(call flag,KEYS_PER_BLOCK,--keys-per-block) $(call flag,FULL,--full) $(order_flags) $(run_flags) $(call flag,OUT,--out)

calibrate: $(STAMP) ## choose the order of the keys for each KV head on calibration texts; the file that ORDERS= takes
	@$(PY) -m scripts.call calibrate $(call flag,CONFIG,--config) $(model_flags) $(call flag,GRAIN,--grain) $(call flag,JOBS,--jobs) $(call flag,OUT,--out)

capture: $(STAMP) ## save the attention tensors of a checkpoint's heads to a file
	@$(PY) -m scripts.call capture $(model_flags) $(head_flags) $(call flag,OUT,--out)

head-stats: $(STAMP) ## what the heads of a checkpoint attend to
	@$(PY) -m scripts.call head-stats $(model_flags)

synth: $(STAMP) ## every block as gates of a cell library: cells, area, longest path; fails on latches or below the floors
	@$(PY) -m scripts.synth $(call flag,CONFIG,--config) $(call flag,TOP,--top) $(call flag,LIB,--lib) $(call flag,FLOORS,--floors) $(call flag,JOBS,--jobs) $(call flag,OUT,--out)

prove: $(STAMP) ## properties of blocks proven by a solver, with counterexamples as waves; report in build/prove
	@$(PY) -m scripts.prove $(call flag,BLOCK,--block) $(call flag,JOBS,--jobs)

power: $(STAMP) ## fJ per operation from gates on real operands: arrays, softmax lanes, accumulator update, divider
	@$(PY) -m scripts.power $(call flag,CONFIG,--config) $(call flag,CHECKPOINT,--checkpoint) $(call flag,MODEL,--model) $(call flag,TOKENS,--tokens) $(call flag,TOP,--top) $(call flag,LIB,--lib) $(call flag,JOBS,--jobs) $(call flag,OUT,--out)

encodings: $(STAMP) ## what the encoding of the streamed operand costs in the arrays, from gates; report in build/encodings
	@$(PY) -m scripts.studies.encodings $(call flag,CONFIG,--config) $(call flag,CHECKPOINT,--checkpoint) $(call flag,MODEL,--model) $(call flag,TOKENS,--tokens) $(call flag,TOP,--top) $(call flag,LIB,--lib) $(call flag,JOBS,--jobs) $(call flag,OUT,--out)

paper: $(STAMP) ## the paper's claims beside what this project gives: time, bytes, energy against two baselines; report in build/paper
	@$(PY) -m scripts.call paper $(call flag,TOKENS,--tokens) $(call flag,CHECKPOINT,--checkpoint) $(call flag,MODEL,--model) $(call flag,CONSTANTS,--constants) $(call flag,SEED,--seed) $(call flag,JOBS,--jobs) $(call flag,OUT,--out)

registers: $(STAMP) ## write the C header and the Python model of the accelerator's registers from config/system/registers.rdl
	@$(PY) -m scripts.registers

cores: $(STAMP) ## write fusioncim.core (FuseSoC), Bender.yml and CITATION.cff from fusioncim.f and pyproject.toml
	@$(PY) -m scripts.cores

figures: $(STAMP) ## write the figures of README and docs into the pages; CHECK=1 only compares
	@$(PY) -m scripts.figures $(call flag,FIGURES,--figures) $(call flag,CHECK,--check) $(call flag,RUN,--run)

docs: $(STAMP) ## README, docs and the models' docstrings as one site, every link checked; build/docs/html
	@$(PY) -m scripts.docs $(call flag,OUT,--out)

test: $(STAMP) ## run the tests
	@$(PY) -m scripts.call test $(run_flags) $(call flag,TEST,--test) $(call flag,WAVES,--waves)

mutate: $(STAMP) ## try deliberate faults in the RTL; fails on one that no bench notices; report in build/mutate
	@$(PY) -m scripts.mutate $(call flag,MUTANTS,--mutants) $(call flag,BLOCK,--block) $(call flag,SEED,--seed) $(call flag,JOBS,--jobs)

lint: $(STAMP) ## Verilator and yosys on every configuration, line widths, ruff, the layers, unseeded random numbers; any finding fails
	@$(PY) -m scripts.lint

waves: $(STAMP) ## run a short simulation with waveforms and open them
	@$(PY) -m scripts.call waves $(sim_flags)
	@$(PY) -m scripts.open_waves

doctor: ## what is installed, what is missing and how to mend it
	@$$( [ -x $(PY) ] && echo $(PY) || echo $(if $(strip $(call value_of,PYTHON)),$(call quote,$(call value_of,PYTHON)),python3) ) scripts/doctor.py

clean: ## remove everything that was built (fetched models stay)
	rm -rf build

distclean: clean ## remove the installed environment and fetched models too
	rm -rf .models .venv .tools .pytest_cache .ruff_cache
