"""Runs a function over a list of files: in this process, in several, or on a Dask cluster; or over a share of them.

Work is a function of one item that writes its own results atomically. If a worker dies, only its current item is
repeated by another worker.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar

from .errors import AmtError

Item = TypeVar("Item")
Result = TypeVar("Result")
CONNECT_SECONDS = 20.0
ATTEMPTS = 3  # workers that may die over one item before it is given up

CLUSTER_HELP = (
    "process the files in parallel: 'local' or 'local:4' for processes on this machine, tcp://HOST:8786 for a Dask "
    "scheduler, or the file that it wrote with --scheduler-file"
)
SHARD_HELP = "only every n-th file, beginning with the i-th: --shard 1/8 … 8/8 on eight machines, for job arrays"


def add_cluster_options(parser: argparse.ArgumentParser) -> None:
    """Adds ``--cluster`` and ``--shard`` to a command for many files."""
    group = parser.add_argument_group("many files", "on one machine or many")
    group.add_argument("--cluster", metavar="WHERE", help=CLUSTER_HELP)
    group.add_argument("--shard", metavar="I/N", help=SHARD_HELP)


def choose_shard(items: Sequence[Item], shard: str | None) -> list[Item]:
    """The items of share ``"i/n"``, 1 <= i <= n; all of them for ``None``. Every item is in exactly one share.

    Raises:
        AmtError: ``shard`` is not of that form.

    >>> choose_shard("abcdefg", "2/3")
    ['b', 'e']
    """
    if shard is None:
        return list(items)
    number, slash, count = shard.partition("/")
    if not (slash and number.isdigit() and count.isdigit() and 1 <= int(number) <= int(count)):
        raise AmtError(f"--shard {shard!r}: expected i/n with 1 <= i <= n, e.g. 2/8")
    return list(items[int(number) - 1 :: int(count)])


def run_each(
    function: Callable[[Item], Result], items: Sequence[Item], *, cluster: str | None = None
) -> Iterator[tuple[Item, Result | AmtError]]:
    """Yields the results of ``function`` as they are done; an item that fails yields its error, the others continue.

    Args:
        function: of one item. With a cluster it and its results must pickle, and the package must be installed on the
            workers, with the items' files under the same paths.
        items: the arguments.
        cluster: ``None`` (one after another, here), ``"local"``, ``"local:N"``, a Dask scheduler's address or file.

    Raises:
        AmtError: no such cluster, or the package ``distributed`` is missing.
    """
    if cluster is None:
        for item in items:
            try:
                yield item, function(item)
            except AmtError as error:
                yield item, error
        return
    with connect(cluster) as client:
        from distributed import as_completed

        waiting = {client.submit(_attempt, function, item, pure=False): item for item in items}
        for future in as_completed(list(waiting)):
            item = waiting.pop(future)
            yield item, _result_of(future, item)
            future.release()


@contextlib.contextmanager
def connect(cluster: str) -> Iterator[Any]:
    """A Dask client on what ``cluster`` names; prints the dashboard's address. Local processes end with the block."""
    try:
        import dask
        from distributed import Client, LocalCluster
    except ImportError:
        raise AmtError('--cluster needs Dask: pip install "amt-piano[cluster]", or pip install distributed') from None
    dask.config.set({"distributed.scheduler.allowed-failures": ATTEMPTS - 1, "logging.distributed": "error"})
    if cluster == "local" or cluster.startswith("local:"):
        count = cluster.removeprefix("local").removeprefix(":") or str(os.cpu_count() or 1)
        if not count.isdigit() or not int(count):
            raise AmtError(f"--cluster {cluster!r}: expected local or local:N with N processes")
        # each process has one thread: threads within an operation wait for each other on a busy machine
        environment = {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
        processes = LocalCluster(n_workers=int(count), threads_per_worker=1, env=environment, dashboard_address=":0")
        client = Client(processes)
    else:
        processes = None
        place = {"scheduler_file": cluster} if Path(cluster).is_file() else {"address": cluster}
        try:
            client = Client(**place, timeout=CONNECT_SECONDS)
        except (OSError, ValueError, TimeoutError) as error:
            raise AmtError(f"--cluster {cluster}: no Dask scheduler answers there ({error})") from error
    print(f"{len(client.scheduler_info()['workers'])} workers; dashboard: {client.dashboard_link}", file=sys.stderr)
    try:
        yield client
    finally:
        client.close()
        if processes is not None:
            processes.close()


def _attempt(function: Callable[[Item], Result], item: Item) -> Result | AmtError:
    """On a worker: an AmtError is returned as a value, so that Dask does not log it as its own failure."""
    try:
        return function(item)
    except AmtError as error:
        return error


def _result_of(future: Any, item: Any) -> Any:
    from distributed import KilledWorker

    try:
        return future.result()
    except KilledWorker:
        item = item[0] if isinstance(item, tuple) else item  # the number of a piece
        name = getattr(item, "name", item)
        return AmtError(f"{name}: {ATTEMPTS} workers died over it (out of memory?); it was left out")
