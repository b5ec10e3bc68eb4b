# Networks before training.
# Needs: <results>/{experiment}/data/train.safetensors.
# Makes: <resources>/weights/, weights/{architecture}.safetensors (of torchvision), models/{architecture}_{input_size}/ (what the network is),
#        tables/architectures.csv and largest_batch.csv (beside other networks), and with `keep_weights: all` the initial weights of runs.


rule download_weights:
    """Download a file of pretrained weights; an existing one is only checked."""
    output:
        # no checksum here, because torchvision publishes only its first digits for most files; the command compares them
        state_dict=update(ensure("<resources>/weights/{file}", non_empty=True)),
    log:
        "<logs>/download_weights/{file}.log",
    benchmark:
        "<benchmarks>/download_weights/{file}.tsv"
    localrule: True  # nodes of a cluster often have no network
    conda:
        "../../envs/downloads.yaml"
    threads: 1
    resources:
        mem_mb=500,
        runtime=120,
    params:
        # no digest of the code, because the checksum identifies the file
        urls=graph.download_urls,
        sha256=graph.download_sha256,
        size=graph.download_option("--size", "size"),
        path=graph.download_option("--path", "path"),
    shell:
        r"""
        python -m triptych download-weights \
            --urls {params.urls:q} \
            --sha256 {params.sha256} \
            {params.size} \
            {params.path} \
            --state-dict {output.state_dict:q} \
            >{log:q} 2>&1
        """


rule convert_weights:
    """Check the downloaded weights and convert them to the format of all other commands."""
    input:
        state_dict=graph.downloaded_weights,
    output:
        weights="<results>/{experiment}/weights/{architecture}.safetensors",
    log:
        "<logs>/convert_weights/{experiment}/{architecture}.log",
    benchmark:
        "<benchmarks>/convert_weights/{experiment}/{architecture}.tsv"
    wildcard_constraints:
        experiment=graph.with_weights_from("torchvision"),
    conda:
        "../../envs/torch.yaml"
    threads: 1
    resources:
        mem_mb=4000,
        runtime=10,
    params:
        sha256=graph.of_weights("sha256"),
        code=code("models.convert_weights", named=backbone(lambda wildcards: wildcards.architecture)),
    shell:
        r"""
        python -m triptych convert-weights \
            --architecture {wildcards.architecture:q} \
            --sha256 {params.sha256} \
            --state-dict {input.state_dict:q} \
            --weights {output.weights:q} \
            >{log:q} 2>&1
        """


rule describe_model:
    """Describe every layer of a network: shape, parameters, operations and memory."""
    input:
        train_data="<results>/{experiment}/data/train.safetensors",
    output:
        layers="<results>/{experiment}/models/{architecture}_{input_size}/layers.csv",
        printout="<results>/{experiment}/models/{architecture}_{input_size}/printout.txt",
        totals="<results>/{experiment}/models/{architecture}_{input_size}/totals.json",
        memory="<results>/{experiment}/models/{architecture}_{input_size}/memory.csv",
    log:
        "<logs>/describe_model/{experiment}/{architecture}_{input_size}.log",
    benchmark:
        "<benchmarks>/describe_model/{experiment}/{architecture}_{input_size}.tsv"
    conda:
        "../../envs/torch.yaml"
    threads: 1
    resources:
        mem_mb=4000,
        runtime=10,
    params:
        code=code("models.describe_model", named=backbone(lambda wildcards: wildcards.architecture)),
    shell:
        r"""
        python -m triptych describe-model \
            --architecture {wildcards.architecture:q} \
            --input-size {wildcards.input_size} \
            --train-data {input.train_data:q} \
            --layers {output.layers:q} \
            --printout {output.printout:q} \
            --totals {output.totals:q} \
            --memory {output.memory:q} \
            >{log:q} 2>&1
        """


rule initialise_model:
    """The weights with which a run began, computed anew; only with `keep_weights: all`."""
    input:
        trained="<results>/{experiment}/runs/{arm}/{run}/trained.safetensors",
        pretrained=graph.pretrained_weights,
    output:
        initial="<results>/{experiment}/runs/{arm}/{run}/initial.safetensors",
    log:
        "<logs>/initialise_model/{experiment}/{arm}/{run}.log",
    benchmark:
        "<benchmarks>/initialise_model/{experiment}/{arm}/{run}.tsv"
    conda:
        "../../envs/torch.yaml"
    threads: 1
    resources:
        mem_mb=double_on_retry(4000),
        runtime=10,
    params:
        pretrained=lambda wildcards, input: option("--pretrained", input.pretrained),
        code=code("models.initialise_model", named=backbone(graph.arm_setting("model/architecture"))),
    shell:
        r"""
        python -m triptych initialise-model \
            --trained {input.trained:q} \
            {params.pretrained} \
            --initial {output.initial:q} \
            >{log:q} 2>&1
        """


rule compare_architectures:
    """Compare the networks with reference networks: parameters, operations, memory, the largest batch that fits."""
    input:
        sizes="<results>/{experiment}/data/sizes.csv",
    output:
        **tables_of("compare_architectures"),
    log:
        "<logs>/compare_architectures/{experiment}.log",
    benchmark:
        "<benchmarks>/compare_architectures/{experiment}.tsv"
    conda:
        "../../envs/torch.yaml"
    threads: 1
    resources:
        mem_mb=4000,
        runtime=10,
    params:
        networks=graph.networks_json,
        caption=tables_caption("compare_architectures"),
        code=code("models.compare_architectures", named=graph.of_experiment(modules_of_networks)),
    shell:
        r"""
        python -m triptych compare-architectures \
            --networks {params.networks:q} \
            --sizes {input.sizes:q} \
            --architectures {output.architectures:q} \
            --largest-batch {output.largest_batch:q} \
            >{log:q} 2>&1
        """
