"""The files of instances: through the routes, on a real disk, against people and programs that mean harm."""

from __future__ import annotations

import io
import os
import resource
import socket
import subprocess
import threading
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from aikore.base import problems
from aikore.base.errors import NotFoundError
from aikore.config import Settings
from aikore.files.api import router
from tests.helpers.access import invite, set_up
from tests.helpers.server import HTTP_APP, AiKoreServer, wait_until
from tests.helpers.web import LetIn, served


class Files:
    """The routes of files over one instance called ``web``."""

    def __init__(self, url: str, home: Path) -> None:
        self.home = home
        self.folder = home / "instances" / "web"
        self.http = httpx.Client(base_url=url, timeout=60, trust_env=False)

    def ask(self, method: str, what: str = "", **options: Any) -> httpx.Response:
        query = {
            key: options.pop(key)
            for key in ("path", "place", "offset", "limit", "overwrite", "permanent")
            if key in options
        }
        return self.http.request(method, f"/api/instances/web/files{what}", params=query, **options)

    def names(self, path: str = "", **query: Any) -> list[str]:
        listed = self.ask("GET", path=path, **query)
        assert listed.status_code == 200, listed.text
        return [entry["name"] for entry in listed.json()["entries"]]

    def leftovers(self) -> list[str]:
        return [str(path) for path in self.home.rglob(".aikore-*.part")]


@pytest.fixture
def files(tmp_path: Path) -> Iterator[Files]:
    settings = Settings(home=tmp_path / "home", disk_reserve_bytes=0)
    for folder in (settings.instances_dir / "web" / "logs", settings.outputs_dir / "web"):
        folder.mkdir(parents=True)
    (settings.instances_dir / "web" / "launch.sh").write_text("echo hello\n")

    def identify(key: str) -> tuple[int, str]:
        if key != "web":
            raise NotFoundError("There is no such instance.")
        return 1, "web"

    app = FastAPI()
    problems.install(app)
    app.include_router(router(settings, identify))
    app.add_middleware(LetIn)
    with served(app) as url:
        yield Files(url, settings.home)


def code(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["code"]


def test_a_folder_is_listed_with_what_lies_in_it(files: Files) -> None:
    (files.folder / "b.txt").write_text("12345")
    (files.folder / "A.txt").touch()
    (files.folder / "models").symlink_to("/somewhere/else")
    os.mkfifo(files.folder / "pipe")
    (files.folder / "<img src=x>\u202e").touch()
    Path(os.fsdecode(os.fsencode(files.folder) + b"/\xff\xfe")).touch()
    answer = files.ask("GET").json()
    assert (answer["place"], answer["path"], answer["total"], answer["more"]) == ("instance", "", 8, False)
    found = {entry["name"]: entry for entry in answer["entries"]}
    assert next(iter(found)) == "logs"
    assert (found["b.txt"]["kind"], found["b.txt"]["size"]) == ("file", 5)
    assert (found["models"]["kind"], found["models"]["target"]) == ("link", "/somewhere/else")
    assert found["pipe"]["kind"] == "other"
    assert found["<img src=x>\u202e"]["reachable"]
    assert [entry["name"] for entry in answer["entries"] if not entry["reachable"]] == ["\ufffd\ufffd"]
    assert files.names(place="outputs") == []
    assert code(files.ask("GET", path="nothing")) == (404, "not_found")
    assert files.http.get("/api/instances/other/files").status_code == 404


def test_a_hundred_thousand_entries_come_in_pages(files: Files) -> None:
    many = files.folder / "many"
    many.mkdir()
    fd = os.open(many, os.O_RDONLY)
    for number in range(100_000):
        os.close(os.open(f"{number:06}", os.O_CREAT | os.O_WRONLY, dir_fd=fd))
    os.close(fd)
    first = files.ask("GET", path="many", limit=2000)
    assert first.json()["total"] == 100_000
    assert len(first.json()["entries"]) == 2000
    assert len(first.content) < 400_000
    assert files.names("many", offset=99_998) == ["099998", "099999"]
    assert files.names("many", offset=100_000) == []
    assert files.ask("GET", limit=2001).status_code == 422


def test_a_text_is_read_and_saved_by_version_and_keeps_its_mode(files: Files) -> None:
    path = files.folder / "run.sh"
    path.write_text("echo 1\r\n")
    path.chmod(0o750)
    read = files.ask("GET", "/text", path="run.sh")
    assert read.json()["content"] == "echo 1\r\n"
    tag = read.headers["etag"]
    saved = files.ask("PUT", "/text", path="run.sh", json={"content": "echo 2\n"}, headers={"If-Match": tag})
    assert (saved.status_code, path.read_text(), path.stat().st_mode & 0o777) == (200, "echo 2\n", 0o750)
    stale = files.ask("PUT", "/text", path="run.sh", json={"content": "lost"}, headers={"If-Match": tag})
    assert (code(stale), path.read_text()) == ((412, "stale"), "echo 2\n")
    assert code(files.ask("PUT", "/text", path="run.sh", json={"content": "x"})) == (409, "conflict")
    new_tag = saved.headers["etag"]
    assert files.ask("GET", "/text", path="run.sh").headers["etag"] == new_tag
    assert files.ask("PUT", "/text", path="new.txt", json={"content": "ä"}).status_code == 200
    gone = files.ask("PUT", "/text", path="gone.txt", json={"content": "x"}, headers={"If-Match": new_tag})
    assert code(gone) == (412, "stale")
    (files.folder / "binary").write_bytes(b"\xff\x00")
    (files.folder / "long").write_bytes(b"x" * (2 * 2**20 + 1))
    for name in ("binary", "long"):
        assert code(files.ask("GET", "/text", path=name)) == (422, "invalid")
    assert files.leftovers() == []


BAD_PATHS = ["..", "../web2", "a/../../x", ".", "a//b", "/etc/passwd", "a/", "x" * 256, "a\0b", "/".join("a" * 65)]


@pytest.mark.parametrize("path", BAD_PATHS)
def test_a_path_that_is_none_is_refused_everywhere(files: Files, path: str) -> None:
    answers = [
        files.ask("GET", path=path),
        files.ask("GET", "/text", path=path),
        files.ask("GET", "/content", path=path),
        files.ask("PUT", "/text", path=path, json={"content": ""}),
        files.ask("PUT", "/content", path=path, content=b""),
        files.ask("POST", "/folder", json={"path": path}),
        files.ask("POST", "/move", json={"path": "launch.txt", "to": path}),
        files.ask("DELETE", path=path),
    ]
    assert {code(answer) for answer in answers} == {(422, "invalid_path")}


@pytest.mark.parametrize("name", ["a\nb", "\u202egpj.exe", " x", "x ", "\x1b[31m"])
def test_a_new_name_must_be_showable(files: Files, name: str) -> None:
    assert code(files.ask("POST", "/folder", json={"path": name})) == (422, "invalid_path")
    for tag in ({}, {"If-Match": "*"}):
        saved = files.ask("PUT", "/text", path=name, json={"content": ""}, headers=tag)
        assert code(saved) == (422, "invalid_path")
    (files.folder / name).touch()
    assert files.ask("PUT", "/text", path=name, json={"content": "x"}, headers={"If-Match": "*"}).status_code == 200
    assert files.ask("POST", "/move", json={"path": name, "to": "good"}).json()["name"] == "good"


def test_no_link_is_ever_followed(files: Files, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "secret").write_text("secret")
    (files.folder / "out").symlink_to(outside)
    (files.folder / "secret").symlink_to(outside / "secret")
    (files.folder / "real").mkdir()
    for path in ("out", "out/secret", "secret"):
        for answer in (
            files.ask("GET", "/text", path=path),
            files.ask("GET", "/content", path=path),
            files.ask("PUT", "/text", path=path, json={"content": "x"}, headers={"If-Match": "*"}),
            files.ask("PUT", "/content", path=path, content=b"x", overwrite=True),
        ):
            assert answer.status_code in (409, 422), answer.text
    assert code(files.ask("GET", path="out")) == (422, "invalid_path")
    assert code(files.ask("POST", "/folder", json={"path": "out/x"})) == (422, "invalid_path")
    assert code(files.ask("POST", "/move", json={"path": "real", "to": "out/real"})) == (422, "invalid_path")
    assert code(files.ask("DELETE", path="out/secret")) == (422, "invalid_path")
    assert b"secret" not in files.ask("GET", "/content").content.replace(b"/secret", b"")
    assert files.ask("DELETE", path="out").json()["kind"] == "link"
    assert files.ask("DELETE", path="secret", permanent=True).status_code == 204
    assert (outside / "secret").read_text() == "secret"
    assert [path.name for path in outside.iterdir()] == ["secret"]


def test_a_folder_that_becomes_a_link_under_our_hands_leads_nowhere(files: Files, tmp_path: Path) -> None:
    """A program swaps a folder for a link as fast as it can; not one file may land outside."""
    outside = tmp_path / "outside"
    outside.mkdir()
    swapped, real = files.folder / "swapped", files.folder / "real"
    swapped.mkdir()
    done = threading.Event()

    def swap() -> None:
        while not done.is_set():
            swapped.rename(real)
            swapped.symlink_to(outside)
            swapped.unlink()
            real.rename(swapped)

    swapper = threading.Thread(target=swap)
    swapper.start()
    try:
        codes = {files.ask("PUT", "/content", path=f"swapped/{n}", content=b"x").status_code for n in range(150)}
    finally:
        done.set()
        swapper.join()
    assert codes <= {201, 404, 422}
    assert list(outside.iterdir()) == []
    assert files.leftovers() == []


def test_what_aikore_relies_on_is_read_only(files: Files) -> None:
    for path in ("launch.sh", "logs", "logs/output.log", "run.lock", "run.json"):
        for answer in (
            files.ask("DELETE", path=path),
            files.ask("PUT", "/content", path=path, content=b"", overwrite=True),
            files.ask("PUT", "/text", path=path, json={"content": ""}, headers={"If-Match": "*"}),
            files.ask("POST", "/move", json={"path": path, "to": "elsewhere"}),
        ):
            assert code(answer) == (409, "read_only")
    assert files.ask("GET", "/text", path="launch.sh").json()["content"] == "echo hello\n"
    assert files.ask("PUT", "/content", path="logs", content=b"x", place="outputs").status_code == 201


def test_an_upload_is_streamed_and_never_replaces_unless_told(files: Files) -> None:
    size = 64 * 2**20

    def body() -> Iterator[bytes]:
        for _ in range(size // 2**20):
            yield b"\7" * 2**20

    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    made = files.ask("PUT", "/content", path="big.bin", content=body())
    assert (made.status_code, made.json()["size"]) == (201, size)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 40 * 1024
    assert code(files.ask("PUT", "/content", path="big.bin", content=b"no")) == (409, "conflict")
    assert (files.folder / "big.bin").stat().st_size == size
    (files.folder / "big.bin").chmod(0o600)
    assert files.ask("PUT", "/content", path="big.bin", content=b"yes", overwrite=True).status_code == 201
    assert (files.folder / "big.bin").read_bytes() == b"yes"
    assert (files.folder / "big.bin").stat().st_mode & 0o777 == 0o600
    assert code(files.ask("PUT", "/content", path="none/x", content=b"")) == (404, "not_found")
    assert files.leftovers() == []


def unfinished(home: Path) -> list[str]:
    """Return the files this process (the server runs in it) holds open below a home."""
    found = []
    for fd in os.listdir("/proc/self/fd"):
        with suppress(OSError):
            target = os.readlink(f"/proc/self/fd/{fd}")
            if target.startswith(f"{home}/") and not Path(target).is_dir():
                found.append(target)
    return found


@pytest.mark.parametrize("nameless", [True, False])
def test_an_upload_that_breaks_off_leaves_nothing(
    files: Files, nameless: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not nameless:
        monkeypatch.setattr(os, "O_TMPFILE", os.O_DIRECTORY)  # what a disk that cannot do it makes of the flag
    url = httpx.URL(files.http.base_url)
    with socket.create_connection((url.host, url.port or 0)) as client:
        head = "PUT /api/instances/web/files/content?path=half HTTP/1.1\r\nHost: x\r\nContent-Length: 9000000\r\n\r\n"
        client.sendall(head.encode() + b"x" * 3_000_000)
        wait_until(lambda: unfinished(files.home))
        assert bool(files.leftovers()) != nameless
    wait_until(lambda: not unfinished(files.home))
    assert files.leftovers() == []
    assert "half" not in files.names()
    assert files.ask("PUT", "/content", path="whole", content=b"whole").status_code == 201
    assert (files.folder / "whole").read_text() == "whole"
    assert files.leftovers() == []


def test_a_download_is_a_file_to_be_saved(files: Files) -> None:
    (files.folder / 'pägé "x".html').write_text("<script>alert(1)</script>")
    answer = files.ask("GET", "/content", path='pägé "x".html')
    assert answer.text == "<script>alert(1)</script>"
    assert answer.headers["content-disposition"] == "attachment; filename*=UTF-8''p%C3%A4g%C3%A9%20%22x%22.html"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["content-type"] == "application/octet-stream"


def test_a_part_of_a_file_is_downloaded_by_range(files: Files) -> None:
    (files.folder / "video").write_bytes(b"0123456789")

    def part(asked: str, **headers: str) -> tuple[int, str, str | None]:
        answer = files.ask("GET", "/content", path="video", headers={"Range": asked, **headers})
        return answer.status_code, answer.text, answer.headers.get("content-range")

    assert part("bytes=2-4") == (206, "234", "bytes 2-4/10")
    assert part("bytes=7-") == (206, "789", "bytes 7-9/10")
    assert part("bytes=-3") == (206, "789", "bytes 7-9/10")
    assert part("bytes=0-99") == (206, "0123456789", "bytes 0-9/10")
    for whole in ("bytes=4-2", "bytes=-", "bytes=0-1,3-4", "lines=1-2", "x"):
        assert part(whole) == (200, "0123456789", None)
    assert part("bytes=10-")[0] == 416
    tag = files.ask("GET", "/content", path="video").headers["etag"]
    assert part("bytes=2-4", **{"If-Range": tag})[0] == 206
    assert part("bytes=2-4", **{"If-Range": '"another"'})[0] == 200
    wait_until(lambda: not unfinished(files.home), what="nothing stays open")


def test_a_folder_comes_as_a_zip_archive(files: Files) -> None:
    (files.folder / "data/empty").mkdir(parents=True)
    (files.folder / "data/a.txt").write_text("a" * 300_000)
    (files.folder / "data/link").symlink_to("/etc/passwd")
    (files.folder / "data/sub").mkdir()
    (files.folder / "data/sub/b").touch()
    os.utime(files.folder / "data/sub/b", (0, 0))
    answer = files.ask("GET", "/content", path="data")
    assert "data.zip" in answer.headers["content-disposition"]
    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        assert archive.testzip() is None
        assert sorted(archive.namelist()) == ["a.txt", "empty/", "sub/b"]
        assert archive.read("a.txt") == b"a" * 300_000
    assert "web.zip" in files.ask("GET", "/content").headers["content-disposition"]


def test_moving_never_replaces(files: Files) -> None:
    for name in ("a", "b"):
        (files.folder / name).write_text(name)
    (files.folder / "sub/inner").mkdir(parents=True)

    def move(path: str, to: str) -> httpx.Response:
        return files.ask("POST", "/move", json={"path": path, "to": to})

    assert code(move("a", "b")) == (409, "conflict")
    assert code(move("a", "sub")) == (409, "conflict")
    assert code(move("sub", "sub/inner/x")) == (422, "invalid_path")
    assert code(move("nothing", "x")) == (404, "not_found")
    assert move("a", "sub/inner/A").json()["name"] == "A"
    assert (files.folder / "sub/inner/A").read_text() == "a"
    assert (files.folder / "b").read_text() == "b"
    assert code(files.ask("POST", "/folder", json={"path": "sub"})) == (409, "conflict")
    assert files.ask("POST", "/folder", json={"path": "sub/new"}).status_code == 201


def test_what_is_deleted_can_be_brought_back(files: Files) -> None:
    (files.folder / "sub/deep").mkdir(parents=True)
    (files.folder / "sub/deep/x").write_text("x")
    (files.home / "outputs/web/image.png").write_text("png")
    assert files.ask("GET", "/trash").json() == []
    thrown = [
        files.ask("DELETE", path="sub/deep").json(),
        files.ask("DELETE", path="image.png", place="outputs").json(),
    ]
    assert files.ask("DELETE", path="sub", permanent=True).status_code == 204
    assert files.names() == ["logs", "launch.sh"], "the trash itself is not shown"
    image, deep = files.ask("GET", "/trash").json()
    assert [deep, image] == thrown
    assert (image["place"], image["path"], image["size"]) == ("outputs", "image.png", 3)
    assert (deep["path"], deep["kind"]) == ("sub/deep", "folder")
    assert files.ask("POST", f"/trash/{deep['id']}/restore").status_code == 200
    assert (files.folder / "sub/deep/x").read_text() == "x"
    (files.home / "outputs/web/image.png").write_text("another")
    assert code(files.ask("POST", f"/trash/{image['id']}/restore")) == (409, "conflict")
    assert files.ask("DELETE", f"/trash/{image['id']}").status_code == 204
    assert files.ask("GET", "/trash").json() == []
    for entry in (image["id"], "x"):
        assert code(files.ask("DELETE", f"/trash/{entry}")) == (404, "not_found")
    assert code(files.ask("DELETE", path=".aikore-trash")) == (409, "read_only")


def test_operators_read_and_admins_write_through_the_whole_house(aikore_factory: Callable[..., AiKoreServer]) -> None:
    aikore = aikore_factory(auth="on").start()
    owner = set_up(aikore)
    aikore.blueprint("web", HTTP_APP)
    aikore.create("w", "web")
    people = {role: invite(owner, aikore, role, role) for role in ("viewer", "operator", "admin")}
    statuses = {
        role: (
            person.get("/api/instances/w/files").status_code,
            person.put("/api/instances/w/files/content?path=x", content=b"x" * 3_000_000).status_code,
        )
        for role, person in people.items()
    }
    assert statuses == {"viewer": (403, 403), "operator": (200, 403), "admin": (200, 201)}
    again = people["admin"].put("/api/instances/w/files/content?path=x", content=b"y" * 9_000_000)
    assert code(again) == (409, "conflict"), "NGINX hands the refusal on though the body was not read"
    noted = people["admin"].get("/api/auth/audit").json()[0]
    assert (noted["action"], noted["target"], noted["status"], noted["detail"]) == ("upload_file", "w", 409, "x")


# Several disks ------------------------------------------------------------------------------------------------------

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root mounts")


@contextmanager
def mounted(path: Path, *what: str) -> Iterator[None]:
    path.mkdir(parents=True, exist_ok=True)
    subprocess.run(["mount", *(what or ("-t", "tmpfs", "tmpfs")), str(path)], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", str(path)], check=True)


@as_root
@pytest.mark.parametrize("path", ["app", "app/models"])
def test_a_mount_inside_is_neither_moved_nor_deleted(files: Files, path: str) -> None:
    nas = files.home / "nas"
    nas.mkdir()
    (nas / "model").write_text("weights")
    with mounted(files.folder / "app" / "models", "--bind", str(nas)):
        for answer in (
            files.ask("DELETE", path=path),
            files.ask("DELETE", path=path, permanent=True),
            files.ask("POST", "/move", json={"path": path, "to": "elsewhere"}),
        ):
            assert code(answer) == (409, "mounted_inside"), answer.text
            assert str(files.folder / "app/models") in answer.json()["detail"]
            assert (nas / "model").read_text() == "weights"
    assert files.ask("GET", "/trash").json() == []
    assert files.ask("DELETE", path=path).status_code == 200


@as_root
def test_a_mount_in_the_trash_of_files_is_never_emptied(files: Files) -> None:
    (files.folder / "app/models").mkdir(parents=True)
    entry = files.ask("DELETE", path="app").json()["id"]
    nas = files.home / "nas"
    nas.mkdir()
    (nas / "model").write_text("weights")
    with mounted(files.folder / ".aikore-trash" / entry / "data/models", "--bind", str(nas)):
        assert code(files.ask("DELETE", f"/trash/{entry}")) == (409, "mounted_inside")
        assert code(files.ask("POST", f"/trash/{entry}/restore")) == (409, "mounted_inside")
        assert (nas / "model").read_text() == "weights"
    assert files.ask("POST", f"/trash/{entry}/restore").status_code == 200


@as_root
def test_outputs_on_another_disk_can_be_brought_back(files: Files) -> None:
    with mounted(files.home / "outputs"):
        (files.home / "outputs/web").mkdir()
        (files.home / "outputs/web/image.png").write_text("png")
        (files.folder / "note").touch()
        image = files.ask("DELETE", path="image.png", place="outputs").json()
        files.ask("DELETE", path="note").raise_for_status()
        assert files.names(place="outputs") == [], "their trash is not shown"
        assert [entry["path"] for entry in files.ask("GET", "/trash").json()] == ["note", "image.png"]
        assert code(files.ask("DELETE", path=".aikore-trash", place="outputs")) == (409, "read_only")
        assert files.ask("POST", f"/trash/{image['id']}/restore").status_code == 200
        assert (files.home / "outputs/web/image.png").read_text() == "png"
        again = files.ask("DELETE", path="image.png", place="outputs").json()
        assert files.ask("DELETE", f"/trash/{again['id']}").status_code == 204
        assert [entry["path"] for entry in files.ask("GET", "/trash").json()] == ["note"]
