"""`triptych`: what a person runs, and the only place that starts Snakemake. All of it can be done by `snakemake`, too."""
