"""The event loop of a command: one for its check and its play, so that connections and servers outlive the first of them."""

from __future__ import annotations

import asyncio

LAST_GRACE_S = 5.0
"""Seconds that a command waits at its end for tasks that were abandoned."""


def end_loop(loop: asyncio.AbstractEventLoop) -> None:
    """Close the loop as `asyncio.run` does, but without waiting for ever for a task that swallows its cancellation."""
    try:
        left = asyncio.all_tasks(loop)
        for task in left:
            task.cancel()
        if left:
            loop.run_until_complete(asyncio.wait(left, timeout=LAST_GRACE_S))
        loop.run_until_complete(loop.shutdown_asyncgens())
        loop.run_until_complete(loop.shutdown_default_executor())
    finally:
        asyncio.set_event_loop(None)
        loop.close()
