"""The last lines of a run: the answer in a sentence, accuracies with their intervals, the paths of report and model."""

from pathlib import Path

from triptych.report import formatting as words
from triptych.report.sections import leaks
from triptych.report.sections.answer import interval_of
from triptych.report.sections.decision import chosen_arm, deciding_split
from triptych.report.sections.headline import headline
from triptych.results.experiment import Results, read_results

PARTIAL = "partial"


def last_words(experiment_folder: Path, part: str | None = None) -> list[str]:
    """Return what there is to say of an experiment, a line each; never what its report does not say.

    Args:
        experiment_folder: such as `results/digits`.
        part: `partial` for the partial report, empty for the whole; by default the whole one if it is there.

    Raises:
        InputError: a file of the results is missing or is not what it should be.
    """
    folder = Path(experiment_folder)
    if part is None:
        part = PARTIAL if not (folder / "report.html").is_file() and (folder / PARTIAL).is_dir() else ""
    report = folder / part / "report.html"
    if not report.is_file():
        return [f"{folder.name}: no report yet."]
    results = read_results(folder, folder / part, {} if part else None)  # which runs are missing is not told
    model = folder / "model"
    has_model = not part and model.is_dir() and _taken(results) is not None
    answer, *arms = lines_of(results)
    return [f"{folder.name}: {answer}", *arms, f"Report: {report}", *[f"Model: {model}"] * has_model]


def lines_of(results: Results) -> list[str]:
    """Return the answer, and a line for each arm, in plain text."""
    return [line.replace(words.NO_BREAK, " ") for line in (headline(results), *accuracies(results))]


def accuracies(results: Results) -> list[str]:
    """Return a line for each arm, the leader first: its metric with interval, on test images if they were opened."""
    interval = words.interval(results.confidence)
    opened = results.is_tested
    what = results.metric_on("test" if opened else deciding_split(results) if results.decision else "validation")
    lines = []
    for arm in [*results.contestants, *results.controls]:
        if not opened and arm not in results.ranking:
            continue
        value = results.summary(arm, f"test_{results.metric}_mean") if opened else results.decided_by(arm)[0]
        ends = words.between(*interval_of(results, arm))
        chosen = ", chosen" if arm == _taken(results) else ""
        lines.append(f"  {results.name_of(arm)}: {words.percent(value)} {what} ({interval} {ends}){chosen}")
    return lines


def _taken(results: Results) -> str | None:
    """Return the arm that is chosen, unless the report recommends none."""
    return None if leaks.refusing(results) else chosen_arm(results)
