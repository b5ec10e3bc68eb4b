# Training. Only these rules, open_test, and those of a wing that measure speed, use a GPU.
# Needs: data/, weights/letters/, weights/{architecture}.safetensors (of torchvision).
# Makes: weights/{architecture}.safetensors, features/, each run's trained weights, history, predictions and cost. No test image
# is read, but in experiments with `test: every_epoch`.


rule pretrain_weights:
    """Pretrain a network on letters, for the arms with pretrained weights."""
    input:
        train_data="<results>/{experiment}/weights/letters/train.safetensors",
        validation_data="<results>/{experiment}/weights/letters/validation.safetensors",
    output:
        weights="<results>/{experiment}/weights/{architecture}.safetensors",
        history="<results>/{experiment}/weights/{architecture}_history.csv",
    log:
        "<logs>/pretrain_weights/{experiment}/{architecture}.log",
    benchmark:
        "<benchmarks>/pretrain_weights/{experiment}/{architecture}.tsv"
    wildcard_constraints:
        experiment=graph.with_weights_from("letters"),
    priority: 2  # before other jobs that wait for a GPU, because most of them need its output
    conda:
        "../../envs/torch.yaml"
    threads: graph.experiment_setting("training/num_threads")
    resources:
        gpu=gpu_slots(graph.experiment_setting("training/device")),
        mem_mb=double_on_retry(4000),
        runtime=60,
    params:
        input_size=graph.experiment_setting("model/input_size"),
        normalisation=graph.experiment_setting("model/normalisation"),
        seed=graph.experiment_setting("weights/seed"),
        recipe=graph.of_experiment(recipe_of_pretraining),
        execution=execution_of_experiment,
        run=subpath(output.weights, parent=True),
        code=code("training.pretrain_weights", named=backbone(lambda wildcards: wildcards.architecture)),
    shell:
        r"""
        python -m triptych pretrain-weights \
            --architecture {wildcards.architecture:q} \
            --input-size {params.input_size} \
            --normalisation {params.normalisation} \
            --seed {params.seed} \
            --recipe {params.recipe:q} \
            --execution {params.execution:q} \
            --train-data {input.train_data:q} \
            --validation-data {input.validation_data:q} \
            --checkpoints {params.run:q}/{wildcards.architecture}_checkpoints \
            --runtime {resources.runtime} \
            --weights {output.weights:q} \
            --history {output.history:q} \
            >{log:q} 2>&1
        """


rule extract_features:
    """Cache the outputs of a frozen trunk for every image, once for all epochs and seeds."""
    input:
        pretrained=graph.weights_of_trunk,
        train_data="<results>/{experiment}/data/train.safetensors",
        validation_data="<results>/{experiment}/data/validation.safetensors",
        test_data=graph.test_data_of_training,
    output:
        features="<results>/{experiment}/features/{trunk}/features.safetensors",
        cost="<results>/{experiment}/features/{trunk}/cost.json",
    log:
        "<logs>/extract_features/{experiment}/{trunk}.log",
    benchmark:
        "<benchmarks>/extract_features/{experiment}/{trunk}.tsv"
    priority: 1
    conda:
        "../../envs/torch.yaml"
    threads: graph.arm_setting("training/num_threads")
    resources:
        gpu=gpu_slots(graph.arm_setting("training/device")),
        mem_mb=double_on_retry(8000),
        runtime=240,
    params:
        architecture=graph.arm_setting("model/architecture"),
        input_size=graph.arm_setting("model/input_size"),
        normalisation=graph.arm_setting("model/normalisation"),
        test_data=lambda wildcards, input: option("--test-data", input.test_data),
        recipe=recipe_for("extract_features"),
        execution=execution_of_arm,
        run=subpath(output.cost, parent=True),
        code=code("training.extract_features", named=backbone(graph.arm_setting("model/architecture"))),
    shell:
        r"""
        python -m triptych extract-features \
            --architecture {params.architecture} \
            --input-size {params.input_size} \
            --normalisation {params.normalisation} \
            --pretrained {input.pretrained:q} \
            --train-data {input.train_data:q} \
            --validation-data {input.validation_data:q} \
            {params.test_data} \
            --recipe {params.recipe:q} \
            --execution {params.execution:q} \
            --checkpoints {params.run:q}/checkpoints \
            --runtime {resources.runtime} \
            --features {output.features:q} \
            --cost {output.cost:q} \
            >{log:q} 2>&1
        """


rule train:
    """Train one arm with one seed."""
    input:
        pretrained=graph.pretrained_weights,
        train_data="<results>/{experiment}/data/train.safetensors",
        validation_data="<results>/{experiment}/data/validation.safetensors",
        test_data=graph.test_data_of_training,
        folds=graph.folds_file,
        features=graph.features_of_arm("features.safetensors"),
        features_cost=graph.features_of_arm("cost.json"),
    output:
        trained=not_of_model("<results>/{experiment}/runs/{arm}/{run}/trained.safetensors"),
        history="<results>/{experiment}/runs/{arm}/{run}/history.csv",
        predictions="<results>/{experiment}/runs/{arm}/{run}/predictions.safetensors",
        cost="<results>/{experiment}/runs/{arm}/{run}/cost.json",
    log:
        "<logs>/train/{experiment}/{arm}/{run}.log",
    benchmark:
        "<benchmarks>/train/{experiment}/{arm}/{run}.tsv"
    priority: 1  # before short jobs, which would otherwise occupy the cores and leave the GPU idle
    conda:
        "../../envs/torch.yaml"
    threads: graph.arm_setting("training/num_threads")
    resources:
        gpu=gpu_slots(graph.arm_setting("training/device")),
        mem_mb=double_on_retry(8000),
        runtime=720,
    params:
        architecture=graph.arm_setting("model/architecture"),
        input_size=graph.arm_setting("model/input_size"),
        normalisation=graph.arm_setting("model/normalisation"),
        pretrained=lambda wildcards, input: option("--pretrained", input.pretrained),
        phases=lambda wildcards: as_json(phases_of(graph.arm_of(wildcards))),
        which=options_of_run,
        test_data=lambda wildcards, input: option("--test-data", input.test_data),
        folds=lambda wildcards, input: option("--folds", input.folds),
        recipe=recipe_for("train"),
        execution=execution_of_arm,
        features=lambda wildcards, input: option("--features", input.features),
        features_cost=lambda wildcards, input: option("--features-cost", input.features_cost),
        run=subpath(output.cost, parent=True),
        openings=lambda wildcards, output: log_of_openings(wildcards, ".training"),
        code=code("training.train", named=backbone(graph.arm_setting("model/architecture"))),
    shell:
        r"""
        python -m triptych train \
            --arm {wildcards.arm:q} \
            --architecture {params.architecture} \
            --input-size {params.input_size} \
            --normalisation {params.normalisation} \
            {params.pretrained} \
            --train-data {input.train_data:q} \
            --validation-data {input.validation_data:q} \
            {params.test_data} \
            {params.folds} \
            --phases {params.phases:q} \
            {params.which} \
            --recipe {params.recipe:q} \
            --execution {params.execution:q} \
            {params.features} \
            {params.features_cost} \
            --checkpoints {params.run:q}/checkpoints \
            --runtime {resources.runtime} \
            --trained {output.trained:q} \
            --history {output.history:q} \
            --predictions {output.predictions:q} \
            --cost {output.cost:q} \
            --openings {params.openings:q} \
            >{log:q} 2>&1
        """
