"""Snakemake, asking every second how SLURM's jobs are doing.

While none ends, the plugin asks ever more rarely, ten seconds later each time. No setting changes that, and the tests
would spend their time waiting.
"""

import asyncio

from snakemake.cli import main
from snakemake_interface_executor_plugins.executors.remote import RemoteExecutor


async def a_second(_: RemoteExecutor):
    await asyncio.sleep(1)


if __name__ == "__main__":
    RemoteExecutor.sleep = a_second
    main()
