#!/bin/sh
# What cargo calls in place of rustc for the crates of this workspace (RUSTC_WORKSPACE_WRAPPER):
# the programs that come of it count how often each of their regions runs.
exec "$@" -C instrument-coverage
