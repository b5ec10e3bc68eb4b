# From runs to tables.
# Needs: data/, models/, runs/. Makes: runs/*/weight_delta.csv, kernels and weights.json, tables/*.csv.


rule extract_weight_delta:
    """Extract the weight changes of one run by tensor, and the first kernels before and after training."""

    # The last reader of temporary weight files (`keep_weights`): any later reader would retrain every run.
    input:
        trained="<results>/{experiment}/runs/{arm}/seed{seed}/trained.safetensors",
        pretrained=graph.pretrained_weights,
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
        "../../envs/torch.yaml"
    threads: 1
    resources:
        mem_mb=double_on_retry(4000),
        runtime=10,
    params:
        pretrained=lambda wildcards, input: option("--pretrained", input.pretrained),
        code=code("analysis.extract_weight_delta", named=backbone(graph.arm_setting("model/architecture"))),
    shell:
        r"""
        python -m triptych extract-weight-delta \
            --trained {input.trained:q} \
            {params.pretrained} \
            --weight-delta {output.weight_delta:q} \
            --kernels {output.kernels:q} \
            --kernel-change {output.kernel_change:q} \
            --weights {output.weights:q} \
            2>&1 | tee {log:q}
        """


rule collect_results:
    """Write all tables of an experiment, with confidence intervals and comparisons of the arms."""
    input:
        test_data="<results>/{experiment}/data/test.safetensors",
        sizes="<results>/{experiment}/data/sizes.csv",
        models=graph.of_models(
            [
                f"<results>/{{experiment}}/models/{{architecture}}_{{input_size}}/{file}"
                for file in ("layers.csv", "totals.json", "memory.csv")
            ]
        ),
        runs=graph.of_runs(
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
        mem_mb=double_on_retry(4000),
        runtime=20,
    params:
        arms=graph.arms_json,
        runs=graph.runs_json,
        comparison=graph.of_experiment(lambda experiment: as_json(experiment["comparison"])),
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
