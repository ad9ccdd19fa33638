"""Terminals: real shells on real pseudo-terminals behind the real door."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from tests.helpers.server import AiKoreServer, wait_until
from tests.helpers.terminal import Terminal

Factory = Callable[..., AiKoreServer]


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AiKoreServer]:
    server = AiKoreServer(tmp_path_factory.mktemp("terminals") / "home", terminal_scrollback=262144)
    server.variables["HOME"] = str(server.home)  # nobody's own shell files
    try:
        server.start()
        server.blueprint("sleeper", "sleep 1000", ready="process")
        server.create("Mein Bär", "sleeper", environment={"OWN": "mine"}, gpu_ids=[])
        yield server
    finally:
        server.clean_up()


@pytest.fixture
def terminal(house: AiKoreServer) -> Iterator[Terminal]:
    opened = Terminal(house, "/api/instances/mein-bar/terminal")
    yield opened
    opened.close()
    house.http.delete(f"/api/terminals/{opened.id}")


def alive(mark: str) -> list[int]:
    found = []
    for process in psutil.process_iter():
        try:
            if mark in " ".join(process.cmdline()) and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process.pid)
        except psutil.Error:
            continue
    return found


# Where it is -----------------------------------------------------------------------------------------------------


def test_a_terminal_is_in_the_folder_and_the_environment_of_its_instance(
    house: AiKoreServer, terminal: Terminal
) -> None:
    assert terminal.run("pwd").strip() == str(house.home / "instances/mein-bar")
    assert terminal.run("echo $OWN $CUDA_VISIBLE_DEVICES. $SUBFOLDER $TERM $COLORTERM").split() == [
        "mine", ".", "/app/mein-bar/", "xterm-256color", "truecolor",
    ]  # fmt: skip
    assert "AIKORE_PASSWORD" not in terminal.run("env")


def test_a_terminal_has_the_python_environment_of_its_instance(house: AiKoreServer) -> None:
    env = house.home / "instances/mein-bar/env/bin"
    env.mkdir(parents=True)
    (env / "activate").write_text('export VIRTUAL_ENV="$INSTANCE_CONF_DIR/env"; PATH="$VIRTUAL_ENV/bin:$PATH"\n')
    opened = Terminal(house, "/api/instances/mein-bar/terminal")
    assert opened.run('echo "${PATH%%:*}"').strip() == str(env)
    opened.send("exit\r")


def test_a_terminal_has_the_conda_environment_of_its_instance(house: AiKoreServer) -> None:
    slug = house.create("Conda", "Static")["slug"]
    env = house.home / "instances" / slug / "env"
    (env / "bin").mkdir(parents=True)
    (env / "conda-meta").mkdir()  # what makes a folder an environment of conda
    opened = Terminal(house, f"/api/instances/{slug}/terminal")
    assert opened.run('echo "${PATH%%:*} $CONDA_PREFIX"').split() == [str(env / "bin"), str(env)]
    opened.send("exit\r")


def test_a_terminal_of_aikore_itself_is_in_the_data_folder(house: AiKoreServer) -> None:
    opened = Terminal(house)
    assert opened.run("pwd").strip() == str(house.home)
    opened.send("exit 3\r")
    opened.wait(lambda: opened.closed, "it closes")
    assert (opened.closed, opened.controls[-1]) == (4410, {"type": "exit", "code": 3})
    assert opened.id not in [one["id"] for one in house.http.get("/api/terminals").json()]


def test_an_unknown_instance_or_terminal_is_told(house: AiKoreServer) -> None:
    for path, query in (("/api/instances/nobody/terminal", {}), ("/api/terminal", {"session": "nobody"})):
        with pytest.raises(AssertionError, match="closed with 4404"):
            Terminal(house, path, **query)


# What works in it -----------------------------------------------------------------------------------------------


def test_size_changes_reach_the_program_at_once(terminal: Terminal) -> None:
    assert terminal.run("stty size").split() == ["24", "80"]
    terminal.control(type="resize", columns=132, rows=50)
    terminal.wait(lambda: any(c["type"] == "resize" for c in terminal.controls))
    assert terminal.run("stty size").split() == ["50", "132"]


def test_colours_unicode_and_emoji_arrive_as_they_are(terminal: Terminal) -> None:
    text = terminal.run("printf '\\e[38;2;1;2;3mtrue\\e[0m \\e[38;5;200m256\\e[0m Bär 日本 🎨'")
    assert text.strip() == "true 256 Bär 日本 🎨"
    assert b"\x1b[38;2;1;2;3mtrue" in terminal.output


def test_a_full_screen_editor_works(terminal: Terminal, tmp_path: Path) -> None:
    file = tmp_path / "note.txt"
    terminal.run("cd /tmp")
    terminal.send(f"vi -u NONE {file}\r")
    terminal.wait(lambda: "~" in terminal.screen.display[5][:1] or "ENTER" in terminal.text, "the editor shows")
    terminal.send("\r")
    terminal.wait(lambda: "~" in terminal.screen.display[5][:1], "the editor fills the screen")
    terminal.send("iwritten in the terminal\x1b:wq\r")
    wait_until(lambda: file.exists() and file.read_text() == "written in the terminal\n", 10)
    assert terminal.run("echo back").strip() == "back"


@pytest.mark.parametrize(("program", "column"), [("top", "%CPU"), ("htop", "CPU%")])
def test_a_full_screen_monitor_draws_its_table_and_ends_with_q(terminal: Terminal, program: str, column: str) -> None:
    terminal.send(f"{program}\r")
    terminal.wait(lambda: "PID" in terminal.text and column in terminal.text, f"{program} shows its table")
    before = len(terminal.output)
    terminal.send("q")
    terminal.wait(lambda: b"# " in terminal.output[before:] or b"$ " in terminal.output[before:], "the prompt is back")
    assert terminal.run("echo back").strip() == "back"


def test_mouse_reports_and_bracketed_paste_pass_in_both_directions(terminal: Terminal) -> None:
    terminal.send("printf '\\e[?1000h\\e[?1006h\\e[?2004h'; stty -icanon -echo; head -c 9 | od -An -tx1; stty sane\r")
    terminal.wait(lambda: b"\x1b[?1006h" in terminal.output, "the program asks for the mouse")
    terminal.send(b"\x1b[<0;5;7M")
    terminal.wait(lambda: b"1b 5b 3c 30 3b 35 3b 37 4d" in terminal.output, "the report arrives")


def test_control_c_interrupts_the_foreground_command(terminal: Terminal) -> None:
    terminal.send("sleep 1000\r")
    wait_until(lambda: "sleep 1000" in command(terminal), 10)
    terminal.send("\x03")
    assert terminal.run("echo back").strip() == "back"


def command(terminal: Terminal) -> str:
    terminal.take(0.01)
    found = [one for one in HTTP(terminal) if one["id"] == terminal.id]
    return str(found[0]["command"]) if found else ""


def HTTP(terminal: Terminal) -> list[dict[str, str]]:
    import httpx

    host, port = terminal.socket.remote_address[:2]
    return list(httpx.get(f"http://{host}:{port}/api/terminals", trust_env=False).json())


def test_a_megabyte_pasted_arrives_whole_and_in_order(terminal: Terminal, tmp_path: Path) -> None:
    data = "".join(f"{number:09d}\n" for number in range(104_858)).encode()
    file = tmp_path / "pasted"
    terminal.run("stty -echo")
    terminal.send(f"head -c {len(data)} > {file}; echo pas''ted\r")
    wait_until(lambda: file.exists(), 10)
    for at in range(0, len(data), 300_000):
        terminal.send(data[at : at + 300_000])
    terminal.wait(lambda: b"pasted\r\n" in terminal.output, "all of it is read", 60)
    assert file.read_bytes() == data


def test_text_frames_are_controls_and_never_keystrokes(terminal: Terminal) -> None:
    terminal.send(b'{"type":"resize","columns":10,"rows":10}')  # bytes are bytes, whatever they look like
    terminal.send("\x15")
    assert terminal.run("stty size").split() == ["24", "80"]
    terminal.socket.send("ls\r")
    terminal.wait(lambda: terminal.closed, "a text frame that is no control closes the socket")
    assert terminal.closed == 4400


# Viewers come and go --------------------------------------------------------------------------------------------


def test_a_viewer_who_comes_back_goes_on_at_the_byte_where_he_left(house: AiKoreServer, terminal: Terminal) -> None:
    terminal.run("echo before")
    left = terminal.next
    terminal.socket.close()
    again = Terminal(house, "/api/instances/mein-bar/terminal", session=terminal.id, offset=left)
    assert (again.started["offset"], again.started["reset"]) == (left, False)
    assert again.run("echo after").strip() == "after"
    fresh = Terminal(house, "/api/instances/mein-bar/terminal", session=terminal.id)
    fresh.wait(lambda: b"after\r\n" in fresh.output, "a new viewer gets what is kept")
    assert fresh.started["reset"] is True
    assert fresh.started["end"] >= left, "what is history is told: a query in it is not to be answered again"
    assert fresh.output[: left - fresh.offset] == terminal.output[fresh.offset - terminal.offset :]
    again.close(), fresh.close()


def test_the_smallest_of_several_viewers_gives_the_size(house: AiKoreServer, terminal: Terminal) -> None:
    terminal.control(type="resize", columns=120, rows=40)
    other = Terminal(house, "/api/instances/mein-bar/terminal", session=terminal.id)
    other.control(type="resize", columns=90, rows=60)
    terminal.wait(lambda: terminal.controls[-1].get("columns") == 90)
    assert terminal.run("stty size").split() == ["40", "90"]
    other.close()
    terminal.wait(lambda: terminal.controls[-1].get("columns") == 120, "who stays gets his size back")


def test_terminals_are_listed_named_and_ended_with_all_they_started(house: AiKoreServer) -> None:
    opened = Terminal(house, "/api/instances/mein-bar/terminal")
    opened.run("nohup setsid sleep 7171 >/dev/null 2>&1 & sleep 7172 & trap '' HUP INT TERM; echo ready")
    listed = {one["id"]: one for one in house.http.get("/api/terminals").json()}[opened.id]
    assert listed["instance"] == house.get("mein-bar")["id"] and listed["viewers"] == 1 and "bash" in listed["command"]
    renamed = house.http.patch(f"/api/terminals/{opened.id}", json={"name": "Training"})
    assert renamed.json()["name"] == "Training"
    wait_until(lambda: alive("sleep 7171") and alive("sleep 7172"))
    assert house.http.delete(f"/api/terminals/{opened.id}").status_code == 204
    assert not alive("sleep 7171") and not alive("sleep 7172")
    opened.wait(lambda: opened.closed, "its viewers are told")
    assert house.http.delete(f"/api/terminals/{opened.id}").status_code == 404


def test_a_terminal_nobody_looks_at_ends_after_the_settable_time(aikore_factory: Factory) -> None:
    server = aikore_factory(terminal_idle=1)
    server.variables["HOME"] = str(server.home)
    server.start()
    opened = Terminal(server)
    opened.run("nohup setsid sleep 7173 >/dev/null 2>&1 & echo ready")
    time.sleep(2)  # longer than the idle time: who looks keeps it
    assert opened.run("echo still here").strip() == "still here"
    opened.close()
    wait_until(lambda: server.http.get("/api/terminals").json() == [], 10)
    wait_until(lambda: not alive("sleep 7173"), 10)


def test_a_restart_and_the_end_of_the_manager_leave_no_program_of_a_terminal(aikore_factory: Factory) -> None:
    server = aikore_factory()
    server.variables["HOME"] = str(server.home)
    server.start()
    opened = Terminal(server)
    opened.run("nohup setsid sleep 7174 >/dev/null 2>&1 & echo ready")
    assert server.stop() == 0
    assert not alive("sleep 7174")


# Flow control ---------------------------------------------------------------------------------------------------


def test_memory_stays_flat_while_a_terminal_prints_for_ever(house: AiKoreServer) -> None:
    assert house.process is not None
    manager = psutil.Process(house.process.pid)
    opened = Terminal(house, draw=False)
    opened.send("yes\r")
    opened.wait(lambda: len(opened.output) > 2_000_000, "it prints")
    before = manager.memory_info().rss
    opened.socket.close()  # nobody there: it runs free
    until = time.monotonic() + 3
    while time.monotonic() < until:
        assert manager.memory_info().rss < before + 30 * 2**20
        time.sleep(0.1)  # between looks
    house.http.delete(f"/api/terminals/{opened.id}")


def test_a_viewer_who_reads_nothing_slows_nobody_and_is_sent_on(house: AiKoreServer) -> None:
    quick = Terminal(house, draw=False)
    slow = Terminal(house, draw=False, session=quick.id)
    slow.control(type="ack", offset=slow.next)  # it has shown this much, and says no more
    quick.send("seq 1 400000\r")
    quick.wait(lambda: b"\n400000\r\n" in quick.output[-200:], "the quick one gets all", 60)
    lines = [int(line) for line in quick.output.split(b"\r\n") if line.isdigit()]
    assert lines == list(range(2, 400_001)), "the first one follows the prompt's own bytes"
    slow.control(type="ack", offset=quick.next)
    slow.wait(lambda: b"\n400000\r\n" in slow.output[-200:], "the slow one catches up", 60)
    assert any(control["type"] == "reset" for control in slow.controls), "what it missed was gone"
    house.http.delete(f"/api/terminals/{quick.id}")


def test_the_fastest_viewer_paces_the_program(house: AiKoreServer) -> None:
    viewer = Terminal(house, draw=False)
    viewer.control(type="ack", offset=viewer.next)
    file = house.home / "counted"
    viewer.send(f"i=0; while :; do i=$((i+1)); echo $i > {file}; printf '%01000d\\n' 0; done\r")
    wait_until(lambda: file.exists() and (file.read_text().strip() or "0") != "0", 10)

    def stands_still() -> bool:
        first = file.read_text()
        time.sleep(0.5)  # a program that runs counts on meanwhile
        return bool(first.strip()) and first == file.read_text()

    wait_until(stands_still, 30, "the program waits for its viewer")
    viewer.wait(lambda: not viewer.take(0.3), "takes what is on its way")
    viewer.control(type="ack", offset=viewer.next)
    wait_until(lambda: not stands_still(), 10, "and goes on when he has read")
    house.http.delete(f"/api/terminals/{viewer.id}")


def test_removing_an_instance_ends_its_terminals(house: AiKoreServer) -> None:
    house.create("Passing", "sleeper")
    opened = Terminal(house, "/api/instances/passing/terminal")
    opened.run("nohup setsid sleep 7175 >/dev/null 2>&1 & echo ready")
    house.http.delete("/api/instances/passing").raise_for_status()
    wait_until(lambda: not alive("sleep 7175"), 10)
    opened.wait(lambda: opened.closed, "its viewer is told")


def test_there_is_a_limit_of_terminals(aikore_factory: Factory) -> None:
    server = aikore_factory(terminals=1).start()
    kept = Terminal(server)
    with pytest.raises(AssertionError, match="closed with 4409"):
        Terminal(server)
    kept.send("exit\r")
