"""Talks to a running AiKore over its HTTP interface, for the command line. Knows nothing of how it works inside."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator
from typing import Any, Literal, cast
from urllib.parse import quote, urljoin, urlsplit

import httpx

SETTLED = ("started", "stopped", "stalled", "error")
POLL = 0.2
"""Seconds between looks at an instance that is on its way."""
LOG_BLOCK = 2**20
RECONNECT = 30.0
"""Seconds a followed log may be away (the manager is being replaced) until following gives up."""
UNKNOWN_INSTANCE = 4404
LOOPBACK = ("127.0.0.1", "localhost", "::1")

Json = dict[str, Any]


class ClientError(Exception):
    """A request failed. ``exit_code`` is what a command ends with."""

    def __init__(self, message: str, exit_code: int = 1) -> None:
        super().__init__(message)
        self.exit_code = exit_code


class Client:
    """One AiKore: at ``url``, or on this machine behind the Unix ``socket`` of its manager.

    ``token`` proves who asks. The one of this machine goes through the socket only, which nobody else can open.
    """

    def __init__(self, url: str, token: str = "", socket: str | None = None) -> None:
        self.url = url.rstrip("/")
        self._socket = socket
        self._near = socket is not None or urlsplit(self.url).hostname in LOOPBACK
        self._headers = {"Authorization": f"Bearer {token}"} if token else {}
        try:
            self._http = httpx.Client(
                base_url=self.url if socket is None else "http://localhost",
                headers=self._headers,
                timeout=120,
                trust_env=not self._near,
                transport=httpx.HTTPTransport(uds=socket) if socket is not None else None,
            )
        except httpx.InvalidURL:
            raise ClientError(f"{url!r} is not an address; write it like http://127.0.0.1:9000", 2) from None

    def request(self, method: str, path: str, **options: Any) -> Any:
        """Send a request; return the JSON of its answer, None when it has none. Raises ClientError."""
        with self._explained():
            answer = self._http.request(method, path, **options)
        return self._checked(answer)

    def _explained(self) -> _Explained:
        return _Explained(self.url)

    def _checked(self, answer: httpx.Response) -> Any:
        is_json = "json" in answer.headers.get("content-type", "")
        body = answer.json() if is_json and answer.content else None
        if answer.is_success and (is_json or not answer.content):
            return body
        detail = body.get("detail") if isinstance(body, dict) else None
        fallback = f"{answer.url} answered {answer.status_code}; is AiKore there?"
        unknown = answer.status_code == httpx.codes.NOT_FOUND
        raise ClientError(detail or fallback, 4 if unknown and detail else 1)

    def instances(self) -> list[Json]:
        return cast("list[Json]", self.request("GET", "/api/instances"))

    def instance(self, name: str) -> Json:
        """Return one instance by its id, slug or shown name."""
        try:
            return cast(Json, self.request("GET", f"/api/instances/{quote(name, safe='')}"))
        except ClientError as error:
            if error.exit_code != 4 and name:
                raise
            named = [one for one in self.instances() if one["name"].casefold() == name.casefold()]
            if len(named) == 1:
                return named[0]
            raise

    def wish(self, name: str, wish: str) -> tuple[Json, int]:
        """Ask for start, stop or restart; return the instance and the run number it had before."""
        before = self.instance(name)
        return self.request("POST", f"/api/instances/{before['slug']}/{wish}"), int(before["run"])

    def settle(self, instance: Json, wish: str, run: int, progress: Callable[[Json], None]) -> Json:
        """Wait until the instance has come to rest; tell ``progress`` of every change."""
        shown, rested = "", 0
        while True:
            state = f"{instance['status']} {instance['status_detail']}"
            if state != shown:
                progress(instance)
                shown = state
            rested = rested + 1 if instance["status"] in SETTLED else 0
            between = wish == "restart" and int(instance["run"]) == run and instance["status"] in ("stopped", "started")
            if rested and (not between or rested > 10):
                return instance
            time.sleep(POLL)
            instance = self.instance(instance["slug"])

    def restart_manager(self) -> None:
        """Replace the manager alone and wait until the new one answers."""
        self.request("POST", "/api/system/restart")
        deadline, away = time.monotonic() + 30, False
        quiet = time.monotonic() + 3
        while time.monotonic() < deadline:
            try:
                self.request("GET", "/api/health", timeout=2)
            except ClientError:
                away = True
            else:
                if away or time.monotonic() > quiet:
                    return
            time.sleep(POLL)
        raise ClientError("The manager was told to restart and does not answer again; its log says why.")

    def address(self, instance: Json) -> str:
        """Return the address a browser opens for an instance."""
        return urljoin(self.url + "/", str(instance["url"]))

    def last_lines(self, slug: str, count: int) -> tuple[str, int]:
        """Return the last lines of a log and the offset behind them."""
        path = f"/api/instances/{slug}/logs"
        answer = self.request("GET", path, params={"limit": LOG_BLOCK})
        text, behind = answer["text"], int(answer["next"])
        lines = [line + "\n" for line in text.split("\n")]
        lines[-1] = lines[-1][:-1]
        lines = lines if lines[-1] else lines[:-1]
        if len(lines) < count and int(answer["offset"]) > int(answer["start"]):
            return "".join(deque(self._all_lines(slug, behind), maxlen=count)), behind
        return "".join(lines[-count:] if count else []), behind

    def _all_lines(self, slug: str, end: int) -> Iterator[str]:
        rest = ""
        for text, behind in self.stretches(slug):
            *lines, rest = (rest + text).split("\n")
            yield from (line + "\n" for line in lines)
            if behind >= end:
                break
        if rest:
            yield rest

    def stretches(self, slug: str) -> Iterator[tuple[str, int]]:
        """Yield the whole log that is kept, in order, each stretch with the offset behind it."""
        at = 0
        while True:
            answer = self.request("GET", f"/api/instances/{slug}/logs", params={"offset": at, "limit": LOG_BLOCK})
            if int(answer["next"]) <= at:
                return
            at = int(answer["next"])
            yield answer["text"], at

    def follow(self, slug: str, offset: int) -> Iterator[Json]:
        """Yield the frames of a log from ``offset`` on; goes on by itself when the manager was replaced."""
        import json

        from websockets.exceptions import ConnectionClosed, InvalidHandshake

        last_seen = time.monotonic()
        while True:
            try:
                with self._connect(f"/api/instances/{slug}/logs/stream?offset={offset}") as socket:
                    for message in socket:
                        last_seen = time.monotonic()
                        frame = json.loads(message)
                        offset = int(frame.get("next", offset))
                        yield frame
            except ConnectionClosed as error:
                if error.rcvd is not None and error.rcvd.code == UNKNOWN_INSTANCE:
                    raise ClientError("The instance was removed.", 4) from None
            except (OSError, InvalidHandshake):
                pass
            if time.monotonic() - last_seen > RECONNECT:
                raise ClientError(no_answer(self.url), 3)
            time.sleep(POLL)

    def _connect(self, path: str) -> Any:
        """Open a WebSocket."""
        from websockets.sync.client import connect, unix_connect

        if self._socket is not None:
            return unix_connect(self._socket, f"ws://localhost{path}", max_size=None, additional_headers=self._headers)
        address = "ws" + self.url.removeprefix("http") + path
        proxy: Literal[True] | None = None if self._near else True
        return connect(address, max_size=None, proxy=proxy, additional_headers=self._headers)


def no_answer(url: str) -> str:
    """Say that nobody answers, and what to do."""
    return f"AiKore does not answer at {url}; start it with `aikore serve`"


class _Explained:
    """Turns what a connection may fail with into a ClientError that says what to do."""

    def __init__(self, url: str) -> None:
        self._url = url

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: object) -> None:
        if isinstance(error, httpx.UnsupportedProtocol | httpx.InvalidURL):
            raise ClientError(f"{self._url!r} is not an address; write it like http://127.0.0.1:9000", 2) from None
        if isinstance(error, httpx.ConnectError | httpx.ConnectTimeout):
            raise ClientError(no_answer(self._url), 3) from None
        if isinstance(error, httpx.TransportError):
            raise ClientError(f"AiKore at {self._url} broke off: {error}. Try again.", 3) from None
