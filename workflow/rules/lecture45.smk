# Lecture 45, for experiments with `claims: lecture45`: its claims, the faults of its notebook, and its full run.
# Needs: data/, tables/, and the kernels of the three nets. Makes: tables/claims.csv, faults.csv, cost_backward.csv,
# full_run.csv, full_run_settings.csv and full_run_verdicts.csv, and the figures that show them.
from triptych.lecture45.options import FULL_RUN_READ, NET3, official_flags, timing_recipe
from triptych.lecture45.requirements import ARMS as NETS_OF_LECTURE

# The files of the full run, for compare_full_run.
FULL_RUN_FILES = [f"lecture45/full_run/{file}" for file in FULL_RUN_READ]
ARCHITECTURE_OF_NET3 = graph.experiment_setting(f"{NET3}/model/architecture")


rule check_claims:
    """Test the claims of the lecture, and compute the effect of each fault of its notebook."""
    input:
        tables=expand(
            "<results>/{{experiment}}/tables/{table}.csv",
            table=[
                "arms",
                "history",
                "runs",
                "test_results",
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
        kernels=lambda wildcards: expand(
            "<results>/{experiment}/runs/{arm}/{run}/kernels.safetensors",
            experiment=wildcards.experiment,
            arm=NETS_OF_LECTURE,
            run=map(run_name, graph.experiments[wildcards.experiment]["seeds"]),
        ),
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
        dataset=graph.experiment_setting("dataset/source"),
        weights=graph.experiment_setting("weights/source"),
        official=graph.of_experiment(official_flags),
        confidence=graph.experiment_setting("comparison/confidence"),
        margin=graph.experiment_setting("comparison/equivalence_margin"),
        caption=tables_caption("check_claims"),
        code=code("lecture45.check_claims", "configuration/training.py"),
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
            >{log:q} 2>&1
        """


rule compare_full_run:
    """Compare the lecture's nets with those of the full run."""
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
        dataset=graph.experiment_setting("dataset/source"),
        weights=graph.experiment_setting("weights/source"),
        official=graph.of_experiment(official_flags),
        caption=tables_caption("compare_full_run"),
        code=code("lecture45.compare_full_run", "configuration/training.py", *FULL_RUN_FILES),
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
            --verdicts {output.full_run_verdicts:q} \
            >{log:q} 2>&1
        """


rule time_backward:
    """Time the unused backward pass of the lecture's notebook. Measured, so it differs between executions."""
    input:
        train_data="<results>/{experiment}/data/train.safetensors",
    output:
        **tables_of("time_backward"),
    log:
        "<logs>/time_backward/{experiment}.log",
    benchmark:
        "<benchmarks>/time_backward/{experiment}.tsv"
    conda:
        "../../envs/torch.yaml"
    threads: graph.experiment_setting(f"{NET3}/training/num_threads")
    resources:
        gpu=gpu_slots(graph.experiment_setting(f"{NET3}/training/device")),
        mem_mb=double_on_retry(8000),
        runtime=30,
    params:
        architecture=ARCHITECTURE_OF_NET3,
        input_size=graph.experiment_setting(f"{NET3}/model/input_size"),
        recipe=graph.of_experiment(timing_recipe),
        caption=tables_caption("time_backward"),
        code=code("lecture45.time_backward", named=backbone(ARCHITECTURE_OF_NET3)),
    shell:
        r"""
        python -m triptych time-backward \
            --architecture {params.architecture:q} \
            --input-size {params.input_size} \
            --recipe {params.recipe:q} \
            --train-data {input.train_data:q} \
            --output {output.cost_backward:q} \
            >{log:q} 2>&1
        """


# Test accuracy of the lecture's nets, here and in the full run.
use rule plot_samples as plot_full_run with:
    input:
        **tables_for("plot_full_run"),
    output:
        **figures_by("plot_full_run"),
    log:
        "<logs>/plot_full_run/{experiment}.log",
    benchmark:
        "<benchmarks>/plot_full_run/{experiment}.tsv"
    params:
        command="plot-full-run",
        caption=figures_caption("plot_full_run"),
        code=code("lecture45.plot_full_run"),


# The true test loss, and the one that the lecture's notebook would draw.
use rule plot_samples as plot_notebook_loss with:
    input:
        **tables_for("plot_notebook_loss"),
    output:
        **figures_by("plot_notebook_loss"),
    log:
        "<logs>/plot_notebook_loss/{experiment}.log",
    benchmark:
        "<benchmarks>/plot_notebook_loss/{experiment}.tsv"
    params:
        command="plot-notebook-loss",
        caption=figures_caption("plot_notebook_loss"),
        code=code("lecture45.plot_notebook_loss"),


# One weight change as in the notebook of the lecture, and on a signed scale.
use rule plot_samples as plot_notebook_kernels with:
    input:
        lambda wildcards: expand(
            "<results>/{experiment}/runs/finetune/{run}/kernels.safetensors",
            experiment=wildcards.experiment,
            run=run_name(graph.experiments[wildcards.experiment]["seeds"][0]),
        ),
        **tables_for("plot_notebook_kernels"),
    output:
        **figures_by("plot_notebook_kernels"),
    log:
        "<logs>/plot_notebook_kernels/{experiment}.log",
    benchmark:
        "<benchmarks>/plot_notebook_kernels/{experiment}.tsv"
    params:
        command="plot-notebook-kernels",
        options=lambda wildcards, input: options(
            arm="finetune",
            experiment_folder=Path(input[0]).parents[3],
            seed=graph.experiments[wildcards.experiment]["seeds"][0],
        ),
        caption=figures_caption("plot_notebook_kernels"),
        code=code("lecture45.plot_notebook_kernels"),
