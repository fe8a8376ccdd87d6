"""The end of tasks that use nats-py, which drops cancellations now and then."""

from __future__ import annotations

import asyncio
import contextlib

import pytest

from broker.nats.connection import end_tasks


async def drops_cancellations(count: int) -> None:
    """Goes on after as many cancellations, as a loop over connections does whose library swallows them."""
    while True:
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.sleep(3600)
            return
        count -= 1
        if count < 0:
            raise asyncio.CancelledError


@pytest.mark.parametrize("dropped", [0, 1, 3])
@pytest.mark.timeout(30)
def test_a_task_that_drops_cancellations_is_ended(dropped: int) -> None:
    async def run() -> list[asyncio.Task[None]]:
        tasks = [asyncio.create_task(drops_cancellations(count)) for count in (dropped, 0)]
        await asyncio.sleep(0)
        await end_tasks(tasks)
        return tasks

    assert all(task.done() for task in asyncio.run(run()))


def test_an_error_of_a_task_that_ends_is_dropped() -> None:
    async def fail() -> None:
        try:
            await asyncio.sleep(3600)
        finally:
            raise OSError("the connection is gone")

    async def run() -> None:
        task = asyncio.create_task(fail())
        await asyncio.sleep(0)
        await end_tasks([task])
        await end_tasks([])

    asyncio.run(run())
