#!/bin/sh
# RUSTC_WRAPPER: counts branches in firstcheck and its targets alone, with flags of the stable compiler; all else is built as always.
rustc=$1
shift
case " $* " in
*" --crate-name build_script_build "*) exec "$rustc" "$@" ;;
*" --crate-name firstcheck "*" --crate-type lib "* | *"/fuzz_targets/"* | *" fuzz_targets/"*)
  exec "$rustc" "$@" -Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=3 -Cllvm-args=-sanitizer-coverage-inline-8bit-counters \
    -Cllvm-args=-sanitizer-coverage-pc-table -Cllvm-args=-sanitizer-coverage-trace-compares -Ccodegen-units=16
  ;;
*) exec "$rustc" "$@" ;;
esac
