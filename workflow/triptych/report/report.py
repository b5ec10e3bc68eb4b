"""The report of an experiment: one HTML file that needs nothing beside it."""

import base64
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jinja2
import yaml

from triptych.errors import InputError
from triptych.figures.style import arm_styles
from triptych.files import write_text
from triptych.report import content, provenance, story
from triptych.report import formatting as words
from triptych.report.results import TABLES, Results, read_results, read_table

TEMPLATE = "report.html.jinja"
LARGEST = 5_000_000
"""Most bytes of the report."""

TABLE_CONTENTS = {
    "arms": "everything in effect for every arm",
    "history": "losses and accuracies by arm, seed and epoch",
    "runs": "the end of every run, with the interval of its test accuracy over images",
    "summary": "every arm, mean and interval over seeds",
    "comparisons": "every pair of arms: difference, interval, p-value, verdict",
    "per_class": "recall and precision by arm, seed and class",
    "confusion": "how often each class is taken for each, by arm",
    "weight_delta": "what training changed, by arm, seed and tensor",
    "kernel_change": "brightness and colour in the change of the first convolution, by arm and seed",
    "layers": "every layer of every network",
    "models": "the networks: parameters, operations, bytes",
    "memory": "computed memory by arm and batch size",
    "cost": "measured time, speed and memory of every run",
}


@dataclass(frozen=True)
class Picture:
    """A figure: what it shows (also its text for those who do not see it), what to see in it, and its image."""

    title: str
    text: str
    source: str


def report(*, experiment: str, experiment_folder: Path, output: Path) -> None:
    """Write the report of an experiment as one self-contained HTML file.

    Reads config.yaml, tables/, figures/*.svg, data/, weights/ and models/ of `experiment_folder`. Nothing in the file is
    fetched from anywhere; only the links to the tables lead out of it.

    Raises:
        InputError: a file is missing or not what it should be, or the report would be larger than 5 MB.
    """
    page = render(experiment, read_results(experiment_folder))
    size = len(page.encode())
    if size > LARGEST:
        raise InputError(
            f"{output}: the report would have {words.size(size)}, more than {words.size(LARGEST)}; "
            f"its figures ({experiment_folder / 'figures'}) are too large to be put into it"
        )
    write_text(output, page)
    print(f"wrote {output} ({words.size(size)})", flush=True)


def render(experiment: str, results: Results) -> str:
    """The HTML of the report."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.globals.update(words=words)
    colours = {name: style.colour for name, style in arm_styles(results.tables["arms"]).items()}
    arms = content.arm_names(results, colours)
    return environment.get_template(TEMPLATE).render(
        experiment=experiment,
        results=results,
        configuration=results.configuration,
        arms=arms,
        story=story,
        answer=answer(results),
        tables=shown_tables(results, arms),
        pictures=pictures(results, arms),
        downloads={f"tables/{name}.csv": TABLE_CONTENTS[name] for name in TABLES},
        data=about_data(results),
        weights=about_weights(results),
        machine=provenance.machine(),
        devices=sorted(set(zip(results.tables["cost"]["device"], results.tables["cost"]["device_name"], strict=True))),
        code=provenance.package_digest(),
        settings=yaml.safe_dump(results.configuration, sort_keys=False, allow_unicode=True, width=100),
    )


def answer(results: Results) -> list[str]:
    """What stands under the question: the answer first, then what it needs to be understood."""
    sentences = [story.headline(results), story.others_in_short(results), story.first_epoch(results)]
    sentences += [story.about_seeds(results), story.about_controls(results)]
    return [sentence for sentence in sentences if sentence]


def shown_tables(results: Results, arms: dict[str, content.ArmName]) -> dict[str, content.Table]:
    """Every table of the page by its place in the template."""
    return {
        "summary": content.summary(results, arms),
        "comparisons": content.comparisons(results),
        "weights": content.weights(results, arms),
        "per_class": content.per_class(results, arms),
        "networks": content.networks(results),
        "memory": content.memory(results, arms),
        "cost": content.cost(results, arms),
        "layers": content.layers(results),
        "sizes": content.sizes(results),
        "recipe": content.recipe(results, arms),
        "versions": content.versions(provenance.package_versions()),
        "checksums": content.checksums(inputs(results.folder)),
    }


def pictures(results: Results, arms: dict[str, content.ArmName]) -> dict[str, Picture]:
    """Every figure of the page by the name of its file."""

    def picture(name: str, title: str, text: str) -> Picture:
        return Picture(title, text, data_uri(results.folder / "figures" / f"{name}.svg"))

    found = {
        name: picture(name, title, text)
        for name, title, text in (
            ("samples", "Training images with their labels", "What the networks are trained on, a few images of each class."),
            ("test_accuracy", "Test accuracy of all arms by epoch", story.test_accuracy_curves(results)),
            ("train_loss", "Train loss of all arms by epoch", story.train_loss_curves(results)),
            ("test_loss", "Test loss of all arms by epoch", story.test_loss_curves(results)),
            ("relative_change", "Relative change of the weights by layer and arm", story.relative_change(results)),
            ("cost_accuracy", "Test accuracy against the time of a run", story.cost(results)),
            ("memory", "Memory against batch size", story.memory(results)),
        )
    }
    for arm, name in arms.items():
        found[f"loss_{arm}"] = picture(f"loss_{arm}", f"{name.title}: loss by epoch", story.arm_loss(results, arm))
        found[f"accuracy_{arm}"] = picture(
            f"accuracy_{arm}", f"{name.title}: accuracy by epoch", story.arm_accuracy(results, arm)
        )
        found[f"kernels_{arm}"] = picture(
            f"kernels_{arm}", f"{name.title}: kernels before, after, and their difference", story.kernels(results, arm)
        )
        found[f"confusion_{arm}"] = picture(
            f"confusion_{arm}", f"{name.title}: what it takes for what", story.confusion(results, arm)
        )
    return found


def data_uri(path: Path) -> str:
    """An SVG file as the address of an image that holds it.

    Raises:
        InputError: there is no such file.
    """
    try:
        return f"data:image/svg+xml;base64,{base64.b64encode(path.read_bytes()).decode()}"
    except FileNotFoundError:
        raise InputError(f"{path}: the figure is missing") from None


def inputs(folder: Path) -> dict[str, dict[str, Any]]:
    """The records of the files that every run reads: the data, and the pretrained weights where there are any."""
    files = [*sorted((folder / "data").glob("*.safetensors")), folder / "data" / "index.csv"]
    files += sorted((folder / "weights").glob("*.safetensors"))
    return {path.relative_to(folder).as_posix(): provenance.file_record(path) for path in files if path.is_file()}


def about_data(results: Results) -> str:
    """How many images of what there are."""
    sizes = results.sizes
    parts = [
        f"{words.count(images)} for {purpose}"
        for split, purpose in (("train", "training"), ("validation", "validation"), ("test", "testing"))
        if (images := sizes.loc[sizes["split"] == split, "images"].sum())
    ]
    return (
        f"{words.plural(sizes['images'].sum(), 'image')} of {words.plural(sizes['class'].nunique(), 'class', 'classes')} from "
        f"{results.configuration['dataset']['source']}: {words.listing(parts)}."
    )


def about_weights(results: Results) -> list[str]:
    """Where pretrained weights come from, one sentence a network; empty where no arm uses them."""
    arms = results.arms
    sentences = []
    for architecture in dict.fromkeys(arms.loc[arms["weights"] == "pretrained", "architecture"]):
        source = results.configuration["weights"]["source"]
        history = results.folder / "weights" / f"{architecture}_history.csv"
        sentence = f"The pretrained {architecture} comes from {source}"
        if history.is_file():
            end = read_table(history, ["epoch", "test_accuracy"]).iloc[-1]
            sentence += (
                f": trained there for {words.plural(end['epoch'], 'epoch')}, it gets {words.percent(end['test_accuracy'])} of its "
                "held-out images right"
            )
        sentences.append(f"{sentence}.")
    return sentences
