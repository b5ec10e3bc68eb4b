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
        test_data="<results>/{experiment}/data/test.safetensors",
        sizes="<results>/{experiment}/data/sizes.csv",
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
        **tables_of("collect_results"),
    log:
        "<logs>/collect_results/{part}{experiment}.log",
    benchmark:
        "<benchmarks>/collect_results/{part}{experiment}.tsv"
    conda:
        "../../envs/analysis.yaml"
    threads: 1
    resources:
        mem_mb=twice_when_tried_again(4000),
        runtime=20,
    params:
        arms=arms_json,
        runs=lambda wildcards: as_json(seeds_of_runs(wildcards)),
        comparison=lambda wildcards: as_json(experiments[wildcards.experiment]["comparison"]),
        experiment_folder=subpath(input.test_data, ancestor=2),
        tables=subpath(output.arms, parent=True),
        caption=tables_caption("collect_results"),
        code=code("analysis.collect_results"),
    shell:
        r"""
        python -m triptych collect-results \
            --experiment-folder {params.experiment_folder:q} \
            --arms {params.arms:q} \
            --runs {params.runs:q} \
            --comparison {params.comparison:q} \
            --tables {params.tables:q} \
            2>&1 | tee {log:q}
        """


rule check_claims:
    """What the lecture claims and what its notebook does wrong, beside the numbers of an experiment."""
    input:
        tables=expand(
            "<results>/{{experiment}}/tables/{table}.csv",
            table=[
                "arms",
                "history",
                "runs",
                "summary",
                "comparisons",
                "weight_delta",
                "kernel_change",
                "models",
                "memory",
                "architectures",
                "largest_batch",
            ],
        ),
        sizes="<results>/{experiment}/data/sizes.csv",
    output:
        **tables_of("check_claims"),
    log:
        "<logs>/check_claims/{experiment}.log",
    benchmark:
        "<benchmarks>/check_claims/{experiment}.tsv"
    conda:
        "../../envs/analysis.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=10,
    params:
        tables=subpath(output.claims, parent=True),
        dataset=experiment_setting("dataset/source"),
        weights=experiment_setting("weights/source"),
        official=of_experiment(official_flags),
        confidence=experiment_setting("comparison/confidence"),
        margin=experiment_setting("comparison/equivalence_margin"),
        caption=tables_caption("check_claims"),
        code=code("analysis.check_claims"),
    shell:
        r"""
        python -m triptych check-claims \
            --tables {params.tables:q} \
            --sizes {input.sizes:q} \
            --dataset {params.dataset} \
            --weights {params.weights} \
            {params.official} \
            --confidence {params.confidence} \
            --margin {params.margin} \
            --claims {output.claims:q} \
            --faults {output.faults:q} \
            2>&1 | tee {log:q}
        """


rule compare_full_run:
    """The lecture's nets beside those of the fullest run that the project has made."""
    input:
        tables=expand("<results>/{{experiment}}/tables/{table}.csv", table=["arms", "history", "cost"]),
        sizes="<results>/{experiment}/data/sizes.csv",
    output:
        **tables_of("compare_full_run"),
    log:
        "<logs>/compare_full_run/{experiment}.log",
    benchmark:
        "<benchmarks>/compare_full_run/{experiment}.tsv"
    conda:
        "../../envs/analysis.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=10,
    params:
        tables=subpath(output.full_run, parent=True),
        dataset=experiment_setting("dataset/source"),
        weights=experiment_setting("weights/source"),
        official=of_experiment(official_flags),
        caption=tables_caption("compare_full_run"),
        code=code("analysis.compare_full_run", *FULL_RUN_FILES),
    shell:
        r"""
        python -m triptych compare-full-run \
            --tables {params.tables:q} \
            --sizes {input.sizes:q} \
            --dataset {params.dataset} \
            --weights {params.weights} \
            {params.official} \
            --curves {output.full_run:q} \
            --settings {output.full_run_settings:q} \
            2>&1 | tee {log:q}
        """
