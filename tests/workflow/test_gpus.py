"""Several trainings at once are on different GPUs. The GPUs are pretended; the graph, scheduler and claims are real."""

import pytest
import yaml

from tests.workflow.conftest import TINY, replace_commands, rules_of, snakemake

pytestmark = pytest.mark.slow

# Stands in for the package's commands: claims a GPU as they do, notes which and when, and makes the files that the rule
# declares.
STAND_IN = """
import json, os, pathlib, sys, time
options = dict(zip(sys.argv[2:], sys.argv[3:]))
if "--execution" in options:
    from triptych.training import gpus
    gpus.device_count = lambda: int(os.environ["PRETENDED_GPUS"])
    gpus.device_uuid = lambda index: None
    gpu = gpus.claim_gpu(gpus.visible_gpus(), json.loads(options["--execution"])["jobs_per_gpu"])
    start = time.time()
    time.sleep(4)
    with open("times.txt", "a") as file:
        file.write(f"{gpu} {start} {time.time()}\\n")
for name in made:
    if "/" in options.get(f"--{name}", ""):
        pathlib.Path(options[f"--{name}"]).touch()
"""
RUNS = 3
TARGETS = [f"results/tiny/runs/scratch/seed{seed}/trained.safetensors" for seed in range(RUNS)]


@pytest.fixture(scope="module")
def stand_in(checkout):
    return replace_commands(checkout, STAND_IN)


def run(folder, checkout, pretended, *arguments, jobs_per_gpu=1) -> list[tuple[str, float, float]]:
    """Train the runs on pretended GPUs; returns of each its GPU, and when it began and ended."""
    configuration = folder / "config.yaml"
    experiment = {**TINY, "seeds": list(range(RUNS)), "arms": {"scratch": TINY["arms"]["scratch"]}}
    configuration.write_text(yaml.safe_dump({"jobs_per_gpu": jobs_per_gpu, "experiments": {"tiny": experiment}}))
    environment = {"PRETENDED_GPUS": str(pretended), "TRIPTYCH_GPU_LOCKS": str(folder / "locks")}
    call = [*TARGETS, "--configfile", configuration, "--cores", "8", *arguments]
    snakemake(*call, directory=folder, checkout=checkout, timeout=180, environment=environment)
    lines = [line.split() for line in (folder / "times.txt").read_text().splitlines()]
    assert len(lines) == RUNS
    return [(gpu, float(start), float(end)) for gpu, start, end in lines]


def most_at_once(spans) -> int:
    return max(sum(start <= moment < end for _, start, end in spans) for _, moment, _ in spans)


def test_two_places_for_trainings_are_two_gpus(tmp_path, stand_in):
    spans = run(tmp_path, stand_in, 2, "--resources", "gpu=2")
    assert most_at_once(spans) == 2
    assert {gpu: most_at_once([span for span in spans if span[0] == gpu]) for gpu, _, _ in spans} == {"0": 1, "1": 1}


def test_more_places_than_gpus_wait_for_one(tmp_path, stand_in):
    spans = run(tmp_path, stand_in, 1, "--resources", "gpu=4")
    assert most_at_once(spans) == 1
    logs = [path.read_text() for path in (tmp_path / "logs" / "train").rglob("*.log")]
    assert any("every GPU (0) is taken; waiting for one" in log for log in logs)
    assert all(log.count("is taken") <= 1 for log in logs)


def test_small_jobs_share_a_gpu_where_the_configuration_says_so_and_nothing_reruns_for_it(tmp_path, stand_in):
    spans = run(tmp_path, stand_in, 1, jobs_per_gpu=2)
    assert most_at_once(spans) == 2
    assert {gpu for gpu, _, _ in spans} == {"0"}
    call = [*TARGETS, "--dry-run", "--configfile", "config.yaml", "--config", "jobs_per_gpu=1"]
    assert not rules_of(snakemake(*call, directory=tmp_path, checkout=stand_in).stdout)
