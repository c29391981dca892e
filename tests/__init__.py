"""The tests mirror `src/torchghm` by path; `oracles` holds the slow literal definitions they judge by."""
