"""The routes of figures. None of them looks at the machine: they tell what the sampler saw last."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable, Sequence
from typing import Annotated

from fastapi import APIRouter, Query, Response, WebSocket
from typing_extensions import TypedDict

from aikore.auth.access import needs
from aikore.auth.permissions import Permission
from aikore.base.errors import InvalidError, NotReadyError
from aikore.base.problems import problem_responses
from aikore.base.websockets import until_gone, until_one_ends
from aikore.monitor.figures import Stats
from aikore.monitor.history import CELLS_MOST, MINUTES, SECONDS
from aikore.monitor.sampler import Sampler
from aikore.monitor.series import NAME, expand

SEND_TIMEOUT = 30.0
"""Seconds a viewer may take to accept one sample before it is let go."""
FIRST_SAMPLE = 5.0
"""Seconds a question right after the start waits for the first sample."""
POINTS = 600
"""Points of an answer where no step is given."""
POINTS_MOST = 12_000
"""Points of each series: a week by the minute, and some more."""
SERIES_MOST = 1000

Time = Annotated[float | None, Query(ge=0, le=2**40, allow_inf_nan=False)]


HistoryAnswer = TypedDict(
    "HistoryAnswer", {"from": int, "to": int, "step": int, "series": dict[str, list[float | None]]}
)
"""Means of ``step`` seconds each from ``from`` on; ``to`` is where the last one ends. Null: nothing is known."""


def router(sampler: Sampler, metrics: Callable[[], tuple[bytes, str]]) -> APIRouter:
    """Build the routes. ``metrics`` returns the text for Prometheus and its media type."""
    routes = APIRouter(tags=["system"], responses=problem_responses(403, 422, 500))

    @routes.get(
        "/api/system/stats",
        response_model=Stats,
        dependencies=needs(Permission.SYSTEM_VIEW),
        responses=problem_responses(503),
    )
    async def stats() -> Response:
        """Tell what the sampler saw last of the machine, its GPUs and the running instances."""
        sampler.asked()
        try:
            sample = await asyncio.wait_for(sampler.after(0), FIRST_SAMPLE)
        except TimeoutError:
            raise NotReadyError("The machine has not been looked at yet. Try again in a moment.") from None
        return Response(sample.text, media_type="application/json")

    @routes.websocket("/api/system/stats/stream", dependencies=needs(Permission.SYSTEM_VIEW))
    async def stream(socket: WebSocket) -> None:
        await socket.accept()
        with sampler.watching():
            await until_one_ends(_send(socket, sampler), until_gone(socket))

    @routes.get("/api/system/history", response_model=HistoryAnswer, dependencies=needs(Permission.SYSTEM_VIEW))
    def history(
        series: Annotated[str, Query(max_length=8000, description="Names of series, separated by commas.")],
        start: Annotated[Time, Query(alias="from", description="Unix time; an hour ago.")] = None,
        end: Annotated[Time, Query(alias="to", description="Unix time; now.")] = None,
        step: Annotated[int | None, Query(ge=1, le=86400, description="Seconds of one point.")] = None,
    ) -> Response:
        """Tell what was: the last hour by the second, the last week by the minute."""
        names = _names(series, sampler.history.names())
        now = int(time.time())
        first, step, count = _span(now, start, end, step, len(names))
        found = sampler.history.query(names, first, step, count)
        answer: HistoryAnswer = {"from": first, "to": first + step * count, "step": step, "series": found}
        return Response(json.dumps(answer, separators=(",", ":")), media_type="application/json")

    @routes.get("/metrics", dependencies=needs(Permission.SYSTEM_VIEW), response_class=Response, responses={200: _TEXT})
    def prometheus() -> Response:
        """Tell the figures in Prometheus' text format."""
        text, kind = metrics()
        return Response(text, media_type=kind)

    return routes


_TEXT = {"content": {"text/plain": {"schema": {"type": "string"}}}, "description": "Prometheus text format"}


async def _send(socket: WebSocket, sampler: Sampler) -> None:
    """Send every new sample; to a viewer that is slow, the newest whenever it is ready for one."""
    number = 0
    while True:
        sample = await sampler.after(number)
        number = sample.number
        async with asyncio.timeout(SEND_TIMEOUT):
            await socket.send_text(sample.text)


def _names(text: str, known: Sequence[str]) -> list[str]:
    """Return the wanted series. Raises InvalidError."""
    wanted = [name.strip() for name in text.split(",") if name.strip()]
    for name in wanted:
        if not NAME.fullmatch(name):
            raise InvalidError(
                f"There is no series {name[:80]!r}. Series are cpu, memory, gpu.0.memory, instance.*.cpu …"
            )
    names = expand(wanted, known)
    if not wanted or len(names) > SERIES_MOST:
        raise InvalidError(f"Name 1 to {SERIES_MOST} series, separated by commas, e.g. series=cpu,gpu.*.memory.")
    return names


def _span(now: int, start: float | None, end: float | None, step: int | None, series: int) -> tuple[int, int, int]:
    """Return the first moment, the step and the number of steps. Raises InvalidError.

    Steps begin at multiples of themselves, so that answers of different moments fit together. What is older than an
    hour is known by the minute only, so there a step is a minute at least.
    """
    last = int(min(now + 1, now + 1 if end is None else end))
    first = int(last - SECONDS if start is None else start)
    if first >= last:
        raise InvalidError("`from` must lie before `to`, and not in the future.")
    first = max(first, now - MINUTES * 60)
    step = step or max(1, -(-(last - first) // POINTS))
    if first < now - SECONDS - 60 and step < 60:
        step = 60
    if step > 60:
        step = -(-step // 60) * 60
    first -= first % step
    count = max(1, -(-(last - first) // step))
    cells = count * (step // 60 if step >= 60 else step) * series
    if count > POINTS_MOST or cells > CELLS_MOST:
        raise InvalidError("That is too much at once. Ask for fewer series, a shorter time or a larger step.")
    return first, step, count
