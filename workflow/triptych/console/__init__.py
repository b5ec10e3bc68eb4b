"""`triptych`: what a person runs, and the only place that starts Snakemake. `snakemake` can do all of it."""
