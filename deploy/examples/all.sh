#!/bin/sh
# Runs all examples in order, and stops at the first that fails.
set -eu
cd "$(dirname "$0")"
for example in [0-9]-*.sh; do
    printf '\n== %s: %s\n' "$example" "$(sed -n 2s/^..//p "$example")"
    sh "$example"
done
printf '\nAll examples passed.\n'
