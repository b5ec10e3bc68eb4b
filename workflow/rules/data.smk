# Data sets.
# Needs: network access, once, for data sets that are downloaded (digits and letters are in installed packages); image files
# of the user's, which are only read.
# Makes: <resources>/datasets/, <results>/{experiment}/data/, and the source data set of the pretraining. What is decoded is
# also in <resources>/images/, which may be deleted at any time.


rule download_dataset:
    """Download the archive of a data set; an existing one is only checked."""
    output:
        archive=update(ensure("<resources>/datasets/{file}", sha256=graph.download_sha256)),
    log:
        "<logs>/download_dataset/{file}.log",
    benchmark:
        "<benchmarks>/download_dataset/{file}.tsv"
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
        python -m triptych download-dataset \
            --urls {params.urls:q} \
            --sha256 {params.sha256} \
            {params.size} \
            {params.path} \
            --archive {output.archive:q} \
            >{log:q} 2>&1
        """


rule check_data:
    """Decode every image file of the user's and list what is wrong; it succeeds whatever it finds."""

    # Snakemake cannot know a folder by its content, so the digest of its files is a parameter. Where the folder is does not
    # affect results: a changed resource reruns nothing.
    output:
        **tables_of("check_data"),
        listing="<results>/{experiment}/data/listing.json",
    log:
        "<logs>/check_data/{experiment}.log",
    benchmark:
        "<benchmarks>/check_data/{experiment}.tsv"
    wildcard_constraints:
        experiment=one_of(graph.with_image_files),
    priority: 2  # before downloads: a user hears of the files first
    conda:
        "../../envs/data.yaml"
    threads: all_cores
    resources:
        mem_mb=of_decoders(1000, 500),
        runtime=720,
        path=graph.experiment_setting("dataset/path"),
        cache=image_cache,
    params:
        dataset=graph.of_experiment(checking_json),
        asked=asked_digest,
        code=code("data.check_data", named=graph.of_experiment(modules_of_source)),
    shell:
        r"""
        python -m triptych check-data \
            --dataset {params.dataset:q} \
            --path {resources.path:q} \
            --asked {params.asked} \
            --cache {resources.cache:q} \
            --num-threads {threads} \
            --listing {output.listing:q} \
            --images {output.images:q} \
            --problems {output.problems:q} \
            --ignored {output.ignored:q} \
            >{log:q} 2>&1
        """


rule find_duplicates:
    """Find images that are the same picture or nearly so, and decide which ones a drawn split keeps together."""
    input:
        images="<results>/{experiment}/data/images.csv",
    output:
        **tables_of("find_duplicates"),
        duplicates="<results>/{experiment}/data/duplicates.json",
    log:
        "<logs>/find_duplicates/{experiment}.log",
    benchmark:
        "<benchmarks>/find_duplicates/{experiment}.tsv"
    wildcard_constraints:
        experiment=one_of(graph.with_image_files),
    priority: 1
    conda:
        "../../envs/data.yaml"
    threads: 2
    resources:
        mem_mb=of_decoders(2000, 500),
        runtime=120,
        path=graph.experiment_setting("dataset/path"),
        cache=image_cache,
    params:
        dataset=graph.of_experiment(checking_json),
        near_duplicates=graph.experiment_setting("dataset/near_duplicates"),
        code=code("data.find_duplicates", named=graph.of_experiment(modules_of_source)),
    shell:
        r"""
        python -m triptych find-duplicates \
            --dataset {params.dataset:q} \
            --near-duplicates {params.near_duplicates} \
            --images {input.images:q} \
            --cache {resources.cache:q} \
            --path {resources.path:q} \
            --num-threads {threads} \
            --pairs {output.pairs:q} \
            --duplicates {output.duplicates:q} \
            >{log:q} 2>&1
        """


rule prepare_dataset:
    """Split the images of an experiment into training, validation and test sets, and check their sizes."""
    input:
        files=graph.dataset_files,
        images=graph.of_check("images.csv"),
        problems=graph.of_check("problems.csv"),
        pairs=graph.of_check("pairs.csv"),
        duplicates=graph.of_check("duplicates.json"),
    output:
        **tables_of("prepare_dataset"),
        train="<results>/{experiment}/data/train.safetensors",
        validation="<results>/{experiment}/data/validation.safetensors",
        test="<results>/{experiment}/data/test.safetensors",
    log:
        "<logs>/prepare_dataset/{experiment}.log",
    benchmark:
        "<benchmarks>/prepare_dataset/{experiment}.tsv"
    conda:
        "../../envs/data.yaml"
    threads: graph.of_image_files(all_cores, otherwise=1)
    resources:
        mem_mb=of_decoders(1500, 500),
        runtime=graph.of_image_files(lambda wildcards: 720, otherwise=10),
        path=graph.of_image_files(graph.experiment_setting("dataset/path")),
        cache=graph.of_image_files(image_cache),
    params:
        dataset=graph.of_experiment(dataset_json),
        files=lambda wildcards, input: each("--files", input.files),
        checked=options_of_check,
        caption=tables_caption("prepare_dataset"),
        code=code("data.prepare_dataset", named=graph.of_experiment(modules_of_source)),
    shell:
        r"""
        python -m triptych prepare-dataset \
            --dataset {params.dataset:q} \
            {params.files} \
            {params.checked} \
            --train {output.train:q} \
            --validation {output.validation:q} \
            --test {output.test:q} \
            --index {output.index:q} \
            --sizes {output.sizes:q} \
            --left-out {output.left_out:q} \
            --leaks {output.leaks:q} \
            >{log:q} 2>&1
        """


rule assign_folds:
    """Deal the training images to folds, for experiments with `dataset.folds`."""
    input:
        images="<results>/{experiment}/data/images.csv",
        pairs="<results>/{experiment}/data/pairs.csv",
        index="<results>/{experiment}/data/index.csv",
    output:
        folds="<results>/{experiment}/data/folds.safetensors",
    log:
        "<logs>/assign_folds/{experiment}.log",
    benchmark:
        "<benchmarks>/assign_folds/{experiment}.tsv"
    wildcard_constraints:
        experiment=one_of(graph.with_folds),
    conda:
        "../../envs/data.yaml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        dataset=graph.of_experiment(dataset_json),
        code=code("data.assign_folds", named=graph.of_experiment(modules_of_source)),
    shell:
        r"""
        python -m triptych assign-folds \
            --dataset {params.dataset:q} \
            --images {input.images:q} \
            --pairs {input.pairs:q} \
            --index {input.index:q} \
            --folds {output.folds:q} \
            >{log:q} 2>&1
        """


rule prepare_letters:
    """Render the letters A to Z, on which the default experiment pretrains its weights."""
    output:
        train=not_of_model("<results>/{experiment}/weights/letters/train.safetensors"),
        validation=not_of_model("<results>/{experiment}/weights/letters/validation.safetensors"),
    log:
        "<logs>/prepare_letters/{experiment}.log",
    benchmark:
        "<benchmarks>/prepare_letters/{experiment}.tsv"
    wildcard_constraints:
        experiment=graph.with_weights_from("letters"),
    conda:
        "../../envs/figures.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=10,
    params:
        image_size=graph.experiment_setting("model/input_size"),
        train_images=graph.experiment_setting("weights/train_images"),
        validation_images=graph.experiment_setting("weights/validation_images"),
        seed=graph.experiment_setting("weights/seed"),
        code=code("data.prepare_letters"),
    shell:
        r"""
        python -m triptych prepare-letters \
            --image-size {params.image_size} \
            --train-images {params.train_images} \
            --validation-images {params.validation_images} \
            --seed {params.seed} \
            --train {output.train:q} \
            --validation {output.validation:q} \
            >{log:q} 2>&1
        """
