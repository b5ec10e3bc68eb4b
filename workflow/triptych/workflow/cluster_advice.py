"""Advice when SLURM rejects or ends a job: which setting to change, and where."""

from pathlib import Path

PROFILE = "profiles/slurm/profile.yaml"

ADVICE = {
    ("No partition specified",): (
        f"SLURM has no default partition: set `slurm_partition` under `default-resources` in {PROFILE}; "
        "`sinfo -s` lists the partitions"
    ),
    ("Invalid partition",): (
        f"there is no such partition: correct `slurm_partition` in {PROFILE}; `sinfo -s` lists the partitions"
    ),
    ("Invalid account", "appears to be invalid. Available"): (
        f"SLURM needs an account that may use the partition: set `slurm_account` under `default-resources` in "
        f"{PROFILE}; `sacctmgr show user $USER withassoc` lists your accounts"
    ),
    ("Requested node configuration is not available", "nvalid generic resource"): (
        "no node of the partition has the requested `resources`, which are shown above. GPUs (`gpu`, `gpu_model`): "
        f"submit the rule to a partition with GPUs (`slurm_partition` under `set-resources` in {PROFILE}), or train "
        "on CPUs (`training.device: cpu` in the configuration). Memory: lower `mem_mb` under `set-resources`"
    ),
    ("Requested time limit is invalid",): (
        f"the partition does not allow this run time: lower `runtime` (minutes) under `set-resources` in {PROFILE}, "
        "and raise `retries`: each retry resumes a training from its last checkpoint"
    ),
    ("SLURM status is: 'TIMEOUT'",): (
        "a job reached its run time in every attempt. Rerun the same command to resume trainings from their last "
        f"checkpoint, or raise `retries`, or `runtime` (minutes) under `set-resources`, in {PROFILE}"
    ),
    ("SLURM status is: 'OUT_OF_MEMORY'",): (
        f"a job used more memory than it requested: raise its `mem_mb` under `set-resources` in {PROFILE}"
    ),
}
"""Advice by parts of messages of SLURM or of Snakemake's SLURM plugin."""


def cluster_advice(*logs: Path) -> str:
    """Return one line of advice for each known error in Snakemake's logs; empty if there is none."""
    text = "".join(path.read_text(errors="replace") for path in logs if path.is_file())
    lines = [advice for parts, advice in ADVICE.items() if any(part in text for part in parts)]
    return "".join(f"cluster: {line}.\n" for line in lines)
