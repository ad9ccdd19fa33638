"""A proxy of somebody else in front of AiKore, which lives below /aikore/ there."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

from tests.helpers.server import free_ports, wait_until

OUTER = """
daemon off;
pid {folder}/outer.pid;
error_log {folder}/outer.log;
events {{}}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    map $http_upgrade $connection_header {{ default upgrade; "" ""; }}
    server {{
        listen 127.0.0.1:{port}{tls};
        location /aikore/ {{
            proxy_pass http://127.0.0.1:{inner};
            proxy_http_version 1.1;
            proxy_set_header Host $http_host;
            proxy_set_header Upgrade $http_upgrade;
            proxy_set_header Connection $connection_header;
            proxy_set_header X-Forwarded-For $remote_addr;
            proxy_set_header X-Forwarded-Proto https;
            proxy_read_timeout 1h;
        }}
        location / {{ return 200 "somebody else's"; }}
    }}
}}
"""


def make_certificate(folder: Path) -> tuple[Path, Path]:
    """Make a certificate for localhost; return it and its key."""
    cert, key = folder / "cert.pem", folder / "key.pem"
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost"]
    subprocess.run([*command, "-out", cert, "-keyout", key], check=True, capture_output=True)
    return cert, key


@contextmanager
def outer_proxy(folder: Path, inner: int, tls: bool = False) -> Iterator[int]:
    """Run the proxy before an AiKore's port; give its own port. It says https also where it speaks http."""
    (port,) = free_ports(1)
    listen = ""
    if tls:
        cert, key = make_certificate(folder)
        listen = f" ssl; ssl_certificate {cert}; ssl_certificate_key {key}"
    config = folder / "outer.conf"
    config.write_text(OUTER.format(folder=folder, port=port, inner=inner, tls=listen))
    process = subprocess.Popen(["nginx", "-p", folder, "-e", "outer.log", "-c", config])
    try:
        wait_until(lambda: _answers(f"http{'s' if tls else ''}://127.0.0.1:{port}/"), 10)
        yield port
    finally:
        process.terminate()
        process.wait()


def _answers(url: str) -> bool:
    try:
        return httpx.get(url, verify=False, trust_env=False).status_code == 200
    except httpx.TransportError:
        return False
