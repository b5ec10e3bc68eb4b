# After the decision: the test images are opened, and the chosen run's weights (an ensemble: its arm's) are copied and described.
# Needs: data/test.safetensors, runs/*/trained.safetensors, decision.json. Makes: of each run its test results; model/.


rule open_test:
    """Evaluate one run on the test images, after the decision. Every opening is recorded before the images are read."""

    # The decision is ancient(): a new one opens nothing again, and trains no run whose weights are gone.
    input:
        trained="<results>/{experiment}/runs/{arm}/{run}/trained.safetensors",
        decision=ancient("<results>/{experiment}/decision.json"),
        test_data="<results>/{experiment}/data/test.safetensors",
    output:
        predictions="<results>/{experiment}/runs/{arm}/{run}/test.safetensors",
        opened="<results>/{experiment}/runs/{arm}/{run}/opened.json",
    log:
        "<logs>/open_test/{experiment}/{arm}/{run}.log",
    benchmark:
        "<benchmarks>/open_test/{experiment}/{arm}/{run}.tsv"
    conda:
        "../../envs/torch.yaml"
    threads: graph.arm_setting("training/num_threads")
    resources:
        gpu=gpu_slots(graph.arm_setting("training/device")),
        mem_mb=double_on_retry(8000),
        runtime=60,
    params:
        architecture=graph.arm_setting("model/architecture"),
        input_size=graph.arm_setting("model/input_size"),
        which=options_of_run,
        recipe=recipe_for("open_test"),
        execution=execution_of_arm,
        openings=lambda wildcards, output: log_of_openings(wildcards),
        code=code("evaluation.open_test", named=backbone(graph.arm_setting("model/architecture"))),
    shell:
        r"""
        python -m triptych open-test \
            --architecture {params.architecture} \
            --input-size {params.input_size} \
            --arm {wildcards.arm:q} \
            {params.which} \
            --trained {input.trained:q} \
            --decision {input.decision:q} \
            --test-data {input.test_data:q} \
            --recipe {params.recipe:q} \
            --execution {params.execution:q} \
            --openings {params.openings:q} \
            --predictions {output.predictions:q} \
            --opened {output.opened:q} \
            >{log:q} 2>&1
        """


rule await_decision:
    """Keep a run's weights until the decision, where no test images are opened after it."""

    # Snakemake deletes temporary files after their last reader, which would be one before the decision.
    input:
        trained="<results>/{experiment}/runs/{arm}/{run}/trained.safetensors",
        decision=ancient("<results>/{experiment}/decision.json"),
    output:
        decided=touch("<results>/{experiment}/runs/{arm}/{run}/decided"),
    log:
        "<logs>/await_decision/{experiment}/{arm}/{run}.log",
    localrule: True
    conda:
        "../../envs/report.yaml"
    threads: 1
    shell:
        "true > {log:q}"


rule copy_model:
    """The weights of the run that the decision chose."""
    input:
        trained=of_chosen_run("trained.safetensors"),
        decision=ancient("<results>/{experiment}/decision.json"),
    output:
        model="<results>/{experiment}/model/model.safetensors",
    log:
        "<logs>/copy_model/{experiment}.log",
    benchmark:
        "<benchmarks>/copy_model/{experiment}.tsv"
    conda:
        "../../envs/report.yaml"
    threads: 1
    resources:
        mem_mb=500,
        runtime=10,
    params:
        trained=lambda wildcards, input: option("--trained", input.trained),
        code=code("evaluation.copy_model"),
    shell:
        r"""
        python -m triptych copy-model \
            {params.trained} \
            --decision {input.decision:q} \
            --model {output.model:q} \
            >{log:q} 2>&1
        """


rule copy_member:
    """The weights of one run of the arm that the decision chose, for an ensemble."""

    # One file a run, so that a further seed needs no weights but its own: the others' may be gone.
    input:
        trained=of_chosen_arm("trained.safetensors"),
        decision=ancient("<results>/{experiment}/decision.json"),
    output:
        member="<results>/{experiment}/model/model-{run}.safetensors",
    log:
        "<logs>/copy_member/{experiment}/{run}.log",
    benchmark:
        "<benchmarks>/copy_member/{experiment}/{run}.tsv"
    wildcard_constraints:
        experiment=one_of(graph.with_ensemble),
    conda:
        "../../envs/report.yaml"
    threads: 1
    resources:
        mem_mb=500,
        runtime=10,
    params:
        trained=lambda wildcards, input: option("--trained", input.trained),
        which=options_of_run,
        code=code("evaluation.copy_member"),
    shell:
        r"""
        python -m triptych copy-member \
            {params.trained} \
            {params.which} \
            --decision {input.decision:q} \
            --member {output.member:q} \
            >{log:q} 2>&1
        """


SCRIPT_ALONE = "evaluation/predict_alone.py"


rule write_model:
    """What is needed to use the weights of the chosen run: their description, a model card, and a script."""

    # Apart from copy_model: what it reads may change without a training, and the weights may be the last copy.
    input:
        weights=lambda wildcards: weights_of_model(wildcards.experiment),
        decision="<results>/{experiment}/decision.json",
        cost=of_chosen_run("cost.json"),
        predictions=of_model("predictions.safetensors"),
        tested=tested_by_model,
        folds=graph.folds_file,
        train_data="<results>/{experiment}/data/train.safetensors",
        validation_data="<results>/{experiment}/data/validation.safetensors",
        test_data="<results>/{experiment}/data/test.safetensors",
        index="<results>/{experiment}/data/index.csv",
        leaks="<results>/{experiment}/data/leaks.csv",
    output:
        description="<results>/{experiment}/model/model.json",
        card="<results>/{experiment}/model/README.md",
        script="<results>/{experiment}/model/predict.py",
        decoder="<results>/{experiment}/model/decode.py",
    log:
        "<logs>/write_model/{experiment}.log",
    benchmark:
        "<benchmarks>/write_model/{experiment}.tsv"
    conda:
        "../../envs/data.yaml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=20,
    params:
        arms=graph.arms_json,
        dataset=graph.of_experiment(dataset_json),
        comparison=graph.of_experiment(comparison_json("confidence")),
        pretraining=graph.of_experiment(pretraining_json),
        mode=graph.mode_of_whole,
        weights=lambda wildcards, input: each("--weights", input.weights),
        predictions=lambda wildcards, input: each("--predictions", input.predictions),
        tested=lambda wildcards, input: each("--tested", input.tested),
        folds=lambda wildcards, input: option("--folds", input.folds),
        code=code("evaluation.write_model", SCRIPT_ALONE, named=graph.of_experiment(modules_of_source)),
    shell:
        r"""
        python -m triptych write-model \
            --experiment {wildcards.experiment:q} \
            --arms {params.arms:q} \
            --dataset {params.dataset:q} \
            --comparison {params.comparison:q} \
            --pretraining {params.pretraining:q} \
            --mode {params.mode} \
            --decision {input.decision:q} \
            {params.weights} \
            --cost {input.cost:q} \
            {params.predictions} \
            {params.tested} \
            {params.folds} \
            --train-data {input.train_data:q} \
            --validation-data {input.validation_data:q} \
            --test-data {input.test_data:q} \
            --index {input.index:q} \
            --leaks {input.leaks:q} \
            --description {output.description:q} \
            --card {output.card:q} \
            --script {output.script:q} \
            --decoder {output.decoder:q} \
            >{log:q} 2>&1
        """
