# From runs to the decision, and from test results to tables.
# Needs: data/, models/, runs/. Makes: runs/*/weight_delta.csv, kernels and weights.json, decision.json, tables/*.csv.


rule extract_weight_delta:
    """What training changed in the weights of one run, tensor by tensor, and the first kernels before and after."""
    input:
        trained="<results>/{experiment}/runs/{arm}/{run}/trained.safetensors",
        pretrained=graph.pretrained_weights,
    output:
        weight_delta="<results>/{experiment}/runs/{arm}/{run}/weight_delta.csv",
        kernels="<results>/{experiment}/runs/{arm}/{run}/kernels.safetensors",
        kernel_change="<results>/{experiment}/runs/{arm}/{run}/kernel_change.csv",
        weights="<results>/{experiment}/runs/{arm}/{run}/weights.json",
    log:
        "<logs>/extract_weight_delta/{experiment}/{arm}/{run}.log",
    benchmark:
        "<benchmarks>/extract_weight_delta/{experiment}/{arm}/{run}.tsv"
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
            >{log:q} 2>&1
        """


rule collect_validation:
    """Every table that needs no test image, and which run has which of the images that decide right."""
    input:
        sizes="<results>/{experiment}/data/sizes.csv",
        index="<results>/{experiment}/data/index.csv",
        validation_data="<results>/{experiment}/data/validation.safetensors",
        test_data=graph.test_data_of_training,
        models=graph.of_models(
            [
                f"<results>/{{experiment}}/models/{{architecture}}_{{input_size}}/{file}"
                for file in ("layers.csv", "totals.json", "memory.csv")
            ]
        ),
        runs=graph.of_runs(
            [
                f"<results>/{{experiment}}/runs/{{arm}}/{{run}}/{file}"
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
        folds=graph.folds_file,
        held_out=graph.data_of_folds,
    output:
        **tables_of("collect_validation"),
        correct="<results>/{experiment}/{part}validation.safetensors",
    log:
        "<logs>/collect_validation/{part}{experiment}.log",
    benchmark:
        "<benchmarks>/collect_validation/{part}{experiment}.tsv"
    conda:
        "../../envs/analysis.yaml"
    threads: 1
    resources:
        mem_mb=double_on_retry(4000),
        runtime=20,
    params:
        arms=graph.arms_json,
        runs=graph.runs_json,
        comparison=graph.of_experiment(comparison_json("confidence", "equivalence_margin", "metric")),
        mode=graph.experiment_setting("test"),
        folds=lambda wildcards, input: option("--folds", input.folds),
        experiment_folder=subpath(input.sizes, ancestor=2),
        tables=subpath(output.arms, parent=True),
        caption=tables_caption("collect_validation"),
        code=code("analysis.collect_validation"),
    shell:
        r"""
        python -m triptych collect-validation \
            --experiment-folder {params.experiment_folder:q} \
            --arms {params.arms:q} \
            --runs {params.runs:q} \
            --comparison {params.comparison:q} \
            --mode {params.mode} \
            {params.folds} \
            --index {input.index:q} \
            --tables {params.tables:q} \
            --correct {output.correct:q} \
            >{log:q} 2>&1
        """


checkpoint decide:
    """Choose the arm to take, and say why. A checkpoint, since what is kept depends on it."""
    input:
        correct="<results>/{experiment}/{part}validation.safetensors",
        arms="<results>/{experiment}/{part}tables/arms.csv",
        computed_cost="<results>/{experiment}/{part}tables/computed_cost.csv",
        index="<results>/{experiment}/data/index.csv",
    output:
        **tables_of("decide"),
        json="<results>/{experiment}/{part}decision.json",
    log:
        "<logs>/decide/{part}{experiment}.log",
    benchmark:
        "<benchmarks>/decide/{part}{experiment}.tsv"
    conda:
        "../../envs/analysis.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=10,
    params:
        comparison=graph.of_experiment(lambda experiment: as_json(experiment["comparison"])),
        # not a parameter that reruns it, since the function takes `output`
        record=lambda wildcards, output: record_of_decisions(wildcards),
        caption=tables_caption("decide"),
        code=code("analysis.decide"),
    shell:
        r"""
        python -m triptych decide \
            --correct {input.correct:q} \
            --arms-table {input.arms:q} \
            --computed-cost {input.computed_cost:q} \
            --comparison {params.comparison:q} \
            --index {input.index:q} \
            --record {params.record:q} \
            --decision {output.json:q} \
            --table {output.decision:q} \
            >{log:q} 2>&1
        """


rule collect_results:
    """Every table of test results, with intervals and comparisons of the arms."""
    input:
        test_data="<results>/{experiment}/data/test.safetensors",
        leaks="<results>/{experiment}/data/leaks.csv",
        index="<results>/{experiment}/data/index.csv",
        validation_data="<results>/{experiment}/data/validation.safetensors",
        predictions=graph.of_runs(f"{RUN}/predictions.safetensors"),
        decision="<results>/{experiment}/{part}decision.json",
        runs_table="<results>/{experiment}/{part}tables/runs.csv",
        tested=graph.test_results_of_runs,
        folds=graph.folds_file,
    output:
        **tables_of("collect_results"),
        openings="<results>/{experiment}/{part}opened.json",
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
        comparison=graph.of_experiment(comparison_json("confidence", "equivalence_margin", "metric")),
        mode=graph.experiment_setting("test"),
        folds=lambda wildcards, input: option("--folds", input.folds),
        # not a parameter that reruns it, since the function takes `output`
        logs=lambda wildcards, output: folder_of_openings(wildcards),
        experiment_folder=subpath(input.test_data, ancestor=2),
        tables=subpath(output.summary, parent=True),
        caption=tables_caption("collect_results"),
        code=code("analysis.collect_results"),
    shell:
        r"""
        python -m triptych collect-results \
            --experiment-folder {params.experiment_folder:q} \
            --arms {params.arms:q} \
            --runs {params.runs:q} \
            --comparison {params.comparison:q} \
            --mode {params.mode} \
            {params.folds} \
            --index {input.index:q} \
            --decision {input.decision:q} \
            --runs-table {input.runs_table:q} \
            --tables {params.tables:q} \
            --logs {params.logs:q} \
            --openings {output.openings:q} \
            >{log:q} 2>&1
        """


rule collect_predictions:
    """What every run predicts for each image, the mistakes and suspected labels by name, and the calibration."""
    input:
        index="<results>/{experiment}/data/index.csv",
        validation_data="<results>/{experiment}/data/validation.safetensors",
        test_data=graph.tested_data,
        decision="<results>/{experiment}/{part}decision.json",
        runs=graph.predictions_of_runs,
        folds=graph.folds_file,
        held_out=graph.data_of_folds,
    output:
        **tables_of("collect_predictions"),
    log:
        "<logs>/collect_predictions/{part}{experiment}.log",
    benchmark:
        "<benchmarks>/collect_predictions/{part}{experiment}.tsv"
    conda:
        "../../envs/analysis.yaml"
    threads: 1
    resources:
        mem_mb=double_on_retry(4000),
        runtime=20,
    params:
        runs=graph.ordered_runs_json,
        arms=graph.arms_json,
        comparison=graph.of_experiment(comparison_json("confidence")),
        mode=graph.mode_of,
        folds=lambda wildcards, input: option("--folds", input.folds),
        experiment_folder=subpath(input.index, ancestor=2),
        caption=tables_caption("collect_predictions"),
        code=code("analysis.collect_predictions"),
    shell:
        r"""
        python -m triptych collect-predictions \
            --experiment-folder {params.experiment_folder:q} \
            --runs {params.runs:q} \
            --arms {params.arms:q} \
            --comparison {params.comparison:q} \
            --mode {params.mode} \
            {params.folds} \
            --decision {input.decision:q} \
            --predictions {output.predictions:q} \
            --mistakes {output.mistakes:q} \
            --suspected-labels {output.suspected_labels:q} \
            --calibration {output.calibration:q} \
            --reliability {output.reliability:q} \
            >{log:q} 2>&1
        """
