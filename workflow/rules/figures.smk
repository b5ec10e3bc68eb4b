# From tables to figures, one rule per command; every figure as SVG and PNG. The catalogue (triptych/figures/catalogue.py)
# declares the tables of each figure, and its section of the report.
# Needs: tables/, and for images and kernels also data/ and runs/. Makes: figures/.


# Some images of each class with their labels. The other rules of this file inherit from this one and override only the
# differences. Each named input and output is an option of the command; unnamed inputs are found in the folder of the
# experiment.
rule plot_samples:
    """Draw the figures of this command in the catalogue."""
    input:
        **tables_for("plot_samples"),
        data="<results>/{experiment}/data/train.safetensors",
    output:
        **figures_by("plot_samples"),
    log:
        "<logs>/plot_samples/{part}{experiment}.log",
    benchmark:
        "<benchmarks>/plot_samples/{part}{experiment}.tsv"
    conda:
        "../../envs/figures.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=10,
    params:
        command="plot-samples",
        files=options_of_files,
        options="",
        caption=figures_caption("plot_samples"),
        code=code("figures.plot_samples"),
    shell:
        r"""
        python -m triptych {params.command} \
            {params.files} \
            {params.options} \
            >{log:q} 2>&1
        """


# The first letters of the pretraining, rendered anew: the images themselves are deleted after it.
use rule plot_samples as plot_letters with:
    input:
        **tables_for("plot_letters"),
    output:
        **figures_by("plot_letters"),
    log:
        "<logs>/plot_letters/{experiment}.log",
    benchmark:
        "<benchmarks>/plot_letters/{experiment}.tsv"
    params:
        command="plot-letters",
        options=lambda wildcards: options(
            image_size=graph.experiment_setting("model/input_size")(wildcards),
            seed=graph.experiment_setting("weights/seed")(wildcards),
        ),
        caption=figures_caption("plot_letters"),
        code=code("figures.plot_letters"),


# Training and test loss and accuracy of one arm by epoch.
use rule plot_samples as plot_arm_curves with:
    input:
        **tables_for("plot_arm_curves"),
    output:
        **figures_by("plot_arm_curves"),
    log:
        "<logs>/plot_arm_curves/{part}{experiment}/{arm}.log",
    benchmark:
        "<benchmarks>/plot_arm_curves/{part}{experiment}/{arm}.tsv"
    params:
        command="plot-arm-curves",
        options=lambda wildcards: options(arm=wildcards.arm),
        caption=figures_caption("plot_arm_curves"),
        code=code("figures.plot_arm_curves"),


# One quantity of every arm by epoch.
use rule plot_samples as plot_curves with:
    input:
        **tables_for("plot_curves"),
    output:
        **figures_by("plot_curves"),
    log:
        "<logs>/plot_curves/{part}{experiment}/{quantity}.log",
    benchmark:
        "<benchmarks>/plot_curves/{part}{experiment}/{quantity}.tsv"
    params:
        command="plot-curves",
        options=lambda wildcards: options(quantity=wildcards.quantity),
        caption=figures_caption("plot_curves"),
        code=code("figures.plot_curves"),


# The first kernels of one arm before and after training, and their difference.
use rule plot_samples as plot_kernels with:
    input:
        graph.kernels_of_first_runs,
        **tables_for("plot_kernels"),
    output:
        **figures_by("plot_kernels"),
    log:
        "<logs>/plot_kernels/{part}{experiment}/{arm}.log",
    benchmark:
        "<benchmarks>/plot_kernels/{part}{experiment}/{arm}.tsv"
    params:
        command="plot-kernels",
        options=lambda wildcards, input: options(
            arm=wildcards.arm,
            experiment_folder=Path(input[0]).parents[3],
            runs=as_json(graph.first_runs(wildcards)),
        ),
        caption=figures_caption("plot_kernels"),
        code=code("figures.plot_kernels"),


# The weight change of each block, by arm.
use rule plot_samples as plot_weight_delta with:
    input:
        **tables_for("plot_weight_delta"),
    output:
        **figures_by("plot_weight_delta"),
    log:
        "<logs>/plot_weight_delta/{part}{experiment}.log",
    benchmark:
        "<benchmarks>/plot_weight_delta/{part}{experiment}.tsv"
    params:
        command="plot-weight-delta",
        caption=figures_caption("plot_weight_delta"),
        code=code("figures.plot_weight_delta"),


# The drift of BatchNorm's running statistics, by block and arm.
use rule plot_samples as plot_batchnorm_drift with:
    input:
        **tables_for("plot_batchnorm_drift"),
    output:
        **figures_by("plot_batchnorm_drift"),
    log:
        "<logs>/plot_batchnorm_drift/{part}{experiment}.log",
    benchmark:
        "<benchmarks>/plot_batchnorm_drift/{part}{experiment}.tsv"
    params:
        command="plot-batchnorm-drift",
        caption=figures_caption("plot_batchnorm_drift"),
        code=code("figures.plot_batchnorm_drift"),


# The confusion matrix of one arm, and its most confident mistakes.
use rule plot_samples as plot_confusion with:
    input:
        "<results>/{experiment}/data/test.safetensors",
        "<results>/{experiment}/data/index.csv",
        graph.predictions_of_arm,
        **tables_for("plot_confusion"),
    output:
        **figures_by("plot_confusion"),
    log:
        "<logs>/plot_confusion/{part}{experiment}/{arm}.log",
    benchmark:
        "<benchmarks>/plot_confusion/{part}{experiment}/{arm}.tsv"
    params:
        command="plot-confusion",
        # a parameter of its own, because Snakemake does not compare `options`, whose function takes the input
        images=graph.experiment_setting("report/images"),
        options=lambda wildcards, input: options(
            arm=wildcards.arm,
            experiment_folder=Path(input[0]).parents[1],
            runs=as_json(graph.runs_of_arm(wildcards)),
            images=graph.experiment_setting("report/images")(wildcards),
            mode=graph.experiment_setting("test")(wildcards),
        ),
        caption=figures_caption("plot_confusion"),
        code=code("figures.plot_confusion"),


# Accuracy against measured cost, which differs between executions.
use rule plot_samples as plot_cost with:
    input:
        **tables_for("plot_cost"),
    output:
        **figures_by("plot_cost"),
    log:
        "<logs>/plot_cost/{part}{experiment}.log",
    benchmark:
        "<benchmarks>/plot_cost/{part}{experiment}.tsv"
    params:
        command="plot-cost",
        caption=figures_caption("plot_cost"),
        code=code("figures.plot_cost"),


# Computed memory of training and inference by batch size.
use rule plot_samples as plot_memory with:
    input:
        **tables_for("plot_memory"),
    output:
        **figures_by("plot_memory"),
    log:
        "<logs>/plot_memory/{part}{experiment}.log",
    benchmark:
        "<benchmarks>/plot_memory/{part}{experiment}.tsv"
    params:
        command="plot-memory",
        caption=figures_caption("plot_memory"),
        code=code("figures.plot_memory"),


# The networks of the arms and reference networks: parameters, operations, activations, the largest batch that fits.
use rule plot_samples as plot_architectures with:
    input:
        **tables_for("plot_architectures"),
    output:
        **figures_by("plot_architectures"),
    log:
        "<logs>/plot_architectures/{experiment}.log",
    benchmark:
        "<benchmarks>/plot_architectures/{experiment}.tsv"
    params:
        command="plot-architectures",
        caption=figures_caption("plot_architectures"),
        code=code("figures.plot_architectures"),
