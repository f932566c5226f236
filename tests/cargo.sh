#!/bin/sh
# The cargo of programs under test. When one of them builds a few packages, this builds the workspace with the features
# that its tests are built with (`--test` brings those of dev-dependencies), so that no dependency is compiled a second
# time for having other features.
set -eu
# What cargo tells a test about its package is not for other builds: the build scripts that watch it (ring's) would run
# again, and all that depends on them would be compiled again.
unset $(env | sed -n -e 's/^\(CARGO_PKG_[A-Z_]*\)=.*/\1/p' -e 's/^\(CARGO_MANIFEST_[A-Z_]*\)=.*/\1/p') _
if [ "$1" = build ]; then
    skip=
    for argument; do
        shift
        case $skip$argument in
        yes*) skip= ;;
        --package) skip=yes ;;
        *) set -- "$@" "$argument" ;;
        esac
    done
    set -- "$@" --workspace --all-features --test architecture
fi
exec cargo "$@"
