# Training. The only rules that ask for a GPU, since they are the only ones that compute on it.
# Needs: data/, weights/letters/, runs/*/initial.safetensors.
# Makes: weights/{architecture}.safetensors, features/, each run's trained weights, history, predictions and cost, and for
# the lecture's claims tables/cost_backward.csv.


rule pretrain_weights:
    """Train a network on letters; its weights are what the pretrained arms start from."""
    input:
        train_data="<results>/{experiment}/weights/letters/train.safetensors",
        test_data="<results>/{experiment}/weights/letters/test.safetensors",
    output:
        weights="<results>/{experiment}/weights/{architecture}.safetensors",
        history="<results>/{experiment}/weights/{architecture}_history.csv",
    log:
        "<logs>/pretrain_weights/{experiment}/{architecture}.log",
    benchmark:
        "<benchmarks>/pretrain_weights/{experiment}/{architecture}.tsv"
    wildcard_constraints:
        experiment=with_weights_from("letters"),
    priority: 2  # first of the jobs that wait for a GPU: most others need what it makes
    conda:
        "../../envs/torch.yaml"
    threads: experiment_setting("training/num_threads")
    resources:
        gpu=gpu_slots(experiment_setting("training/device")),
        mem_mb=twice_when_tried_again(4000),
        runtime=60,
        jobs_per_gpu=settings["jobs_per_gpu"],  # decides no result, so it is no parameter; as the next two
        checkpoint_minutes=as_text(experiment_setting("training/checkpoint_minutes")),
        cuda_graphs=experiment_setting("training/cuda_graphs"),
    params:
        input_size=experiment_setting("model/input_size"),
        normalisation=experiment_setting("model/normalisation"),
        epochs=experiment_setting("weights/epochs"),
        batch_size=experiment_setting("weights/batch_size"),
        learning_rate=experiment_setting("weights/learning_rate"),
        seed=experiment_setting("weights/seed"),
        evaluation_batch_size=experiment_setting("training/evaluation_batch_size"),
        num_threads=experiment_setting("training/num_threads"),
        device=experiment_setting("training/device"),
        precision=experiment_setting("training/precision"),
        channels_last=experiment_flag("--channels-last", "channels_last"),
        fused_optimizer=experiment_flag("--fused-optimizer", "fused_optimizer"),
        run=subpath(output.weights, parent=True),
        code=code("training.pretrain_weights", named=backbone(lambda wildcards: wildcards.architecture)),
    shell:
        r"""
        python -m triptych pretrain-weights \
            --architecture {wildcards.architecture:q} \
            --input-size {params.input_size} \
            --normalisation {params.normalisation} \
            --epochs {params.epochs} \
            --batch-size {params.batch_size} \
            --learning-rate {params.learning_rate} \
            --evaluation-batch-size {params.evaluation_batch_size} \
            --num-threads {params.num_threads} \
            --device {params.device} \
            --jobs-per-gpu {resources.jobs_per_gpu} \
            --seed {params.seed} \
            --precision {params.precision} \
            {params.channels_last} \
            {params.fused_optimizer} \
            --cuda-graphs {resources.cuda_graphs} \
            --train-data {input.train_data:q} \
            --test-data {input.test_data:q} \
            --checkpoints {params.run:q}/{wildcards.architecture}_checkpoints \
            --checkpoint-minutes {resources.checkpoint_minutes} \
            --runtime {resources.runtime} \
            --weights {output.weights:q} \
            --history {output.history:q} \
            2>&1 | tee {log:q}
        """


rule extract_features:
    """What a frozen trunk makes of every image, once for all epochs and seeds."""
    input:
        pretrained=weights_of_trunk,
        train_data="<results>/{experiment}/data/train.safetensors",
        validation_data="<results>/{experiment}/data/validation.safetensors",
        test_data="<results>/{experiment}/data/test.safetensors",
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
    threads: arm_setting("training/num_threads")
    resources:
        gpu=gpu_slots(arm_setting("training/device")),
        mem_mb=twice_when_tried_again(8000),
        runtime=240,
        jobs_per_gpu=settings["jobs_per_gpu"],  # decides no result, so it is no parameter; as the next two
        checkpoint_minutes=as_text(arm_setting("training/checkpoint_minutes")),
        residency=arm_setting("training/residency"),
    params:
        architecture=arm_setting("model/architecture"),
        input_size=arm_setting("model/input_size"),
        normalisation=arm_setting("model/normalisation"),
        evaluation_batch_size=arm_setting("training/evaluation_batch_size"),
        num_threads=arm_setting("training/num_threads"),
        device=arm_setting("training/device"),
        precision=arm_setting("training/precision"),
        channels_last=training_flag("--channels-last", "channels_last"),
        train_images=training_option("--train-images", "train_images"),
        run=subpath(output.cost, parent=True),
        code=code("training.extract_features", named=backbone(arm_setting("model/architecture"))),
    shell:
        r"""
        python -m triptych extract-features \
            --architecture {params.architecture} \
            --input-size {params.input_size} \
            --normalisation {params.normalisation} \
            --pretrained {input.pretrained:q} \
            --train-data {input.train_data:q} \
            --validation-data {input.validation_data:q} \
            --test-data {input.test_data:q} \
            --evaluation-batch-size {params.evaluation_batch_size} \
            --num-threads {params.num_threads} \
            --device {params.device} \
            --jobs-per-gpu {resources.jobs_per_gpu} \
            --precision {params.precision} \
            {params.channels_last} \
            --residency {resources.residency} \
            {params.train_images} \
            --checkpoints {params.run:q}/checkpoints \
            --checkpoint-minutes {resources.checkpoint_minutes} \
            --runtime {resources.runtime} \
            --features {output.features:q} \
            --cost {output.cost:q} \
            2>&1 | tee {log:q}
        """


rule train:
    """Train one arm with one seed."""
    input:
        initial="<results>/{experiment}/runs/{arm}/seed{seed}/initial.safetensors",
        train_data="<results>/{experiment}/data/train.safetensors",
        validation_data="<results>/{experiment}/data/validation.safetensors",
        test_data="<results>/{experiment}/data/test.safetensors",
        features=features_of_arm("features.safetensors"),
        features_cost=features_of_arm("cost.json"),
    output:
        trained=kept_if(settings["keep_weights"] != "none")(
            "<results>/{experiment}/runs/{arm}/seed{seed}/trained.safetensors"
        ),
        history="<results>/{experiment}/runs/{arm}/seed{seed}/history.csv",
        predictions="<results>/{experiment}/runs/{arm}/seed{seed}/predictions.safetensors",
        cost="<results>/{experiment}/runs/{arm}/seed{seed}/cost.json",
    log:
        "<logs>/train/{experiment}/{arm}/seed{seed}.log",
    benchmark:
        "<benchmarks>/train/{experiment}/{arm}/seed{seed}.tsv"
    priority: 1  # before the short jobs, which else take the cores and leave the GPU idle
    conda:
        "../../envs/torch.yaml"
    threads: arm_setting("training/num_threads")
    resources:
        gpu=gpu_slots(arm_setting("training/device")),
        mem_mb=twice_when_tried_again(8000),
        runtime=720,
        jobs_per_gpu=settings["jobs_per_gpu"],  # decides no result, so it is no parameter; as the next three
        checkpoint_minutes=as_text(arm_setting("training/checkpoint_minutes")),
        residency=arm_setting("training/residency"),
        cuda_graphs=arm_setting("training/cuda_graphs"),
    params:
        phases=lambda wildcards: as_json(phases_of(arm_of(wildcards))),
        epochs=arm_setting("training/epochs"),
        batch_size=arm_setting("training/batch_size"),
        learning_rate=arm_setting("training/learning_rate"),
        evaluation_batch_size=arm_setting("training/evaluation_batch_size"),
        num_threads=arm_setting("training/num_threads"),
        device=arm_setting("training/device"),
        precision=arm_setting("training/precision"),
        channels_last=training_flag("--channels-last", "channels_last"),
        fused_optimizer=training_flag("--fused-optimizer", "fused_optimizer"),
        features=lambda wildcards, input: option("--features", input.features),
        features_cost=lambda wildcards, input: option("--features-cost", input.features_cost),
        keep=arm_setting("training/keep"),
        patience=training_option("--patience", "patience"),
        train_images=training_option("--train-images", "train_images"),
        run=subpath(output.cost, parent=True),
        code=code("training.train", named=backbone(arm_setting("model/architecture"))),
    shell:
        r"""
        python -m triptych train \
            --initial {input.initial:q} \
            --train-data {input.train_data:q} \
            --validation-data {input.validation_data:q} \
            --test-data {input.test_data:q} \
            --phases {params.phases:q} \
            --epochs {params.epochs} \
            --batch-size {params.batch_size} \
            --learning-rate {params.learning_rate} \
            --evaluation-batch-size {params.evaluation_batch_size} \
            --num-threads {params.num_threads} \
            --device {params.device} \
            --jobs-per-gpu {resources.jobs_per_gpu} \
            --seed {wildcards.seed} \
            --precision {params.precision} \
            {params.channels_last} \
            {params.fused_optimizer} \
            --cuda-graphs {resources.cuda_graphs} \
            --residency {resources.residency} \
            {params.features} \
            {params.features_cost} \
            --keep {params.keep} \
            {params.patience} \
            {params.train_images} \
            --checkpoints {params.run:q}/checkpoints \
            --checkpoint-minutes {resources.checkpoint_minutes} \
            --runtime {resources.runtime} \
            --trained {output.trained:q} \
            --history {output.history:q} \
            --predictions {output.predictions:q} \
            --cost {output.cost:q} \
            2>&1 | tee {log:q}
        """


rule time_backward:
    """What the lecture's notebook pays for a backward pass that it throws away. Measured, so it differs each time."""
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
    threads: last_layer_setting("training/num_threads")
    resources:
        gpu=gpu_slots(last_layer_setting("training/device")),
        mem_mb=twice_when_tried_again(8000),
        runtime=30,
    params:
        architecture=last_layer_setting("model/architecture"),
        input_size=last_layer_setting("model/input_size"),
        batch_size=last_layer_setting("training/batch_size"),
        learning_rate=last_layer_setting("training/learning_rate"),
        num_threads=last_layer_setting("training/num_threads"),
        device=last_layer_setting("training/device"),
        caption=tables_caption("time_backward"),
        code=code("training.time_backward", named=backbone(last_layer_setting("model/architecture"))),
    shell:
        r"""
        python -m triptych time-backward \
            --architecture {params.architecture:q} \
            --input-size {params.input_size} \
            --batch-size {params.batch_size} \
            --learning-rate {params.learning_rate} \
            --num-threads {params.num_threads} \
            --device {params.device} \
            --jobs-per-gpu 1 \
            --train-data {input.train_data:q} \
            --output {output.cost_backward:q} \
            2>&1 | tee {log:q}
        """
