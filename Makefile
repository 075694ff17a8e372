# FusionCIM: the front door. "make help" lists what there is; "make setup" runs by itself when it is needed.
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
MAKEFLAGS += --no-print-directory
SHELL := /bin/bash

PY := .venv/bin/python
STAMP := .venv/.stamp
JOBS ?= 2
export PATH := $(CURDIR)/.tools/verilator/bin:$(PATH)

# $(call quote,TEXT): TEXT as one word of the shell.
quote = '$(subst ','\'',$(1))'
# $(call flag,VARIABLE,--option): the option with the variable's value, or nothing where the variable is unset or empty.
flag = $(if $(strip $($(1))),$(2) $(call quote,$(strip $($(1)))))
# $(call switch,VARIABLE,--option): the option itself unless the variable is unset, empty or 0.
switch = $(if $(filter-out 0,$(strip $($(1)))),$(2))
# A path or node id of pytest goes as it is, anything else as a filter of names.
is_node = $(or $(findstring /,$(1)),$(findstring ::,$(1)),$(filter %.py,$(1)))
test_filter = $(if $(strip $(TEST)),$(if $(call is_node,$(TEST)),$(call quote,$(strip $(TEST))),-k $(call quote,$(strip $(TEST)))))

model_flags = $(call flag,CHECKPOINT,--checkpoint) $(call flag,TEXT,--text) $(call flag,TOKENS,--tokens)
head_flags = $(call flag,LAYER,--layer) $(call flag,HEADS,--heads)
tile_flags = $(call flag,SCHEDULE,--schedule) $(call switch,FUSED,--fused) $(call switch,SKIP,--skip) $(call flag,TAU,--tau)
sim_flags = $(call flag,CONFIG,--config) $(call flag,TENSORS,--tensors) $(model_flags) $(head_flags) $(tile_flags) $(call flag,SEED,--seed) $(call flag,SIM,--sim) --jobs $(call quote,$(JOBS))

in_model_flags = $(call flag,CONFIG,--config) $(model_flags) $(call flag,SCHEDULE,--schedule) $(call switch,FUSED,--fused) $(call flag,TAU,--tau) $(call flag,OUT,--out)

# what the regression and the coverage run share; OUT goes along only if it is given, so that parts of a run keep a folder of their own
regress_flags = --jobs $(call quote,$(JOBS)) $(call flag,TEST,--test) $(call flag,ITERATIONS,--iterations) $(call flag,SEED,--seed) $(call switch,FAIL_FAST,--fail-fast)

.PHONY: help setup sim regress rerun coverage bench-sim ablation perplexity generate precision bench-attention efficiency capture head-stats test lint waves doctor clean distclean

help: ## this list
	@echo 'usage: make TARGET [VARIABLE=value ...]'; echo; echo 'targets'
	@sed -nE 's/^([a-z][a-z-]*):[^#]*## (.*)/\1|\2/p' $(MAKEFILE_LIST) | while IFS='|' read -r t d; do printf '  %-15s %s\n' "$$t" "$$d"; done
	@echo; echo 'variables'
	@sed -nE 's/^#: ([A-Z_]+) +(.*)/\1|\2/p' $(MAKEFILE_LIST) | while IFS='|' read -r t d; do printf '  %-14s %s\n' "$$t" "$$d"; done

#: CONFIG      sim, waves, ablation, perplexity, generate, precision: a configuration of config/ (default, head64, tiny) or a .yaml file
#: CHECKPOINT  sim, ablation, perplexity, generate, precision, capture, head-stats: folder of a LLaMA checkpoint
#: TENSORS     sim: file of captured tensors instead of a checkpoint
#: LAYER       sim, ablation, capture: layer number (ablation: all of them)
#: HEADS       sim, ablation, capture: head numbers, separated by commas
#: TEXT        sim, ablation, perplexity, generate, precision, capture, head-stats: the text to run the model on
#: TOKENS      sim, perplexity, generate, precision, capture, head-stats, efficiency, bench-sim: how many tokens of it; ablation, bench-attention: several, as in 512,2048
#: SCHEDULE    sim, perplexity, generate, precision: order of the keys: natural (default), diagonal_first, sink_diagonal; ablation: several (default all)
#: FUSED       sim, perplexity, generate, precision: 1 takes the first reference over the first two key blocks
#: SKIP        sim: 1 skips key blocks whose probabilities are all 0
#: TAU         sim, perplexity, generate, precision: lazy rescale threshold; ablation: several, as in 0-2,4 (default 0-8)
#: KEYS_PER_BLOCK  ablation: block sizes, separated by commas (default 8,16,32,64)
#: FULL        ablation: 1 computes outputs and cycles at every point (hours)
#: CONTEXT     perplexity, precision: tokens of a window
#: STRIDE      perplexity: tokens from one window to the next (default: the context)
#: NEW         generate: tokens to generate
#: SEED        sim, ablation, test, regress, coverage: seed of all random numbers (printed by every run)
#: WAVES       sim, test, regress: 1 writes FST waveforms
#: SIM         sim, ablation, test: icarus (default) or verilator; regress: this one instead of the list's
#: TEST        test: path or node id of a test, or a filter of names; regress: a job's id, an entry, or a pattern
#: TAGS        regress: only entries with one of these tags, separated by commas (nightly ones need theirs)
#: ITERATIONS  regress, coverage: iterations of every entry instead of the list's
#: FAIL_FAST   regress, coverage: 1 stops at the first failure
#: LIST        regress: 1 lists the jobs and stops
#: JOBS        sim, ablation, test, regress, coverage: how many run at a time (default 2)
#: OUT         capture: file to write; ablation, regress, rerun: folder of the reports
#: PYTHON      setup: interpreter to use
#: PIP_ARGS    setup: more arguments for pip install

setup: $(STAMP) ## install everything once: system packages, .venv, Verilator

$(STAMP): requirements.txt scripts/setup.sh scripts/setup_verilator.sh
	@bash scripts/setup.sh

sim: $(STAMP) ## run attention heads through the RTL and compare with the models
	@$(PY) -m scripts.sim $(sim_flags) $(call switch,WAVES,--waves)

regress: $(STAMP) ## run the regression on Verilator, parts of it on both simulators; report in build/regress
	@$(PY) -m scripts.regress $(regress_flags) $(call flag,TAGS,--tags) $(call flag,SIM,--sim) $(call flag,OUT,--out) $(call switch,WAVES,--waves) $(call switch,LIST,--list)

rerun: $(STAMP) ## repeat what failed in the last regression, with its seeds, with waves
	@$(PY) -m scripts.regress --rerun --jobs $(call quote,$(JOBS)) $(call flag,OUT,--out)

coverage: $(STAMP) ## code and functional coverage, the verification plan's page; fails below the floors or if a job does
	@$(PY) -m scripts.coverage.run $(regress_flags)

bench-sim: $(STAMP) ## cycles and MACs per second of the simulators, beside the same attention in NumPy
	@OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 MKL_NUM_THREADS=1 $(PY) -m scripts.bench_sim $(call flag,TOKENS,--tokens) $(call flag,SEED,--seed)

perplexity: $(STAMP) ## what a language model loses with the hardware's attention, and in which layer
	@$(PY) -m scripts.in_model.perplexity $(in_model_flags) $(call flag,CONTEXT,--context) $(call flag,STRIDE,--stride)

generate: $(STAMP) ## greedy text with float attention and with the hardware's, side by side
	@$(PY) -m scripts.in_model.generate $(in_model_flags) $(call flag,NEW,--new)

precision: $(STAMP) ## loss and SQNR by bits, scales, smoothing, rotation and threshold
	@$(PY) -m scripts.in_model.precision $(in_model_flags) $(call flag,CONTEXT,--context)

bench-attention: $(STAMP) ## time of the hardware's arithmetic in PyTorch beside SDPA, by length
	@$(PY) -m scripts.in_model.bench $(call flag,CONFIG,--config) $(call flag,TOKENS,--tokens) $(call flag,SEED,--seed)

efficiency: $(STAMP) ## predicted share of the ideal cycles, by block size and group size
	@$(PY) -m scripts.efficiency $(call flag,CONFIG,--config) $(call flag,TOKENS,--tokens)

ablation: $(STAMP) ## compare the orders of the keys: rescales, skipped blocks, accuracy, cycles; results in build/ablation
	@$(PY) -m scripts.ablation $(call flag,CONFIG,--config) $(model_flags) $(head_flags) $(call flag,SCHEDULE,--schedule) $(call flag,TAU,--tau) $(call flag,KEYS_PER_BLOCK,--keys-per-block) $(call switch,FULL,--full) $(call flag,SEED,--seed) $(call flag,SIM,--sim) --jobs $(call quote,$(JOBS)) $(call flag,OUT,--out)

capture: $(STAMP) ## save the attention tensors of a checkpoint's heads to a file
	@$(PY) -m scripts.capture $(model_flags) $(head_flags) $(call flag,OUT,--out)

head-stats: $(STAMP) ## what the heads of a checkpoint attend to
	@$(PY) -m scripts.head_stats $(model_flags)

test: $(STAMP) ## run the tests
	@$(PY) -m pytest -n $(JOBS) $(if $(strip $(SEED)),--seed=$(call quote,$(strip $(SEED)))) $(test_filter)

lint: $(STAMP) ## Verilator on every configuration, ruff, and the check for unseeded random numbers; any finding fails
	@$(PY) -m scripts.lint

waves: $(STAMP) ## run a short simulation with waveforms and open them
	@$(PY) -m scripts.sim $(if $(strip $(TOKENS)),,--tokens 16) $(if $(strip $(HEADS)$(CHECKPOINT)$(TENSORS)),,--heads 0-3) $(sim_flags) --waves --out build/waves
	@$(PY) -m scripts.open_waves

doctor: ## what is installed, what is missing and how to mend it
	@$$( [ -x $(PY) ] && echo $(PY) || echo $${PYTHON:-python3} ) scripts/doctor.py

clean: ## remove everything that was built
	rm -rf build

distclean: clean ## remove the installed environment too
	rm -rf .venv .tools .pytest_cache .ruff_cache
