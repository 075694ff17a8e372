#!/usr/bin/env bash
# One-time set-up: system packages, .venv with the pinned Python packages, a working Verilator in .tools. It may be stopped and
# started again at any time. Exit codes: 0 done, 1 something is missing or failed, 2 a wrong PYTHON or path, 130 interrupted.
# Environment: PYTHON (interpreter to use), PIP_ARGS (more arguments for pip install, for example another package index).
set -euo pipefail
cd "$(dirname "$0")/.."

stamp=.venv/.stamp
# An activated .venv must not be the interpreter that makes the new one.
PATH=${PATH//"$PWD/.venv/bin:"/}
say() { printf '[setup] %s\n' "$*"; }
die() { printf 'error: %s\n' "$*" >&2; exit "${status:-1}"; }
trap 'status=130 die "interrupted; type make setup to go on"' INT TERM

pick_python() {
    local candidate
    for candidate in ${PYTHON:-python3 python3.14 python3.13 python3.12 python3.11}; do
        if command -v "$candidate" >/dev/null && "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
            command -v "$candidate"
            return
        fi
    done
    [ -z "${PYTHON:-}" ] || status=2 die "PYTHON = $PYTHON is not a Python 3.11 or later that runs; name one, for example PYTHON=python3.11"
    die "no Python 3.11 or later found (tried: python3, python3.14 to python3.11); install one and type: make setup PYTHON=python3.11"
}

# The first set-up holds 1.4 GB and pip's copies beside it.
check_disk() {
    local free_kib
    free_kib=$(df -Pk . 2>/dev/null | awk 'NR == 2 { print $4 }')
    if [ ! -e .tools/verilator ] && [ -n "$free_kib" ] && [ "$free_kib" -lt 3145728 ]; then
        die "only $((free_kib / 1024)) MiB free in $PWD, the set-up needs 3072; make room, then type: make setup"
    fi
}

# Run apt-get as root, or through sudo if that asks no password; fails if neither works.
apt() {
    if [ "$(id -u)" = 0 ]; then
        DEBIAN_FRONTEND=noninteractive apt-get "$@"
    else
        sudo -n env DEBIAN_FRONTEND=noninteractive apt-get "$@"
    fi
}

install_system_packages() {
    local missing wanted log
    missing=$("$python" scripts/doctor.py --missing)
    wanted=$("$python" scripts/doctor.py --wanted)
    if [ -z "$wanted" ]; then
        say "system packages: all there"
        return
    fi
    say "system packages: installing $wanted"
    mkdir -p build
    log=build/setup-apt.log
    # shellcheck disable=SC2086  # a list of names
    if ! { command -v apt-get >/dev/null && apt update -qq && apt install -y -qq --no-install-recommends $wanted; } >"$log" 2>&1; then
        if [ -z "$missing" ]; then
            say "could not install $wanted; only builds take longer or Verilator waves are missing without them, see: make doctor"
            return
        fi
        tail -n 3 "$log" >&2
        die "could not install: $missing; type: sudo apt-get update && sudo apt-get install $missing && make setup"
    fi
    missing=$("$python" scripts/doctor.py --missing)
    [ -z "$missing" ] || die "still missing or too old after the installation: $missing; see: make doctor"
}

install_python_packages() {
    local log=build/setup-pip.log last
    mkdir -p build
    if [ ! -x .venv/bin/python ] || ! .venv/bin/python -m pip --version >/dev/null 2>&1; then
        say "virtual environment: .venv ($("$python" --version))"
        "$python" -m venv --clear .venv >"$log" 2>&1 || die "no virtual environment could be made: $(tail -n 1 "$log"); see: make doctor"
    fi
    say "Python packages: installing requirements.txt (over 1 GB the first time; may take minutes)"
    # shellcheck disable=SC2086  # a list of arguments
    if ! .venv/bin/python -m pip install -q --disable-pip-version-check -r requirements.txt ${PIP_ARGS:-} >"$log" 2>&1; then
        last=$(grep -i '^error' "$log" | tail -n 1)
        die "pip: ${last:-$(tail -n 1 "$log")} (all of it: $log); mend the connection, the disk or PIP_ARGS, then type: make setup"
    fi
}

python=$(pick_python)
fault=$("$python" scripts/doctor.py --path)
[ -z "$fault" ] || status=2 die "$fault"
check_disk
rm -f "$stamp"
install_system_packages
install_python_packages
say "verilator: .tools/verilator"
mkdir -p .tools
bash scripts/setup_verilator.sh .venv/bin/python .tools/verilator
touch "$stamp"
say "done; try: make test, make sim, or make help"
