"""Tables and figures of comparisons on several data sets."""
