"""Where things are, by the settings."""

from __future__ import annotations

from pathlib import Path

from aikore.config import Settings


def test_sockets_and_nginx_are_in_the_data_folder_or_where_they_are_set_to_be() -> None:
    plain = Settings(home=Path("/srv/a"))
    assert (plain.manager_socket, plain.nginx_dir) == (Path("/srv/a/run/manager.sock"), Path("/srv/a/nginx"))
    moved = Settings(home=Path("/srv/a"), runtime_dir=Path("/run/a"))
    assert (moved.manager_socket, moved.nginx_dir) == (Path("/run/a/manager.sock"), Path("/run/a/nginx"))
    assert moved.door_cache_dir == plain.door_cache_dir


def test_an_empty_runtime_folder_is_none() -> None:
    assert Settings(home=Path("/srv/a"), runtime_dir="").runtime_dir is None  # type: ignore[arg-type]
