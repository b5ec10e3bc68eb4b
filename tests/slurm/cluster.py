"""A real SLURM on this machine: munged, slurmctld and one slurmd a node, with GPUs that are only pretended.

All files are in one folder, and nothing is written to /etc: a SLURM that the machine has of its own is not touched.
"""

import os
import re
import secrets
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

DAEMONS = ("munged", "slurmctld", "slurmd", "sbatch", "srun", "scontrol", "setpriv")
NODES = {"one": 1, "two": 2, "more": 3, "none": 0}
"""Node -> how many GPUs it has. Each is a partition of its own with the same name."""
PRETENDED = ("/dev/null", "/dev/zero", "/dev/full")
"""A GPU needs a device file, or SLURM drains the node; nobody opens these."""

CONFIGURATION = """
ClusterName=test
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={ports[0]}
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
# a requeued job waits for this number of seconds first
AuthInfo=socket={folder}/munge.socket,cred_expire=10
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool-%n
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd-%n.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd-%n.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
MpiDefault=none
JobAcctGatherType=jobacct_gather/linux
JobSubmitPlugins=lua
EnforcePartLimits=ALL
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
GresTypes=gpu
AccountingStorageType=accounting_storage/none
# more cores and memory than the machine has: the tests count what SLURM gives, not how fast it is
SlurmdParameters=config_overrides
ReturnToService=2
# finished jobs stay in SLURM's records until the tests have read them
MinJobAge=7200
# between the signal that ends a job and the one that kills it
KillWait=3
SchedulerParameters=sched_interval=1,batch_sched_delay=0,sched_min_interval=0,bf_interval=1
"""

# What accounting does where a site wants an account: needs no database.
SUBMIT_PLUGIN = """
function slurm_job_submit(job, partitions, user)
    if job.partition == "billed" and job.account == nil then
        return slurm.ESLURM_INVALID_ACCOUNT
    end
    return slurm.SUCCESS
end
function slurm_job_modify(job, record, partitions, user)
    return slurm.SUCCESS
end
"""


def why_not() -> str | None:
    """Why there can be no SLURM here, and none be installed; None if there is one, which then has been installed.

    Raises:
        subprocess.CalledProcessError: it could be installed and was not, which must not go unseen.
    """
    if os.geteuid() != 0:
        return "starting a separate SLURM needs root"
    if Path("/dev/nvidia0").exists():
        return "a training would take this machine's GPUs for the pretended ones"
    if not all(map(shutil.which, DAEMONS)):
        if not shutil.which("apt-get"):
            return "SLURM is not installed, and this is no Debian to install it on"
        quiet = {"stdout": subprocess.DEVNULL, "env": {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}}
        packages = ["slurm-wlm", "munge"]
        subprocess.run(["apt-get", "update", "-qq"], timeout=300, check=True, **quiet)
        install = ["apt-get", "install", "-y", "-qq", "--no-install-recommends", *packages]
        subprocess.run(install, timeout=600, check=True, **quiet)
    return None


class Cluster:
    """A SLURM that runs while the block does.

    Attributes:
        environment: the variables with which SLURM's commands, and a Snakemake that calls them, find this SLURM.
    """

    def __init__(self, folder: Path):
        self.folder = folder
        self.configuration = folder / "slurm.conf"
        self.daemons: list[subprocess.Popen] = []
        commands = folder / "commands"
        self.environment = {
            "SLURM_CONF": str(self.configuration),
            "PATH": f"{commands}{os.pathsep}{os.environ['PATH']}",
        }
        # The plugin keeps SLURM_CONF from the `srun` that it starts inside a job; a site has its file in /etc.
        commands.mkdir()
        srun = commands / "srun"
        srun.write_text(f'#!/bin/sh\nSLURM_CONF={self.configuration} exec {shutil.which("srun")} "$@"\n')
        srun.chmod(0o755)

    def __enter__(self) -> "Cluster":
        self._configure()
        key = self.folder / "munge.key"
        key.write_bytes(secrets.token_bytes(128))
        key.chmod(0o600)
        files = {"socket": "munge.socket", "pid-file": "munged.pid", "log-file": "munge.log", "seed-file": "munge.seed"}
        options = [f"--{option}={self.folder / name}" for option, name in files.items()]
        try:
            self._start("munged", "--foreground", f"--key-file={key}", *options)
            self.wait_until((self.folder / "munge.socket").exists, "munged listens")
            self._start("slurmctld", "-D")
            for node in NODES:
                self._start("slurmd", "-D", "-N", node)
            self.wait_until(lambda: self.states() == dict.fromkeys(NODES, "idle"), "every node is idle")
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        """End every job, then the daemons, munged last: the others need it to speak to each other."""
        if len(self.daemons) > 1:
            self._ask("scancel", "--user=root")
            end = time.monotonic() + 20
            while self._ask("squeue", "--noheader", "--states=running,completing").stdout and time.monotonic() < end:
                time.sleep(0.5)
        for pid, _, _ in self._processes():  # what a job has left: only cgroups would find them all
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        for daemon in reversed(self.daemons):
            daemon.terminate()
            try:
                daemon.wait(10)
            except subprocess.TimeoutExpired:
                daemon.kill()
                daemon.wait(10)

    def run(self, *call: str) -> str:
        """The output of one of SLURM's commands."""
        result = self._ask(*call)
        assert result.returncode == 0, f"{' '.join(call)}: {result.stdout}{result.stderr}"
        return result.stdout

    def jobs(self, name: str | None = None) -> list[dict[str, str]]:
        """SLURM's record of each job (of this name), oldest first: `scontrol show job` by its keys, and `rule`."""
        records = []
        for line in self.run("scontrol", "--details", "--oneliner", "show", "job").splitlines():
            record = dict(re.findall(r"([\w:/]+)=(\S*)", line))
            if "JobId" in record and name in (None, record["JobName"]):
                comment = record.get("Comment", "")
                record["rule"] = comment.removeprefix("rule_").partition("_wildcards_")[0]
                record["wildcards"] = comment.partition("_wildcards_")[2]
                records.append(record)
        return sorted(records, key=lambda record: int(record["JobId"]))

    def record(self, job: dict[str, str]) -> dict[str, str]:
        """SLURM's record of a job as it is now."""
        return next(one for one in self.jobs() if one["JobId"] == job["JobId"])

    def time_out(self, job: dict[str, str]):
        """Let a running job's time be up now, although a limit is a minute at least; SLURM looks every 30 s."""
        self.run("scontrol", "update", f"JobId={job['JobId']}", time.strftime("EndTime=%Y-%m-%dT%H:%M:%S"))

    def training(self, job: str) -> tuple[int, dict[str, str]] | None:
        """The process id and the environment of the training that runs in a job; None if there is none."""
        for pid, command, environment in self._processes():
            if command[1:4] == ["-m", "triptych", "train"] and environment["SLURM_JOB_ID"] == job:
                return pid, environment
        return None

    def states(self) -> dict[str, str]:
        """Node -> its state."""
        said = self._ask("sinfo", "--noheader", "--Node", "--format=%N %T").stdout
        return dict(line.split() for line in said.splitlines())

    def wait_until(self, condition, what: str, seconds: float = 60, every: float = 0.1):
        """Call `condition` every `every` seconds; return its result once it is true."""
        end = time.monotonic() + seconds
        while not (result := condition()):
            assert time.monotonic() < end, f"not within {seconds:.0f} s: {what}"
            time.sleep(every)
        return result

    def _ask(self, *call: str) -> subprocess.CompletedProcess:
        environment = {**os.environ, **self.environment}
        return subprocess.run(call, env=environment, capture_output=True, text=True, timeout=60, check=False)

    def _processes(self) -> Iterator[tuple[int, list[str], dict[str, str]]]:
        """Process id, command and environment of every process of a job."""
        for process in Path("/proc").glob("[0-9]*"):
            try:
                command, entries = (
                    (process / name).read_bytes().decode(errors="replace") for name in ("cmdline", "environ")
                )
            except OSError:  # it has just ended
                continue
            environment = dict(entry.partition("=")[::2] for entry in entries.split("\0") if entry)
            if "SLURM_JOB_ID" in environment and environment.get("SLURM_CONF") == str(self.configuration):
                yield int(process.name), command.split("\0"), environment

    def _start(self, *call: str):
        """Start a daemon that the kernel ends if this process is killed."""
        with (self.folder / f"{call[0]}{len(self.daemons)}.out").open("w") as file:
            daemon = subprocess.Popen(
                ["setpriv", "--pdeathsig", "TERM", *call],
                env={**os.environ, **self.environment},
                stdout=file,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
            )
        self.daemons.append(daemon)

    def _configure(self):
        host, ports = socket.gethostname().partition(".")[0], free_ports(1 + len(NODES))
        lines, gpus = [CONFIGURATION.format(host=host, folder=self.folder, ports=ports)], ["AutoDetect=off"]
        for port, (node, count) in zip(ports[1:], NODES.items(), strict=True):
            gres = f"Gres=gpu:pretended:{count}" if count else ""
            lines += [
                f"NodeName={node} NodeAddr=127.0.0.1 NodeHostname={host} Port={port} CPUs=16 RealMemory=64000 {gres}",
                f"PartitionName={node} Nodes={node} MaxTime=1-0",
            ]
            gpus += [f"NodeName={node} Name=gpu Type=pretended File={file}" for file in PRETENDED[:count]]
        lines.append("PartitionName=billed Nodes=none MaxTime=1-0")
        self.configuration.write_text("\n".join(lines) + "\n")
        (self.folder / "gres.conf").write_text("\n".join(gpus) + "\n")
        (self.folder / "job_submit.lua").write_text(SUBMIT_PLUGIN)
        for name in ("state", *(f"spool-{node}" for node in NODES)):
            (self.folder / name).mkdir()


def free_ports(count: int) -> list[int]:
    sockets = [socket.socket() for _ in range(count)]
    try:
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]
    finally:
        for one in sockets:
            one.close()
