# From runs to tables.
# Needs: data/, models/, runs/. Makes: runs/*/weight_delta.csv, kernels and weights.json, tables/*.csv.


rule extract_weight_delta:
    """What training changed in the weights of one run, tensor by tensor, and the first kernels before and after."""

    # The last reader of weight files that `keep_weights` does not keep: a later one would train every run again.
    input:
        initial="<results>/{experiment}/runs/{arm}/seed{seed}/initial.safetensors",
        trained="<results>/{experiment}/runs/{arm}/seed{seed}/trained.safetensors",
    output:
        weight_delta="<results>/{experiment}/runs/{arm}/seed{seed}/weight_delta.csv",
        kernels="<results>/{experiment}/runs/{arm}/seed{seed}/kernels.safetensors",
        kernel_change="<results>/{experiment}/runs/{arm}/seed{seed}/kernel_change.csv",
        weights="<results>/{experiment}/runs/{arm}/seed{seed}/weights.json",
    log:
        "<logs>/extract_weight_delta/{experiment}/{arm}/seed{seed}.log",
    benchmark:
        "<benchmarks>/extract_weight_delta/{experiment}/{arm}/seed{seed}.tsv"
    conda:
        "../../envs/analysis.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=10,
    params:
        code=code("analysis.extract_weight_delta"),
    shell:
        r"""
        python -m triptych extract-weight-delta \
            --initial {input.initial:q} \
            --trained {input.trained:q} \
            --weight-delta {output.weight_delta:q} \
            --kernels {output.kernels:q} \
            --kernel-change {output.kernel_change:q} \
            --weights {output.weights:q} \
            2>&1 | tee {log:q}
        """


rule collect_results:
    """Every table of an experiment, with intervals and comparisons of the arms."""
    input:
        data=multiext(
            "<results>/{experiment}/data/", "test.safetensors", "validation.safetensors", "sizes.csv"
        ),
        models=of_models(
            [
                f"<results>/{{experiment}}/models/{{architecture}}_{{input_size}}/{file}"
                for file in ("layers.csv", "totals.json", "memory.csv")
            ]
        ),
        runs=of_runs(
            [
                f"<results>/{{experiment}}/runs/{{arm}}/seed{{seed}}/{file}"
                for file in (
                    "history.csv",
                    "predictions.safetensors",
                    "cost.json",
                    "weight_delta.csv",
                    "kernel_change.csv",
                    "weights.json",
                )
            ]
        ),
    output:
        **{
            table: report(
                f"<results>/{{experiment}}/tables/{table}.csv",
                caption="../report/tables.rst",
                category="Tables",
                labels={"experiment": "{experiment}", "table": table},
            )
            for table in TABLES
        },
    log:
        "<logs>/collect_results/{experiment}.log",
    benchmark:
        "<benchmarks>/collect_results/{experiment}.tsv"
    conda:
        "../../envs/analysis.yaml"
    threads: 1
    resources:
        mem_mb=4000,
        runtime=20,
    params:
        arms=arms_json,
        seeds=seeds_json,
        comparison=lambda wildcards: as_json(experiments[wildcards.experiment]["comparison"]),
        experiment_folder=subpath(output.arms, ancestor=2),
        tables=subpath(output.arms, parent=True),
        code=code("analysis.collect_results"),
    shell:
        r"""
        python -m triptych collect-results \
            --experiment-folder {params.experiment_folder:q} \
            --arms {params.arms:q} \
            --seeds {params.seeds:q} \
            --comparison {params.comparison:q} \
            --tables {params.tables:q} \
            2>&1 | tee {log:q}
        """
