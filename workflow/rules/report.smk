# The report, the effective configuration, the manifest, and the report about image files of the user's.
# Needs: everything above. Makes: config.yaml, report.html, manifest.json, data/report.html.


report: "../report/workflow.rst"


rule write_configuration:
    """Write the effective configuration of an experiment, with all defaults, for the report and the manifest."""
    output:
        configuration="<results>/{experiment}/config.yaml",
    log:
        "<logs>/write_configuration/{experiment}.log",
    benchmark:
        "<benchmarks>/write_configuration/{experiment}.tsv"
    conda:
        "../../envs/report.yaml"
    threads: 1
    resources:
        mem_mb=500,
        runtime=5,
    params:
        # not sorted: the order of the arms is the order in every table and figure
        configuration=graph.of_experiment(json.dumps),
        code=code("report.write_configuration", named=graph.of_experiment(modules_of_section)),
    shell:
        r"""
        python -m triptych write-configuration \
            --experiment {wildcards.experiment:q} \
            --configuration {params.configuration:q} \
            --output {output.configuration:q} \
            >{log:q} 2>&1
        """


# Data files of the reports, for the digests of their code.
REPORT_FILES = [
    "report/report.html.jinja",
    "report/report.css",
    "configuration/training.py",
    "results/schema.py",
]
DATA_REPORT_FILES = ["report/report.html.jinja", "report/report.css", "report/report_data.html.jinja"]


rule report_data:
    """Write the data report: what the user's image files are, and what is wrong with them."""

    # Nothing waits for it, since new words in it must not rerun a training. It comes before jobs that may fail over the
    # files, so that it is there to be read.
    input:
        images="<results>/{experiment}/data/images.csv",
        problems="<results>/{experiment}/data/problems.csv",
        ignored="<results>/{experiment}/data/ignored.csv",
        pairs="<results>/{experiment}/data/pairs.csv",
        duplicates="<results>/{experiment}/data/duplicates.json",
    output:
        report="<results>/{experiment}/data/report.html",
    log:
        "<logs>/report_data/{experiment}.log",
    benchmark:
        "<benchmarks>/report_data/{experiment}.tsv"
    wildcard_constraints:
        experiment=one_of(graph.with_image_files),
    priority: 1
    conda:
        "../../envs/report.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=60,
        cache=image_cache,
    params:
        dataset=graph.of_experiment(dataset_json),
        show=graph.experiment_setting("report/images"),
        # not a parameter that reruns it, since the function takes `output`
        openings=lambda wildcards, output: folder_of_openings(wildcards),
        code=code("report.report_data", *DATA_REPORT_FILES, named=graph.of_experiment(modules_of_source)),
    shell:
        r"""
        python -m triptych report-data \
            --experiment {wildcards.experiment:q} \
            --dataset {params.dataset:q} \
            --images {input.images:q} \
            --problems {input.problems:q} \
            --ignored {input.ignored:q} \
            --pairs {input.pairs:q} \
            --duplicates {input.duplicates:q} \
            --cache {resources.cache:q} \
            --openings {params.openings:q} \
            --show {params.show} \
            --report {output.report:q} \
            >{log:q} 2>&1
        """


rule report:
    """Write the report of an experiment: one file with all figures."""

    # In partial/ it covers the finished runs; only outdated ones are retrained for it.
    input:
        configuration="<results>/{experiment}/config.yaml",
        decision="<results>/{experiment}/{part}decision.json",
        opened=graph.opened_of_experiment,
        tables=graph.tables_of_experiment,
        figures=graph.figures_of,
        data=multiext(
            "<results>/{experiment}/data/",
            "train.safetensors",
            "validation.safetensors",
            "test.safetensors",
            "index.csv",
            "sizes.csv",
            "left_out.csv",
            "leaks.csv",
        ),
        weights=graph.pretrained_of_experiment,
        models=graph.of_models("<results>/{experiment}/models/{architecture}_{input_size}/printout.txt"),
    output:
        report="<results>/{experiment}/{part}report.html",
    log:
        "<logs>/report/{part}{experiment}.log",
    benchmark:
        "<benchmarks>/report/{part}{experiment}.tsv"
    conda:
        "../../envs/report.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=10,
    params:
        experiment_folder=subpath(input.configuration, parent=True),
        missing=graph.missing_option,
        code=code("report.report", *REPORT_FILES, named=graph.of_experiment(modules_of_report)),
    shell:
        r"""
        python -m triptych report \
            --experiment {wildcards.experiment:q} \
            --experiment-folder {params.experiment_folder:q} \
            {params.missing} \
            --output {output.report:q} \
            >{log:q} 2>&1
        """


rule write_manifest:
    """Write the checksums of all files of an experiment, and what its results depend on."""
    input:
        report="<results>/{experiment}/report.html",
        data_report=graph.of_check("report.html"),
        runs=graph.of_runs(f"{RUN}/kernels.safetensors"),
        weights=graph.weights_that_are_kept,
        model=chosen_model,
    output:
        manifest="<results>/{experiment}/manifest.json",
    log:
        "<logs>/write_manifest/{experiment}.log",
    benchmark:
        "<benchmarks>/write_manifest/{experiment}.tsv"
    conda:
        "../../envs/report.yaml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        experiment_folder=subpath(output.manifest, parent=True),
        keep_weights=settings["keep_weights"],
        trunks=lambda wildcards: as_json(list(trunks(graph.experiments[wildcards.experiment]["arms"]))),
        code=code("report.write_manifest", "results/schema.py", named=graph.of_experiment(modules_of_report)),
    shell:
        r"""
        python -m triptych write-manifest \
            --experiment-folder {params.experiment_folder:q} \
            --keep-weights {params.keep_weights} \
            --trunks {params.trunks:q} \
            --output {output.manifest:q} \
            >{log:q} 2>&1
        """
