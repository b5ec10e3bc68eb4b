"""What to change when a cluster refuses or ends a job: SLURM says what is wrong, and not where one sets it."""

from pathlib import Path

PROFILE = "profiles/slurm/profile.yaml"

ADVICE = {
    ("No partition specified",): (
        f"SLURM has no default partition: name one as `slurm_partition` under `default-resources` in {PROFILE}; "
        "`sinfo -s` lists them"
    ),
    ("Invalid partition",): (
        f"there is no such partition: correct `slurm_partition` in {PROFILE}; `sinfo -s` lists them"
    ),
    ("Invalid account", "appears to be invalid. Available"): (
        f"SLURM wants an account that may use the partition: name it as `slurm_account` under `default-resources` in "
        f"{PROFILE}; `sacctmgr show user $USER withassoc` lists yours"
    ),
    ("Requested node configuration is not available", "nvalid generic resource"): (
        "no node of the partition has what the job asks for; its `resources` are shown above. GPUs (`gpu`, "
        f"`gpu_model`): send the rule to a partition that has them (`slurm_partition` under `set-resources` in "
        f"{PROFILE}), or compute on CPUs (`training.device: cpu` in the configuration). Memory: lower `mem_mb` there"
    ),
    ("Requested time limit is invalid",): (
        f"the partition allows no such run time: set a lower `runtime` (minutes) under `set-resources` in {PROFILE}; a "
        "training goes on from its last checkpoint in the next attempt, so raise `retries` as well"
    ),
    ("SLURM status is: 'TIMEOUT'",): (
        "a job reached its run time in every attempt. Trainings have kept their last checkpoint: start the same "
        f"command again, or raise `retries`, or `runtime` (minutes) under `set-resources`, in {PROFILE}"
    ),
    ("SLURM status is: 'OUT_OF_MEMORY'",): (
        f"a job took more memory than it had asked for: raise its `mem_mb` under `set-resources` in {PROFILE}"
    ),
}
"""Parts of what SLURM or Snakemake's plugin for it says -> what to change."""


def cluster_advice(*logs: Path) -> str:
    """What to change, a line for each kind of refusal in what Snakemake has logged; empty if there is none."""
    said = "".join(path.read_text(errors="replace") for path in logs if path.is_file())
    lines = [advice for parts, advice in ADVICE.items() if any(part in said for part in parts)]
    return "".join(f"cluster: {line}.\n" for line in lines)
