#!/bin/sh
# The cargo of programs under test. When one of them builds a few packages, this builds the workspace with the features
# that its tests are built with (`--test` brings those of dev-dependencies), so that no dependency is compiled a second
# time for having other features.
set -eu
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
