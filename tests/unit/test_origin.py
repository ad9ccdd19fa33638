"""Which hosts and origins may reach AiKore."""

from __future__ import annotations

from pathlib import Path

import pytest

from aikore.auth.origin import host_allowed, origin_allowed
from aikore.config import Settings

SETTINGS = Settings(
    home=Path("/nowhere"),
    app_domain="studio.example",
    allowed_hosts=("ai.example.com",),
    allowed_origins=("https://tools.example.com",),
)


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "192.168.1.20:9000",
        "[::1]:9000",
        "[fe80::1]",
        "localhost:9000",
        "LOCALHOST",
        "gpu-box",
        "my_box:80",
        "comfy.localhost:9000",
        "gpu.local",
        "gpu.home.lan:9000",
        "studio.example",
        "comfy.studio.example:9000",
        "ai.example.com",
        "AI.example.com:443",
        "gpu.local.",
    ],
)
def test_names_that_nobody_else_can_point_here_are_allowed(host: str) -> None:
    assert host_allowed(host, SETTINGS)


@pytest.mark.parametrize(
    "host",
    [
        "",
        "evil.com",
        "127.0.0.1.evil.com",
        "localhost.evil.com",
        "evil.com:9000",
        "notstudio.example",
        "aiXexample.com",
        "sub.ai.example.com",
        "gpu.internal",
        "localhost:9000:1",
        "localhost\nevil",
        "a b",
        "user@localhost",
        "[::1",
        "-",
    ],
)
def test_names_that_public_dns_may_point_here_are_refused(host: str) -> None:
    assert not host_allowed(host, SETTINGS)


@pytest.mark.parametrize(
    ("origin", "host"),
    [
        ("http://localhost:9000", "localhost:9000"),
        ("https://gpu.lan", "gpu.lan"),
        ("http://[::1]:9000", "[::1]:9000"),
        ("https://tools.example.com", "localhost:9000"),
        ("HTTP://LocalHost:9000", "localhost:9000"),
    ],
)
def test_own_and_named_origins_may_write(origin: str, host: str) -> None:
    assert origin_allowed(origin, host, SETTINGS)


@pytest.mark.parametrize(
    ("origin", "host"),
    [
        ("http://evil.com", "localhost:9000"),
        ("http://localhost:9001", "localhost:9000"),
        ("http://localhost", "localhost:9000"),
        ("null", "localhost:9000"),
        ("", "localhost:9000"),
        ("http://evil.com|localhost:9000", "localhost:9000"),
        ("http://localhost:9000/", "localhost:9000"),
        ("https://tools.example.com.evil.com", "localhost:9000"),
        ("http://tools.example.com", "localhost:9000"),
        ("file://localhost:9000", "localhost:9000"),
    ],
)
def test_foreign_origins_may_not_write(origin: str, host: str) -> None:
    assert not origin_allowed(origin, host, SETTINGS)
