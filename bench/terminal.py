"""Terminals against terminado in the same run: key echo, bulk output to one reader, and what 50 idle ones cost.

terminado is installed into an environment of its own for this; both are asked over a WebSocket by the same client, with
no NGINX between, because terminado has none.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

import psutil
from websockets.sync.client import ClientConnection, connect, unix_connect

from tests.helpers.server import AiKoreServer, free_ports, wait_until

KEYS, ROUNDS, IDLE, SECONDS = 200, 5, 50, 10
BULK = 64 * 2**20
TERMINADO = "terminado==0.18.1"
SERVER = """
import sys, tornado.ioloop, tornado.web, terminado
manager = terminado.SingleTermManager(shell_command=["bash", "--norc"])
app = tornado.web.Application([(r"/ws", terminado.TermSocket, {"term_manager": manager})])
app.listen(int(sys.argv[1]), "127.0.0.1")
tornado.ioloop.IOLoop.current().start()
"""

Send = Callable[[str], None]
Receive = Callable[[], bytes]


def key_echo(send: Send, receive: Receive) -> float:
    """Return the median time until a typed key is echoed, in ms."""
    times = []
    for number in range(KEYS):
        key = "abcdefghij"[number % 10]
        began = time.perf_counter()
        send(key)
        while key.encode() not in receive():
            pass
        times.append((time.perf_counter() - began) * 1e3)
    send("\x15")
    return statistics.median(times)


def bulk(send: Send, receive: Receive) -> float:
    """Return how fast a flood of output arrives, in MB/s."""
    send(f"head -c {BULK} /dev/zero | tr '\\\\0' x; echo; echo do''ne\r")
    got, tail, began = 0, b"", 0.0
    while b"done" not in tail:
        piece = receive()
        began = began or time.perf_counter()
        got += len(piece)
        tail = (tail + piece)[-64:]
    return got / (time.perf_counter() - began) / 1e6


def ours(server: AiKoreServer) -> tuple[ClientConnection, Send, Receive]:
    socket = unix_connect(
        str(server.home / "run/manager.sock"), "ws://localhost/api/terminal", max_size=None, compression=None
    ).__enter__()
    got = 0

    def receive() -> bytes:
        nonlocal got
        while isinstance(frame := socket.recv(30), str):
            pass
        got += len(frame)
        return frame

    return socket, lambda text: socket.send(text.encode()), receive


def theirs(port: int) -> tuple[ClientConnection, Send, Receive]:
    socket = connect(f"ws://127.0.0.1:{port}/ws", max_size=None, proxy=None, compression=None).__enter__()

    def receive() -> bytes:
        while True:
            kind, *rest = json.loads(socket.recv(30))
            if kind == "stdout":
                return str(rest[0]).encode()

    return socket, lambda text: socket.send(json.dumps(["stdin", text])), receive


def start_terminado(folder: Path) -> tuple[int, subprocess.Popen[bytes]]:
    python = folder / "venv/bin/python"
    subprocess.run([sys.executable, "-m", "venv", folder / "venv"], check=True)
    subprocess.run([python, "-m", "pip", "install", "-q", "--disable-pip-version-check", TERMINADO], check=True)
    (port,) = free_ports(1)
    process = subprocess.Popen([python, "-c", SERVER, str(port)])

    def answers() -> bool:
        return any(c.laddr.port == port for c in psutil.Process(process.pid).net_connections() if c.status == "LISTEN")

    wait_until(answers, 20)
    return port, process


def idle_cost(server: AiKoreServer) -> float:
    """Return the CPU of the manager with many idle terminals, in percent of a core."""
    sockets = [ours(server)[0] for _ in range(IDLE)]
    assert server.process is not None
    manager = psutil.Process(server.process.pid)
    time.sleep(3)
    before = sum(manager.cpu_times()[:2])
    time.sleep(SECONDS)
    spent = (sum(manager.cpu_times()[:2]) - before) / SECONDS * 100
    for socket in sockets:
        socket.close()
    return spent


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        port, terminado = start_terminado(Path(folder))
        server = AiKoreServer(Path(folder) / "home")
        server.variables["HOME"] = folder
        try:
            server.start()
            measure(server, port)
            print(f"{IDLE} idle terminals: {idle_cost(server):.2f}% of a core")
        finally:
            terminado.kill()
            terminado.wait()
            server.clean_up()


def measure(server: AiKoreServer, port: int) -> None:
    sides = {"aikore": ours(server), "terminado": theirs(port)}
    time.sleep(2)  # both shells have shown their prompt
    for _, send, _ in sides.values():
        send("\x15")
    for what, test, unit, promise in (
        ("key echo", key_echo, "ms", "<= 1.2"),
        ("bulk output", bulk, "MB/s", ">= 2.2"),
    ):
        found: dict[str, list[float]] = {name: [] for name in sides}
        for number in range(ROUNDS):
            for name in sides if number % 2 else reversed(sides):
                found[name].append(test(*sides[name][1:]))
        own, other = (statistics.median(found[name]) for name in ("aikore", "terminado"))
        print(f"{what}: {own:.2f} {unit}, terminado {other:.2f} {unit}, ratio {own / other:.2f} (promised {promise})")


if __name__ == "__main__":
    main()
