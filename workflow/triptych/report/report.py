"""The report of an experiment: one HTML file that needs nothing beside it."""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import quote

import jinja2
import yaml
from markupsafe import Markup

from triptych.configuration.claims import NONE
from triptych.report import complexity, content, drift, lecture, partial, provenance, story
from triptych.report import formatting as words
from triptych.report.results import Results, read_numbers, read_results
from triptych.results import schema
from triptych.results.arm_styles import arm_styles
from triptych.storage.errors import InputError
from triptych.storage.files import read_text, write_text
from triptych.wings import figures_with, tables_with

TEMPLATE = "report.html.jinja"
LARGEST = 20_000_000
"""Most bytes of the report. With 20 arms of 20 seeds all figures find room; benchmarks/scale.md says how much."""

LINK_LENGTH = 500
"""More bytes than the line that stands in the place of an image that was left out."""

FILE_NAME = r"[^./][^/]*"
"""A pattern of the name of a file that is not hidden, as temporary files are."""

TEXTS: dict[str, Callable[[Results], str]] = {
    "test_accuracy": story.test_accuracy_curves,
    "train_loss": story.train_loss_curves,
    "test_loss": story.test_loss_curves,
    "relative_change": story.relative_change,
    "batchnorm_drift": drift.batchnorm_drift,
    "cost_accuracy": story.cost,
    "memory": story.memory,
}
TEXTS_OF_ARMS: dict[str, Callable[[Results, str], str]] = {
    "accuracy": story.arm_accuracy,
    "loss": story.arm_loss,
    "confusion": story.confusion,
    "kernels": story.kernels,
}
"""What to see in a figure, by its name. A figure that is in neither has its caption."""


@dataclass(frozen=True)
class Picture:
    """A figure: what it shows (also its text for those who do not see it), what to see in it, and its image.

    `source` is the address that holds the image; it is empty where the image had to be left out, and `file` is linked.
    """

    title: str
    text: str
    file: str
    source: str


def report(*, experiment: str, experiment_folder: Path, missing: str | None = None, output: Path) -> None:
    """Write the report of an experiment as one self-contained HTML file.

    Reads config.yaml, data/, weights/ and models/ of `experiment_folder`, and tables/ and figures/*.svg beside
    `output`. Nothing in the file is fetched from anywhere; only the links to the tables lead out of it.

    Args:
        missing: makes it a partial report, in a folder inside `experiment_folder`: JSON, the seeds of the runs that are
            missing by arm.

    Raises:
        InputError: a file is missing or not what it should be, or the report would be larger than LARGEST.
    """
    lacks = None if missing is None else json.loads(missing)
    results = read_results(experiment_folder, output.parent, lacks)
    colours = {name: style.colour for name, style in arm_styles(results.tables["arms"]).items()}
    arms = content.arm_names(results, colours)
    claimed = lecture.read_lecture(results)
    shown = pictures(results, arms, claimed)
    page = render(experiment, results, arms, shown, claimed)
    excess = len(page.encode()) - LARGEST
    if excess > 0:
        shown = without(shown, excess)
        page = render(experiment, results, arms, shown, claimed)
    size = len(page.encode())
    if size > LARGEST:
        raise InputError(
            f"{output}: the report would have {words.size(size)} even without its figures; at most "
            f"{words.size(LARGEST)} are allowed. Divide the arms into several experiments"
        )
    write_text(output, page)
    left_out = [name for name, picture in shown.items() if not picture.source]
    print(f"wrote {output} ({words.size(size)})", flush=True)
    if left_out:
        print(f"too large to be put into it, and linked instead: {', '.join(left_out)}", flush=True)


def without(shown: dict[str, Picture], excess: int) -> dict[str, Picture]:
    """The pictures without the images that matter least, until at least `excess` bytes are saved."""
    kept = dict(shown)
    for name in reversed(shown):
        saved = len(shown[name].source) - LINK_LENGTH
        if excess > 0 and saved > 0:
            kept[name] = replace(shown[name], source="")
            excess -= saved
    return kept


def render(
    experiment: str,
    results: Results,
    arms: dict[str, content.ArmName],
    shown: dict[str, Picture],
    claimed: lecture.Lecture | None,
) -> str:
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
    return environment.get_template(TEMPLATE).render(
        experiment=experiment,
        results=results,
        configuration=results.configuration,
        arms=arms,
        story=story,
        complexity=complexity,
        partial=partial,
        lecture=lecture,
        claimed=claimed,
        answer=answer(results),
        verdicts=verdicts(results),
        tables={**shown_tables(results, arms), **lecture.tables(claimed)},
        pictures=shown,
        downloads={
            results.link(table.file): table.title for table in tables_with(claims_of(results, claimed)).values()
        },
        data=about_data(results),
        weights=about_weights(results),
        machine=provenance.machine(),
        devices=sorted(set(zip(results.tables["cost"]["device"], results.tables["cost"]["device_name"], strict=True))),
        code=provenance.package_digest(),
        settings=yaml.safe_dump(results.configuration, sort_keys=False, allow_unicode=True, width=100),
    )


def claims_of(results: Results, claimed: lecture.Lecture | None) -> str:
    """The claims that the report tells of."""
    return NONE if claimed is None else str(results.configuration["claims"])


MOST_PAIRS = 15
"""More pairs of arms than these are folded, but for those of the best arm."""


def verdicts(results: Results) -> dict[str, list[str]]:
    """A sentence for each pair of arms: those that are `shown`, and where there are many the others, `folded`."""
    best = results.contestants[0]
    rows = [row for _, row in results.tables["comparisons"].iterrows()]
    foremost = [row for row in rows if len(rows) <= MOST_PAIRS or best in (row["arm_a"], row["arm_b"])]
    others = [row for row in rows if not any(row is shown for shown in foremost)]
    return {
        "shown": [story.comparison(results, row) for row in foremost],
        "folded": [story.comparison(results, row) for row in others],
    }


def answer(results: Results) -> list[str]:
    """What stands under the question: the answer first, then what it needs to be understood."""
    sentences = [story.headline(results), story.others_in_short(results), story.first_epoch(results)]
    sentences += [story.about_seeds(results), story.about_controls(results)]
    return [sentence for sentence in sentences if sentence]


def shown_tables(results: Results, arms: dict[str, content.ArmName]) -> dict[str, content.Table]:
    """Every table of the page by its place in the template."""
    return {
        **({} if results.missing is None else {"missing": partial.table(results)}),
        "summary": content.summary(results, arms),
        "comparisons": content.comparisons(results),
        "weights": content.weights(results, arms),
        "per_class": content.per_class(results, arms),
        "networks": content.networks(results),
        "memory": content.memory(results, arms),
        "architectures": complexity.architectures(results),
        "largest_batch": complexity.largest_batch(results),
        "cost": complexity.with_prediction(content.cost(results, arms), results),
        "layers": content.layers(results),
        "sizes": content.sizes(results),
        "recipe": content.recipe(results, arms),
        "versions": content.versions(provenance.package_versions()),
        "checksums": content.checksums(inputs(results.folder, results.configuration), results.missing is None),
    }


def pictures(results: Results, arms: dict[str, content.ArmName], claimed: lecture.Lecture | None) -> dict[str, Picture]:
    """Every figure of the page by the name of its file, the most important first."""
    found = {}
    references = not complexity.references(results).empty
    for figure in figures_with(claims_of(results, claimed), references=references):
        titles = {figure.name: figure.title}
        texts = {figure.name: TEXTS[figure.name](results) if figure.name in TEXTS else figure.caption}
        if figure.of_each_arm:
            names = dict(zip(figure.names(content.in_order(results)), content.in_order(results), strict=True))
            tell = TEXTS_OF_ARMS.get(figure.name)
            titles = {name: f"{arms[arm].title}: {figure.title}" for name, arm in names.items()}
            texts = {name: tell(results, arm) if tell else figure.caption for name, arm in names.items()}
        for name, title in titles.items():
            file = results.link(f"figures/{name}.svg")
            found[name] = Picture(title, texts[name], file, data_uri(results.place / file))
    return found


def data_uri(path: Path) -> Markup:
    """An SVG file as the address of an image that holds it, for an attribute in double quotation marks.

    The text is kept as it is, but for what an address cannot hold: in base64 it would be a third longer, and so
    would the pictures inside it, which are in base64 already.

    Raises:
        InputError: there is no such file, or it is not SVG.
    """
    try:
        svg = read_text(path)
    except InputError:
        raise InputError(f"{path}: the figure is missing, or not an SVG file") from None
    _, tag, drawing = svg.partition("<svg")
    if not tag:
        raise InputError(f"{path}: not an SVG file")
    svg = tag + drawing
    for pattern, kept in ((r"<!--.*?-->|<metadata>.*?</metadata>", ""), (r"\s+", " "), (r"> <", "><")):
        svg = re.sub(pattern, kept, svg, flags=re.DOTALL)
    if "'" not in svg:
        svg = svg.replace('"', "'")
    # quote() alone looks up every single character, which takes seconds with a hundred figures
    return Markup(
        "data:image/svg+xml,"
        + re.sub(r"[^\w '/:;,()=+@!*?.~{}\[\]|^`$-]+", lambda part: quote(part[0]), svg.strip(), flags=re.ASCII)
    )


def inputs(folder: Path, configuration: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """The records of the files that every run reads: the data, and the pretrained weights where an arm uses them."""
    read = re.compile(r"(data|weights)/[^/]*\.safetensors|data/index\.csv")
    places = [place for place in files_at(folder, input_places(configuration)) if read.fullmatch(place)]
    return {place: provenance.file_record(folder / place) for place in places}


def input_places(configuration: dict[str, Any]) -> list[str]:
    """Patterns of the places, below an experiment's folder, of its data and of the pretrained weights that arms use."""
    places = [rf"data/{FILE_NAME}\.(safetensors|csv)"]
    arms = configuration["arms"].values()
    pretrained = {arm["model"]["architecture"] for arm in arms if arm["weights"] == "pretrained"}
    if pretrained:
        places.append(rf"weights/{one_of(pretrained)}(\.safetensors|_history\.csv)")
        if configuration["weights"]["source"] == "letters":
            places.append(r"weights/letters/(train|test)\.safetensors")
    return places


def files_at(folder: Path, places: list[str]) -> list[str]:
    """The files below a folder whose places match one of the patterns, sorted, with `/` between the parts."""
    known = re.compile("|".join(places))
    found = (path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    return sorted(place for place in found if known.fullmatch(place))


def one_of(names: Any) -> str:
    """A pattern that matches these names and nothing else."""
    return f"({'|'.join(sorted({re.escape(str(name)) for name in names}))})"


def about_data(results: Results) -> str:
    """How many images of what there are."""
    sizes = results.sizes
    parts = [
        f"{words.count(images)} for {purpose}"
        for split, purpose in (("train", "training"), ("validation", "validation"), ("test", "testing"))
        if (images := sizes.loc[sizes["split"] == split, "images"].sum())
    ]
    return (
        f"{words.plural(sizes['images'].sum(), 'image')} of "
        f"{words.plural(sizes['class'].nunique(), 'class', 'classes')} from "
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
            end = read_numbers(history, schema.WEIGHTS_HISTORY, ["epoch", "test_accuracy"]).iloc[-1]
            sentence += (
                f": trained there for {words.plural(end['epoch'], 'epoch')}, it gets "
                f"{words.percent(end['test_accuracy'])} of its held-out images right"
            )
        sentences.append(f"{sentence}.")
    return sentences
