# From tables to figures, one rule a kind of figure; every figure as SVG and as PNG.
# Needs: tables/, and for pictures of images and kernels also data/ and runs/. Makes: figures/.


rule plot_samples:
    """Some images of each class with their labels."""
    input:
        data="<results>/{experiment}/data/train.safetensors",
        index="<results>/{experiment}/data/index.csv",
    output:
        svg=report(
            "<results>/{experiment}/{part}figures/samples.svg",
            caption="../report/plot_samples.rst",
            category="Data",
            labels={"experiment": "{experiment}", "figure": "sample images"},
        ),
        png="<results>/{experiment}/{part}figures/samples.png",
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
        code=code("figures.plot_samples"),
    shell:
        r"""
        python -m triptych plot-samples \
            --data {input.data:q} \
            --index {input.index:q} \
            --svg {output.svg:q} \
            --png {output.png:q} \
            2>&1 | tee {log:q}
        """


rule plot_arm_curves:
    """Loss and accuracy of one arm by epoch, training and test (figures 1 to 6 of the lecture)."""
    input:
        history="<results>/{experiment}/{part}tables/history.csv",
        arms="<results>/{experiment}/{part}tables/arms.csv",
    output:
        loss_svg=report(
            "<results>/{experiment}/{part}figures/loss_{arm}.svg",
            caption="../report/plot_arm_curves.rst",
            category="Curves",
            labels={"experiment": "{experiment}", "figure": "loss", "arm": "{arm}"},
        ),
        loss_png="<results>/{experiment}/{part}figures/loss_{arm}.png",
        accuracy_svg=report(
            "<results>/{experiment}/{part}figures/accuracy_{arm}.svg",
            caption="../report/plot_arm_curves.rst",
            category="Curves",
            labels={"experiment": "{experiment}", "figure": "accuracy", "arm": "{arm}"},
        ),
        accuracy_png="<results>/{experiment}/{part}figures/accuracy_{arm}.png",
    log:
        "<logs>/plot_arm_curves/{part}{experiment}/{arm}.log",
    benchmark:
        "<benchmarks>/plot_arm_curves/{part}{experiment}/{arm}.tsv"
    conda:
        "../../envs/figures.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=10,
    params:
        code=code("figures.plot_arm_curves"),
    shell:
        r"""
        python -m triptych plot-arm-curves \
            --history {input.history:q} \
            --arms {input.arms:q} \
            --arm {wildcards.arm:q} \
            --loss-svg {output.loss_svg:q} \
            --loss-png {output.loss_png:q} \
            --accuracy-svg {output.accuracy_svg:q} \
            --accuracy-png {output.accuracy_png:q} \
            2>&1 | tee {log:q}
        """


rule plot_curves:
    """One quantity of every arm by epoch (figures 7 to 9 of the lecture)."""
    input:
        history="<results>/{experiment}/{part}tables/history.csv",
        arms="<results>/{experiment}/{part}tables/arms.csv",
    output:
        svg=report(
            "<results>/{experiment}/{part}figures/{quantity}.svg",
            caption="../report/plot_curves.rst",
            category="Curves",
            labels={"experiment": "{experiment}", "figure": "{quantity}", "arm": "all"},
        ),
        png="<results>/{experiment}/{part}figures/{quantity}.png",
    log:
        "<logs>/plot_curves/{part}{experiment}/{quantity}.log",
    benchmark:
        "<benchmarks>/plot_curves/{part}{experiment}/{quantity}.tsv"
    conda:
        "../../envs/figures.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=10,
    params:
        code=code("figures.plot_curves"),
    shell:
        r"""
        python -m triptych plot-curves \
            --history {input.history:q} \
            --arms {input.arms:q} \
            --quantity {wildcards.quantity} \
            --svg {output.svg:q} \
            --png {output.png:q} \
            2>&1 | tee {log:q}
        """


rule plot_kernels:
    """The first kernels of one arm before training, after it, and their difference."""
    input:
        kernels=kernels_of_first_seeds,
        arms="<results>/{experiment}/{part}tables/arms.csv",
    output:
        svg=report(
            "<results>/{experiment}/{part}figures/kernels_{arm}.svg",
            caption="../report/plot_kernels.rst",
            category="Weights",
            labels={"experiment": "{experiment}", "figure": "kernels", "arm": "{arm}"},
        ),
        png="<results>/{experiment}/{part}figures/kernels_{arm}.png",
    log:
        "<logs>/plot_kernels/{part}{experiment}/{arm}.log",
    benchmark:
        "<benchmarks>/plot_kernels/{part}{experiment}/{arm}.tsv"
    conda:
        "../../envs/figures.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=10,
    params:
        experiment_folder=subpath(lambda wildcards, input: input.kernels[0], ancestor=4),
        seeds=lambda wildcards: as_json(first_seeds(wildcards)),
        code=code("figures.plot_kernels"),
    shell:
        r"""
        python -m triptych plot-kernels \
            --experiment-folder {params.experiment_folder:q} \
            --arms {input.arms:q} \
            --arm {wildcards.arm:q} \
            --seeds {params.seeds:q} \
            --svg {output.svg:q} \
            --png {output.png:q} \
            2>&1 | tee {log:q}
        """


rule plot_weight_delta:
    """How far each layer moved, by arm."""
    input:
        weight_delta="<results>/{experiment}/{part}tables/weight_delta.csv",
        arms="<results>/{experiment}/{part}tables/arms.csv",
    output:
        svg=report(
            "<results>/{experiment}/{part}figures/relative_change.svg",
            caption="../report/plot_weight_delta.rst",
            category="Weights",
            labels={"experiment": "{experiment}", "figure": "relative change", "arm": "all"},
        ),
        png="<results>/{experiment}/{part}figures/relative_change.png",
    log:
        "<logs>/plot_weight_delta/{part}{experiment}.log",
    benchmark:
        "<benchmarks>/plot_weight_delta/{part}{experiment}.tsv"
    conda:
        "../../envs/figures.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=10,
    params:
        code=code("figures.plot_weight_delta"),
    shell:
        r"""
        python -m triptych plot-weight-delta \
            --weight-delta {input.weight_delta:q} \
            --arms {input.arms:q} \
            --svg {output.svg:q} \
            --png {output.png:q} \
            2>&1 | tee {log:q}
        """


rule plot_batchnorm_drift:
    """How far BatchNorm's running statistics drifted, by layer and arm."""
    input:
        weight_delta="<results>/{experiment}/{part}tables/weight_delta.csv",
        arms="<results>/{experiment}/{part}tables/arms.csv",
    output:
        svg=report(
            "<results>/{experiment}/{part}figures/batchnorm_drift.svg",
            caption="../report/plot_batchnorm_drift.rst",
            category="Weights",
            labels={"experiment": "{experiment}", "figure": "drift of BatchNorm", "arm": "all"},
        ),
        png="<results>/{experiment}/{part}figures/batchnorm_drift.png",
    log:
        "<logs>/plot_batchnorm_drift/{part}{experiment}.log",
    benchmark:
        "<benchmarks>/plot_batchnorm_drift/{part}{experiment}.tsv"
    conda:
        "../../envs/figures.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=10,
    params:
        code=code("figures.plot_batchnorm_drift"),
    shell:
        r"""
        python -m triptych plot-batchnorm-drift \
            --weight-delta {input.weight_delta:q} \
            --arms {input.arms:q} \
            --svg {output.svg:q} \
            --png {output.png:q} \
            2>&1 | tee {log:q}
        """


rule plot_confusion:
    """Which classes one arm takes for which, and the test images it is most wrong about."""
    input:
        confusion="<results>/{experiment}/{part}tables/confusion.csv",
        arms="<results>/{experiment}/{part}tables/arms.csv",
        test_data="<results>/{experiment}/data/test.safetensors",
        index="<results>/{experiment}/data/index.csv",
        predictions=predictions_of_arm,
    output:
        svg=report(
            "<results>/{experiment}/{part}figures/confusion_{arm}.svg",
            caption="../report/plot_confusion.rst",
            category="Errors",
            labels={"experiment": "{experiment}", "figure": "confusion", "arm": "{arm}"},
        ),
        png="<results>/{experiment}/{part}figures/confusion_{arm}.png",
    log:
        "<logs>/plot_confusion/{part}{experiment}/{arm}.log",
    benchmark:
        "<benchmarks>/plot_confusion/{part}{experiment}/{arm}.tsv"
    conda:
        "../../envs/figures.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=10,
    params:
        experiment_folder=subpath(input.test_data, ancestor=2),
        seeds=lambda wildcards: as_json(seeds_of_runs(wildcards)[wildcards.arm]),
        code=code("figures.plot_confusion"),
    shell:
        r"""
        python -m triptych plot-confusion \
            --confusion {input.confusion:q} \
            --arms {input.arms:q} \
            --arm {wildcards.arm:q} \
            --experiment-folder {params.experiment_folder:q} \
            --seeds {params.seeds:q} \
            --svg {output.svg:q} \
            --png {output.png:q} \
            2>&1 | tee {log:q}
        """


rule plot_cost:
    """Accuracy against what it cost. Measured, so it differs from run to run."""
    input:
        cost="<results>/{experiment}/{part}tables/cost.csv",
        summary="<results>/{experiment}/{part}tables/summary.csv",
        arms="<results>/{experiment}/{part}tables/arms.csv",
    output:
        svg=report(
            "<results>/{experiment}/{part}figures/cost_accuracy.svg",
            caption="../report/plot_cost.rst",
            category="Cost",
            labels={"experiment": "{experiment}", "figure": "accuracy against cost", "arm": "all"},
        ),
        png="<results>/{experiment}/{part}figures/cost_accuracy.png",
    log:
        "<logs>/plot_cost/{part}{experiment}.log",
    benchmark:
        "<benchmarks>/plot_cost/{part}{experiment}.tsv"
    conda:
        "../../envs/figures.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=10,
    params:
        code=code("figures.plot_cost"),
    shell:
        r"""
        python -m triptych plot-cost \
            --cost {input.cost:q} \
            --summary {input.summary:q} \
            --arms {input.arms:q} \
            --svg {output.svg:q} \
            --png {output.png:q} \
            2>&1 | tee {log:q}
        """


rule plot_memory:
    """Memory for training and for inference by batch size, computed from the network."""
    input:
        memory="<results>/{experiment}/{part}tables/memory.csv",
        arms="<results>/{experiment}/{part}tables/arms.csv",
    output:
        svg=report(
            "<results>/{experiment}/{part}figures/memory.svg",
            caption="../report/plot_memory.rst",
            category="Cost",
            labels={"experiment": "{experiment}", "figure": "memory", "arm": "all"},
        ),
        png="<results>/{experiment}/{part}figures/memory.png",
    log:
        "<logs>/plot_memory/{part}{experiment}.log",
    benchmark:
        "<benchmarks>/plot_memory/{part}{experiment}.tsv"
    conda:
        "../../envs/figures.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=10,
    params:
        code=code("figures.plot_memory"),
    shell:
        r"""
        python -m triptych plot-memory \
            --memory {input.memory:q} \
            --arms {input.arms:q} \
            --svg {output.svg:q} \
            --png {output.png:q} \
            2>&1 | tee {log:q}
        """


rule plot_full_run:
    """The lecture's nets beside those of the fullest run, by the images that training has seen."""
    input:
        curves="<results>/{experiment}/tables/full_run.csv",
        arms="<results>/{experiment}/tables/arms.csv",
    output:
        svg=report(
            "<results>/{experiment}/figures/full_run.svg",
            caption="../report/compare_full_run.rst",
            category="The lecture",
            labels={"experiment": "{experiment}", "figure": "beside the fullest run", "arm": "all"},
        ),
        png="<results>/{experiment}/figures/full_run.png",
    log:
        "<logs>/plot_full_run/{experiment}.log",
    benchmark:
        "<benchmarks>/plot_full_run/{experiment}.tsv"
    conda:
        "../../envs/figures.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=10,
    params:
        code=code("figures.plot_full_run"),
    shell:
        r"""
        python -m triptych plot-full-run \
            --curves {input.curves:q} \
            --arms {input.arms:q} \
            --svg {output.svg:q} \
            --png {output.png:q} \
            2>&1 | tee {log:q}
        """


rule plot_notebook_loss:
    """The test loss as the lecture's notebook would have drawn it, beside the true one."""
    input:
        history="<results>/{experiment}/tables/history.csv",
        arms="<results>/{experiment}/tables/arms.csv",
        sizes="<results>/{experiment}/data/sizes.csv",
    output:
        svg=report(
            "<results>/{experiment}/figures/notebook_loss.svg",
            caption="../report/plot_notebook_loss.rst",
            category="The lecture",
            labels={"experiment": "{experiment}", "figure": "the notebook's test loss", "arm": "all"},
        ),
        png="<results>/{experiment}/figures/notebook_loss.png",
    log:
        "<logs>/plot_notebook_loss/{experiment}.log",
    benchmark:
        "<benchmarks>/plot_notebook_loss/{experiment}.tsv"
    conda:
        "../../envs/figures.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=10,
    params:
        code=code("figures.plot_notebook_loss"),
    shell:
        r"""
        python -m triptych plot-notebook-loss \
            --history {input.history:q} \
            --arms {input.arms:q} \
            --sizes {input.sizes:q} \
            --svg {output.svg:q} \
            --png {output.png:q} \
            2>&1 | tee {log:q}
        """


rule plot_notebook_kernels:
    """One weight change as the lecture's notebook draws it, and on one signed scale."""
    input:
        kernels=lambda wildcards: expand(
            "<results>/{experiment}/runs/finetune/seed{seed}/kernels.safetensors",
            experiment=wildcards.experiment,
            seed=experiments[wildcards.experiment]["seeds"][0],
        ),
        arms="<results>/{experiment}/tables/arms.csv",
    output:
        svg=report(
            "<results>/{experiment}/figures/notebook_kernels.svg",
            caption="../report/plot_notebook_kernels.rst",
            category="The lecture",
            labels={"experiment": "{experiment}", "figure": "the notebook's kernels", "arm": "finetune"},
        ),
        png="<results>/{experiment}/figures/notebook_kernels.png",
    log:
        "<logs>/plot_notebook_kernels/{experiment}.log",
    benchmark:
        "<benchmarks>/plot_notebook_kernels/{experiment}.tsv"
    conda:
        "../../envs/figures.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=10,
    params:
        experiment_folder=subpath(output.svg, ancestor=2),
        seed=lambda wildcards: experiments[wildcards.experiment]["seeds"][0],
        code=code("figures.plot_notebook_kernels"),
    shell:
        r"""
        python -m triptych plot-notebook-kernels \
            --experiment-folder {params.experiment_folder:q} \
            --arms {input.arms:q} \
            --arm finetune \
            --seed {params.seed} \
            --svg {output.svg:q} \
            --png {output.png:q} \
            2>&1 | tee {log:q}
        """


rule plot_architectures:
    """The networks of the arms beside others: parameters, operations, activations, the largest batch that fits."""
    input:
        architectures="<results>/{experiment}/tables/architectures.csv",
        largest_batch="<results>/{experiment}/tables/largest_batch.csv",
    output:
        svg=report(
            "<results>/{experiment}/figures/architectures.svg",
            caption="../report/plot_architectures.rst",
            category="Cost",
            labels={"experiment": "{experiment}", "figure": "networks", "arm": "all"},
        ),
        png="<results>/{experiment}/figures/architectures.png",
    log:
        "<logs>/plot_architectures/{experiment}.log",
    benchmark:
        "<benchmarks>/plot_architectures/{experiment}.tsv"
    conda:
        "../../envs/figures.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=10,
    params:
        code=code("figures.plot_architectures"),
    shell:
        r"""
        python -m triptych plot-architectures \
            --architectures {input.architectures:q} \
            --largest-batch {input.largest_batch:q} \
            --svg {output.svg:q} \
            --png {output.png:q} \
            2>&1 | tee {log:q}
        """
