"""Following, reading, searching and downloading a log that is being written and rotated at full speed."""

from __future__ import annotations

import asyncio
import errno
import json
import os
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from aikore.base import problems
from aikore.base.errors import NotFoundError
from aikore.logs.api import router
from aikore.logs.follow import FRAME, Data, Frame, Gap, Live, Start, follow
from tests.helpers.logs import keeper_log, numbered, numbers
from tests.helpers.server import wait_until
from tests.helpers.web import LetIn, served

DEADLINE = 60


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "instances" / "comfy" / "logs"
    path.mkdir(parents=True)
    return path


def writing(folder: Path, data: bytes, step: int = 3000, **options: int) -> threading.Thread:
    """Write ``data`` with the keeper's own writer in a thread."""
    log = keeper_log(folder, **options)

    def write() -> None:
        for at in range(0, len(data), step):
            log.write(data[at : at + step])

    thread = threading.Thread(target=write)
    thread.start()
    return thread


async def until(frames: AsyncIterator[Frame], condition: Callable[[list[Frame]], bool]) -> list[Frame]:
    """Collect frames until the condition holds of them."""
    seen: list[Frame] = []
    async with asyncio.timeout(DEADLINE):
        async for frame in frames:
            seen.append(frame)
            if condition(seen):
                return seen
    raise AssertionError("the stream ended")


def reached(end: int) -> Callable[[list[Frame]], bool]:
    return lambda seen: isinstance(seen[-1], Data) and seen[-1].next >= end


def text_of(frames: list[Frame]) -> str:
    return "".join(frame.text for frame in frames if isinstance(frame, Data))


async def test_many_followers_get_every_line_once_and_in_order_over_rotations(folder: Path) -> None:
    data = numbered(0, 60000)
    thread = writing(folder, data, rotate=20000)
    streams = [follow(folder, offset=0) for _ in range(4)]
    results = await asyncio.gather(*(until(stream, reached(len(data))) for stream in streams))
    thread.join()
    for frames, stream in zip(results, streams, strict=True):
        assert text_of(frames) == data.decode()
        assert not any(isinstance(frame, Gap) for frame in frames)
        position = 0
        for frame in frames:
            if isinstance(frame, Data):
                assert frame.offset == position
                assert frame.next - frame.offset <= FRAME + 3
                position = frame.next
        await stream.aclose()


async def test_a_follower_that_comes_mid_rotation_misses_nothing_from_its_offset_on(folder: Path) -> None:
    data = numbered(0, 60000)
    thread = writing(folder, data, step=500, rotate=5000)
    for _ in range(10):
        stream = follow(folder, tail=3000)
        first = await anext(stream)
        assert isinstance(first, Start)
        frames = await until(stream, reached(min(first.offset + 20000, len(data))))
        got = text_of(frames).encode()
        assert got == data[first.offset : first.offset + len(got)]
        await stream.aclose()
    thread.join()


async def test_a_log_that_does_not_exist_yet_is_followed_from_its_first_byte(tmp_path: Path) -> None:
    folder = tmp_path / "instances" / "new" / "logs"
    folder.parent.mkdir(parents=True)
    stream = follow(folder)
    assert await anext(stream) == Start(0, 0)
    waiting = asyncio.ensure_future(until(stream, reached(6)))
    await asyncio.sleep(0)
    keeper_log(folder).write(b"first\n")
    assert text_of(await waiting) == "first\n"
    await stream.aclose()


async def test_a_character_written_in_two_halves_arrives_whole(folder: Path) -> None:
    log = keeper_log(folder)
    log.write("ab€".encode()[:4])
    stream = follow(folder)
    frames = await until(stream, reached(2))
    assert text_of(frames) == "ab"
    log.write("ab€!\n".encode()[4:])
    assert text_of(await until(stream, reached(7))) == "€!\n"
    await stream.aclose()


async def test_the_progress_line_is_shown_live_and_stored_once(folder: Path) -> None:
    log = keeper_log(folder)
    log.write(b"start\n")
    stream = follow(folder)
    log.write(b"\r10%\r20%")
    log.tick(1e9)
    frames = await until(stream, lambda seen: isinstance(seen[-1], Live))
    assert frames[-1] == Live(6, "20%")
    log.write(b"\r30%\n")
    frames = await until(stream, lambda seen: isinstance(seen[-1], Live) and seen[-1].text == "")
    assert text_of(frames) == "30%\n"
    await stream.aclose()


async def test_what_was_rotated_away_is_named_as_a_gap(folder: Path) -> None:
    data = numbered(0, 5000)
    writing(folder, data, rotate=4096, keep=2).join()
    stream = follow(folder, offset=0)
    frames = await until(stream, reached(len(data)))
    gap = frames[1]
    assert isinstance(gap, Gap)
    assert gap.offset == 0
    assert text_of(frames).encode() == data[gap.next :]
    await stream.aclose()


async def test_a_slow_follower_sees_gaps_but_never_wrong_bytes(folder: Path) -> None:
    data = numbered(0, 60000)
    stream = follow(folder, offset=0)
    await anext(stream)
    half = data.index(b"\n", len(data) // 2) + 1
    thread = writing(folder, data[:half], rotate=4096, keep=3)
    first = await anext(stream)
    thread.join()
    writing(folder, data[half:], rotate=4096, keep=3).join()
    frames = [first, *await until(stream, reached(len(data)))]
    position = 0
    for frame in frames:
        if isinstance(frame, Gap):
            assert frame.offset == position
            position = frame.next
        elif isinstance(frame, Data):
            assert frame.text.encode() == data[position : frame.next]
            position = frame.next
    assert position == len(data)
    await stream.aclose()


async def test_a_stream_ends_when_the_instance_is_moved_away(folder: Path, tmp_path: Path) -> None:
    keeper_log(folder).write(b"x\n")
    stream = follow(folder)
    await until(stream, reached(2))
    folder.parent.rename(tmp_path / "trashed")
    async with asyncio.timeout(DEADLINE):
        assert [frame async for frame in stream] == []


# Through HTTP ---------------------------------------------------------------------------------------------


@pytest.fixture
def url(folder: Path) -> Iterator[str]:
    def resolve(key: str) -> Path:
        if key not in ("comfy", "1"):
            raise NotFoundError(f"There is no instance {key!r}.")
        return folder

    app = FastAPI()
    problems.install(app)
    app.include_router(router(resolve))
    app.add_middleware(LetIn)
    with served(app) as address:
        yield f"{address}/api/instances"


def stream(url: str, key: str = "comfy", **query: int) -> ClientConnection:
    rest = "&".join(f"{name}={value}" for name, value in query.items())
    return connect(f"ws{url[4:]}/{key}/logs/stream?{rest}", max_size=None, proxy=None)


def test_the_stream_over_a_socket_gives_every_line_once(url: str, folder: Path) -> None:
    data = numbered(0, 40000)
    thread = writing(folder, data, rotate=30000)
    with stream(url, offset=0) as socket:
        assert json.loads(socket.recv(DEADLINE))["type"] == "start"
        text, position = "", 0
        while position < len(data):
            frame = json.loads(socket.recv(DEADLINE))
            if frame["type"] == "data":
                text, position = text + frame["text"], frame["next"]
    thread.join()
    assert numbers(text) == list(range(40000))


def test_a_client_that_leaves_frees_its_files_and_inotify_at_once(url: str, folder: Path) -> None:
    keeper_log(folder).write(numbered(0, 100))

    def inotify_handles() -> int:
        links = [f"/proc/self/fd/{fd}" for fd in os.listdir("/proc/self/fd")]
        return sum(os.path.lexists(link) and "inotify" in os.readlink(link) for link in links)

    with ExitStack() as sockets:
        for _ in range(5):
            sockets.enter_context(stream(url)).recv(DEADLINE)
        assert inotify_handles() == 5
    wait_until(lambda: inotify_handles() == 0, 10, "all inotify handles are closed")


def test_an_unknown_instance_is_told_in_each_way(url: str) -> None:
    with stream(url, "nobody") as socket, pytest.raises(ConnectionClosed) as closed:
        socket.recv(DEADLINE)
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 4404
    for path in ("logs", "logs/download"):
        answer = httpx.get(f"{url}/nobody/{path}")
        assert (answer.status_code, answer.json()["code"]) == (404, "not_found")


def test_no_inotify_left_is_told_with_advice(url: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse() -> None:
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))

    monkeypatch.setattr("aikore.logs.follow.Inotify", refuse)
    with stream(url) as socket, pytest.raises(ConnectionClosed) as closed:
        socket.recv(DEADLINE)
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 1013
    assert "max_user_instances" in closed.value.rcvd.reason


def get(url: str, **query: Any) -> dict[str, Any]:
    return dict(httpx.get(f"{url}/comfy/logs", params=query, timeout=DEADLINE).raise_for_status().json())


def test_reading_without_an_offset_gives_whole_lines_of_the_end(url: str, folder: Path) -> None:
    data = numbered(0, 10000)
    keeper_log(folder, rotate=30000).write(data)
    answer = get(url)
    assert answer["text"].startswith("line ")
    assert (answer["next"], answer["end"], answer["start"]) == (len(data), len(data), 0)
    assert 60000 < answer["next"] - answer["offset"] <= 65536
    assert answer["times"][0]["offset"] <= answer["offset"]
    again = get(url, offset=answer["offset"], limit=1000)
    assert again["text"] == answer["text"][:1000]


def test_reading_behind_the_end_answers_with_the_end_and_negative_offsets_are_refused(url: str, folder: Path) -> None:
    keeper_log(folder).write(b"abc\n")
    assert get(url, offset=10**12)["offset"] == 4
    assert get(url, offset=10**12)["text"] == ""
    assert httpx.get(f"{url}/comfy/logs", params={"offset": -1}).status_code == 422
    assert httpx.get(f"{url}/comfy/logs", params={"limit": 2**20 + 1}).status_code == 422


def test_reading_step_by_step_always_ends(url: str, folder: Path) -> None:
    (folder / "output.log").write_bytes("€€".encode() + b"\xff\xe2\x82")
    at, text = 0, ""
    while True:
        answer = get(url, offset=at, limit=4)
        if answer["next"] == at:
            break
        at, text = answer["next"], text + answer["text"]
    assert (at, text) == (9, "€€��")


def test_searching_over_http_goes_on_from_next(url: str, folder: Path) -> None:
    keeper_log(folder, rotate=4096).write(numbered(0, 2000))
    first = get(url, search="LINE 1", limit=10)
    assert len(first["matches"]) == 10
    assert not first["done"]
    rest = get(url, search="LINE 1", offset=first["next"], limit=1000)
    assert not {match["offset"] for match in first["matches"]} & {match["offset"] for match in rest["matches"]}
    assert get(url, search="LINE 1", case=True)["matches"] == []


def test_a_download_loses_nothing_while_the_log_rotates(url: str, folder: Path) -> None:
    data = numbered(0, 20000)
    keeper_log(folder, rotate=4096, keep=10).write(data)
    with httpx.stream("GET", f"{url}/comfy/logs/download", timeout=DEADLINE) as answer:
        thread = writing(folder, numbered(20000, 40000), rotate=4096, keep=10)
        body = answer.read()
        thread.join()
    assert data.endswith(body)
    assert len(body) == int(answer.headers["content-length"]) > 30000
    assert answer.headers["content-disposition"] == 'attachment; filename="comfy.log"'
    pinned = [fd for fd in Path("/proc/self/fd").iterdir() if str(folder) in os.path.realpath(fd)]
    assert len(pinned) < 10, "only the writers of this test still hold files"


def test_merged_lines_come_in_pages_until_there_are_none(url: str, folder: Path) -> None:
    keeper_log(folder).write(numbered(0, 100))
    address = f"{url.removesuffix('/instances')}/logs/merged"
    seen: list[int] = []
    query = {"instances": "1", "limit": "40"}
    while True:
        page = httpx.get(address, params=query).raise_for_status().json()
        assert page["ends"] == {"1": len(numbered(0, 100))}
        seen = [*numbers("\n".join(line["text"] for line in page["lines"])), *seen]
        if page["before"] is None:
            break
        query["before"] = page["before"]
    assert seen == [*range(100)]
    assert all(line["time"] > 1e9 for line in page["lines"])
    assert httpx.get(address, params={"instances": "1", "before": "5"}).json()["lines"] == []
    assert httpx.get(address, params={"instances": "1,7"}).status_code == 404
    for bad in (
        {"instances": ""},
        {"instances": "comfy"},
        {"instances": "1", "before": "x"},
        {"instances": "1", "limit": "0"},
    ):
        assert httpx.get(address, params=bad).status_code == 422
