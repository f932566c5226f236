#!/bin/sh
# The cargo of programs under test. When one of them builds a few packages, this builds the workspace with the features
# that its tests are built with (`--test` brings those of dev-dependencies), so that no dependency is compiled a second
# time for having other features.
set -eu
# What cargo tells a test about its package is not for other builds: the build scripts that watch it (ring's) would run
# again, and all that depends on them would be compiled again.
unset $(env | sed -n -e 's/^\(CARGO_PKG_[A-Z_]*\)=.*/\1/p' -e 's/^\(CARGO_MANIFEST_[A-Z_]*\)=.*/\1/p') _
if [ "$1" != build ] && [ "$1" != zigbuild ]; then
    exec cargo "$@"
fi
shift
set -- build "$@"
skip= target=
for argument; do
    shift
    case $skip$argument in
    yes*) skip= ;;
    --package) skip=yes ;;
    --target) skip=yes target=yes ;;
    *) set -- "$@" "$argument" ;;
    esac
done
set -- "$@" --workspace --all-features --test architecture
[ $target ] || exec cargo "$@"
# A build for Lambda names this machine as its target. Cargo would build everything again into the folder of that target, so
# this builds without it. The programs are packed next, which takes seconds for each with the symbols for debuggers in it.
messages=$(mktemp)
trap 'rm -f "$messages"' EXIT
cargo "$@" >"$messages"
stripped=$(cd "${CARGO_TARGET_DIR:-target}" && pwd)/tmp/stripped
mkdir -p "$stripped"
sed -n 's/.*\/services\/.*"executable":"\([^"]*\)".*/\1/p' "$messages" | while read -r program; do
    copy=$stripped/${program##*/}
    # The copy gets its name when it is complete: an interrupted one would be packed the next time.
    [ "$copy" -nt "$program" ] || { strip -o "$copy.new" "$program" && mv "$copy.new" "$copy"; }
done
sed "/\/services\//s|\"executable\":\"[^\"]*/\([^/\"]*\)\"|\"executable\":\"$stripped/\1\"|" "$messages"
