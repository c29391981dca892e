"""Label review: known errors injected into real data sets, and who finds them."""
