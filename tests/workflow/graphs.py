"""The graphs of the shipped configurations, and of two with image files, in a few lines a rule; kept in `graphs`.

After a change that is meant to change a graph, `python -m tests.workflow.graphs` writes these files anew; their
difference is then part of the change.
"""

import re
import tempfile
from collections import Counter, defaultdict
from pathlib import Path

from tests.conftest import ROOT
from tests.workflow.conftest import jobs_of, resources_of, snakemake

CONFIGURATIONS = sorted((ROOT / "config").glob("*.yaml"))
GRAPHS = [*CONFIGURATIONS, *(Path(__file__).parent / name for name in ("image-files.yaml", "folds.yaml"))]
"""The shipped configurations, and two whose images are files, one with folds."""
PHOTOS = "photos"
FOLDER = Path(__file__).parent / "graphs"
COMMAND = "python -m tests.workflow.graphs"
OF_SNAKEMAKE = {"tmpdir", "mem", "mem_mib"}
"""Resources that Snakemake adds: the machine's own, or others in other units."""

CORES = 64
"""More than any rule has threads, since Snakemake cuts those."""


def golden(configuration: Path) -> Path:
    """Where the summary of a configuration's graph is kept."""
    return FOLDER / f"{configuration.stem}.txt"


def dry_run(configuration: Path, folder: Path) -> str:
    """What `snakemake --dry-run` prints for a configuration, started in a folder with nothing but two image files."""
    for name in ("a/1.jpg", "b/1.jpg"):  # a dry run lists them, and opens none
        (folder / PHOTOS / name).parent.mkdir(parents=True)
        (folder / PHOTOS / name).touch()
    return snakemake(
        "--dry-run", "--cores", str(CORES), "--configfile", configuration, directory=folder, timeout=120
    ).stdout


def summary(output: str) -> str:
    """The jobs that a dry run lists, by rule: how many, their threads and resources, and the files of one job.

    Files have the names of wildcards in the place of their values. A number before one says how many of that kind a job
    has, where it is not one.
    """
    jobs = jobs_of(output)
    patterns: dict[str, str] = {}
    makers = {"<TBD>": "the decision"}  # what depends on it is not known yet
    by_rule = defaultdict(list)
    for job in jobs:
        by_rule[job["rule"]].append(job)
        for file in files_of(job, "output"):
            patterns[file], makers[file] = pattern_of(file, job), job["rule"]
    blocks = []
    for rule in sorted(by_rule):
        of_rule = by_rule[rule]
        needed = sorted({makers.get(file, "no rule") for job in of_rule for file in files_of(job, "input")})
        lines = [f"{rule}: {len(of_rule)} job{'s' * (len(of_rule) > 1)}, after {', '.join(needed) or 'nothing'}"]
        lines += counted([asked_for(job) for job in of_rule])
        for kind, name in (("input", "<"), ("output", ">")):
            found = [Counter(patterns.get(file, file) for file in files_of(job, kind)) for job in of_rule]
            for pattern in sorted(set().union(*found)):
                numbers = sorted({counts[pattern] for counts in found})
                number = "" if numbers == [1] else f"{' or '.join(map(str, numbers))} x "
                lines.append(f"  {name} {number}{pattern}")
        blocks.append("\n".join(lines))
    return "\n\n".join(blocks) + "\n"


def files_of(job: dict[str, str], kind: str) -> list[str]:
    """The input or output files of a job, without what Snakemake notes behind some, such as `(update)`."""
    return [re.sub(r" \(\w+\)$", "", file) for file in job.get(kind, "").split(", ") if file]


def pattern_of(file: str, job: dict[str, str]) -> str:
    """A file's name with `{wildcard}` in the place of the values that its job has."""
    for part in job.get("wildcards", "").split(", "):
        name, _, value = part.partition("=")
        if value:
            file = re.sub(rf"(?<![A-Za-z0-9]){re.escape(value)}(?![A-Za-z0-9])", f"{{{name}}}", file)
    return file


def asked_for(job: dict[str, str]) -> str:
    """A job's threads, priority and resources, in one line."""
    resources = {name: value for name, value in resources_of(job).items() if name not in OF_SNAKEMAKE}
    given = {"threads": job.get("threads", "1"), "priority": job.get("priority", "0"), **resources}
    return " ".join(f"{name}={given[name]}" for name in sorted(given))


def counted(lines: list[str]) -> list[str]:
    """Each different line once, with how often it comes where there is more than one."""
    counts = Counter(lines)
    return [f"  {f'{counts[line]} with ' if len(counts) > 1 else ''}{line}" for line in sorted(counts)]


def main() -> None:
    FOLDER.mkdir(exist_ok=True)
    for old in FOLDER.iterdir():
        old.unlink()
    for configuration in GRAPHS:
        with tempfile.TemporaryDirectory() as folder:
            golden(configuration).write_text(summary(dry_run(configuration, Path(folder))))


if __name__ == "__main__":
    main()
