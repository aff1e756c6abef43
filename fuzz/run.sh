#!/usr/bin/env bash
# Every target for a bounded number of runs, from seeds that people would send: fuzz/run.sh [RUNS]. A crash leaves its input behind
# in target/fuzz and ends with its status.
#
# No cargo-fuzz and no nightly flag: the wrapper counts branches in firstcheck alone, and what is below it comes out of the
# directory in which the tests were built.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
runs=${1:-20000}
export CARGO_TARGET_DIR=$PWD/../target RUSTC_WRAPPER=$PWD/instrument.sh
# The versions are the program's own; cargo adds the fuzzer to them. So there is no second lock file to keep in step.
cp ../Cargo.lock Cargo.lock
cargo build --quiet
for seeds in seeds/*/; do
  target=$(basename "$seeds")
  corpus=../target/fuzz/$target
  mkdir -p "$corpus"
  printf '%s: ' "$target"
  # One run of at most 10 s, 1 GiB and 4 KiB of input; what was learned stays in the corpus.
  "../target/debug/$target" -runs="$runs" -seed=1 -max_len=4096 -timeout=10 -rss_limit_mb=1024 -max_total_time=20 \
    -artifact_prefix="$corpus-" -close_fd_mask=1 "$corpus" "$seeds" 2>"$corpus.log" ||
    { status=$?; tail -40 "$corpus.log"; exit "$status"; }
  grep -E '^Done|DONE' "$corpus.log" | tail -1
done
