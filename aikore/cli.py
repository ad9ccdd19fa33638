"""The ``aikore`` command: `serve` opens the house, everything else asks a running one over HTTP."""

from __future__ import annotations

import gc
import json
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from aikore import __version__

if TYPE_CHECKING:
    from aikore.client import Client, Json
    from aikore.config import Settings

INTERRUPTED = 130
"""Exit code after Ctrl-C, as shells count it: 128 + SIGINT."""


class Group(click.Group):
    """Shows a failed request as one line and ends with its code."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except BrokenPipeError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            ctx.exit(0)
        except Exception as error:
            if (code := getattr(error, "exit_code", None)) is None or isinstance(error, click.exceptions.Exit):
                raise
            if isinstance(error, click.ClickException):
                raise
            click.echo(f"aikore: {error}", err=True)
            ctx.exit(code)


@click.group(cls=Group, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, message="aikore %(version)s")
@click.option("--url", envvar="AIKORE_URL", help="An AiKore elsewhere (AIKORE_URL); AIKORE_TOKEN proves who asks.")
@click.pass_context
def main(ctx: click.Context, url: str | None) -> None:
    """Run AI WebUIs on this machine and put them behind one address."""
    ctx.obj = url


def _client() -> Client:
    """Return a client of the AiKore at ``--url``, else of the one on this machine's data folder."""
    from aikore.client import Client, ClientError

    if url := click.get_current_context().find_root().obj:
        return Client(str(url), os.environ.get("AIKORE_TOKEN", ""))
    settings = _settings()
    try:
        token = (settings.secrets_dir / "machine.token").read_text("ascii").strip()
    except OSError:
        raise ClientError(
            f"AiKore never ran on {settings.home}. Start it with `aikore serve`, or name another one: "
            "AIKORE_HOME for its data folder, AIKORE_URL for its address.", 3,
        ) from None  # fmt: skip
    return Client(settings.local_url, token, str(settings.manager_socket))


as_json = click.option("--json", "json_", is_flag=True, help="Print JSON for programs.")
waiting = click.option("--wait/--no-wait", default=True, help="Wait until it has come to rest (default).")


def _print_json(data: Any) -> None:
    click.echo(json.dumps(data, indent=2, ensure_ascii=False))


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    widths = [max(len(row[at]) for row in (head, *rows)) for at in range(len(head))]
    for row in (head, *rows):
        click.echo("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


@main.command()
@click.option("--home", type=click.Path(path_type=Path), help="The data folder (AIKORE_HOME).")
@click.option("--host", help="Address to listen on (AIKORE_HOST).")
@click.option("--port", type=int, help="Port to listen on (AIKORE_PORT).")
def serve(**options: Any) -> None:
    """Open the house: start AiKore and NGINX, and the instances set to start by themselves."""
    gc.disable()  # nothing of what start-up makes is garbage; `serve` turns it on again
    settings = _settings(**{name: value for name, value in options.items() if value is not None})
    from aikore.main import serve as run

    sys.exit(run(settings))


def _settings(**given: Any) -> Settings:
    """Read the settings; name those that are wrong and end."""
    from pydantic import ValidationError

    from aikore.config import Settings
    from aikore.config.mistakes import refusals

    try:
        return Settings(**given)
    except ValidationError as error:
        for sentence in refusals(error):
            click.echo(f"aikore: {sentence}", err=True)
        sys.exit(1)


def _gpus(instance: Json) -> str:
    ids = instance["gpu_ids"]
    return "all" if ids is None else ",".join(ids) or "cpu"


@main.command("ls")
@as_json
def list_(json_: bool) -> None:
    """List the instances."""
    client = _client()
    instances = client.instances()
    if json_:
        return _print_json(instances)
    if not instances:
        return click.echo("No instances yet. Make one: aikore create NAME --blueprint B (aikore blueprints lists them)")
    rows = [
        (one["slug"], one["name"], _state(one), one["base_blueprint"], _gpus(one), client.address(one))
        for one in instances
    ]
    return _table(("SLUG", "NAME", "STATUS", "BLUEPRINT", "GPU", "URL"), rows)


def _state(instance: Json) -> str:
    detail = instance["status_detail"]
    return f"{instance['status']} ({detail})" if detail else str(instance["status"])


@main.command()
@as_json
def blueprints(json_: bool) -> None:
    """List what instances can be made from."""
    found = _client().request("GET", "/api/blueprints")
    if json_:
        return _print_json(found)
    rows = [(one["id"], one["source"], one["category"], one["error"] or one["description"]) for one in found]
    return _table(("BLUEPRINT", "SOURCE", "CATEGORY", "DESCRIPTION"), rows)


def _environment(_: click.Context, __: click.Parameter, pairs: Sequence[str]) -> dict[str, str]:
    for pair in pairs:
        if "=" not in pair:
            raise click.BadParameter(f"{pair!r} has no '='; write NAME=VALUE")
    return dict(pair.split("=", 1) for pair in pairs)


@main.command()
@click.argument("name")
@click.option("--blueprint", "-b", required=True, help="What it is made from; `aikore blueprints` lists them.")
@click.option("--gpu", multiple=True, metavar="ID", help="A GPU it may use; several are possible. Default: all.")
@click.option("--cpu", is_flag=True, help="Use no GPU.")
@click.option("--env", multiple=True, callback=_environment, metavar="K=V", help="A variable for its script.")
@click.option("--args", default="", help="More arguments for the program.")
@click.option("--autostart", is_flag=True, help="Start it with AiKore.")
@click.option("--start", "start_", is_flag=True, help="Start it now and wait until it is up.")
@as_json
def create(
    name: str,
    blueprint: str,
    gpu: Sequence[str],
    cpu: bool,
    env: dict[str, str],
    args: str,
    autostart: bool,
    start_: bool,
    json_: bool,
) -> None:
    """Make an instance from a blueprint."""
    if cpu and gpu:
        raise click.UsageError("--cpu and --gpu exclude each other.")
    client = _client()
    wanted = {
        "name": name,
        "base_blueprint": blueprint,
        "gpu_ids": [] if cpu else list(gpu) or None,
        "environment": env,
        "launch_args": args,
        "autostart": autostart,
    }
    instance = client.request("POST", "/api/instances", json=wanted)
    if start_:
        _wish(client, instance["slug"], "start", True, json_)
    elif json_:
        _print_json(instance)
    else:
        click.echo(f"{instance['name']} is made. Start it: aikore start {instance['slug']}")


def _wish(client: Client, name: str, wish: str, wait: bool, json_: bool) -> None:
    """Ask for a change, wait for it if wanted, show how it came out; exit 1 when it did not work."""
    instance, run = client.wish(name, wish)
    if wait:
        say: Callable[[Json], None] = lambda now: click.echo(f"{now['name']}: {_state(now)}", err=True)  # noqa: E731
        instance = client.settle(instance, wish, run, (lambda _: None) if json_ else say)
    if json_:
        _print_json(instance)
    elif not wait:
        click.echo(f"{instance['name']}: {_state(instance)}")
    elif instance["status"] == "started":
        click.echo(client.address(instance))
    if not wait:
        return
    if wish != "stop" and instance["status"] in ("error", "stalled"):
        click.echo(f"aikore: {_hint(instance)}", err=True)
        sys.exit(1)


def _hint(instance: Json) -> str:
    what = "runs but does not answer" if instance["status"] == "stalled" else "did not start"
    return f"{instance['name']} {what}; see: aikore logs {instance['slug']}"


@main.command()
@click.argument("name")
@waiting
@as_json
def start(name: str, wait: bool, json_: bool) -> None:
    """Start an instance."""
    _wish(_client(), name, "start", wait, json_)


@main.command()
@click.argument("name")
@waiting
@as_json
def stop(name: str, wait: bool, json_: bool) -> None:
    """Stop an instance."""
    _wish(_client(), name, "stop", wait, json_)


@main.command()
@click.argument("name", required=False)
@waiting
@as_json
def restart(name: str | None, wait: bool, json_: bool) -> None:
    """Restart an instance; without NAME, replace AiKore's manager alone (instances go on)."""
    client = _client()
    if name is not None:
        return _wish(client, name, "restart", wait, json_)
    if wait:
        client.restart_manager()
    else:
        client.request("POST", "/api/system/restart")
    status = "restarted" if wait else "restarting"
    return _print_json({"status": status}) if json_ else click.echo(f"The manager is {status}; instances go on.")


@main.command()
@click.argument("name")
@click.option("--follow", "-f", is_flag=True, help="Go on with what comes; Ctrl-C ends it.")
@click.option("--lines", "-n", type=click.IntRange(min=0), default=100, show_default=True, help="Last lines to show.")
@click.option("--all", "all_", is_flag=True, help="Everything that is kept.")
def logs(name: str, follow: bool, lines: int, all_: bool) -> None:
    """Print an instance's log."""
    client = _client()
    slug = client.instance(name)["slug"]
    if all_:
        behind = 0
        for text, behind in client.stretches(slug):  # noqa: B007 — the last one is used below
            _out(text)
    else:
        text, behind = client.last_lines(slug, lines)
        _out(text)
    if follow:
        try:
            _follow(client, slug, behind)
        except KeyboardInterrupt:
            sys.exit(INTERRUPTED)


def _follow(client: Client, slug: str, offset: int) -> None:
    live, terminal = "", sys.stdout.isatty()
    for frame in client.follow(slug, offset):
        if frame["type"] == "gap":
            click.echo("[aikore] part of the log was rotated away before it could be shown", err=True)
        if frame["type"] not in ("data", "live") or (frame["type"] == "live" and not terminal):
            continue
        clear = "\r\x1b[K" if live else ""
        live = frame["text"] if frame["type"] == "live" else ""
        _out(clear + frame["text"])


def _out(text: str) -> None:
    sys.stdout.buffer.write(text.encode("utf-8", "replace"))
    sys.stdout.buffer.flush()


@main.command("open")
@click.argument("name")
@click.option("--print", "print_", is_flag=True, help="Only print the address.")
def open_(name: str, print_: bool) -> None:
    """Print an instance's address and open it in a browser."""
    client = _client()
    address = client.address(client.instance(name))
    click.echo(address)
    if not print_:
        click.launch(address)


@main.command()
@click.argument("name")
@click.option(
    "--permanent", is_flag=True, help="Remove it for good, with its files, instead of moving it to the trash."
)
@click.option("--force", is_flag=True, help="Stop it first if it runs.")
def rm(name: str, permanent: bool, force: bool) -> None:
    """Move an instance to the trash."""
    client = _client()
    instance = client.instance(name)
    flags = {"permanent": str(permanent).lower(), "force": str(force).lower()}
    client.request("DELETE", f"/api/instances/{instance['slug']}", params=flags)
    click.echo(f"{instance['name']} is {'removed for good' if permanent else 'in the trash'}.")


@main.command()
def login() -> None:
    """Print a link that logs the owner in, once and within ten minutes."""
    click.echo(_client().request("POST", "/api/auth/links")["url"])


@main.command()
@click.argument("name", required=False)
@click.option("--stdin", is_flag=True, help="Read the password from standard input instead of asking for it.")
def passwd(name: str | None, stdin: bool) -> None:
    """Set the password of NAME, the owner's when left out; their browsers have to log in again."""
    client = _client()
    if stdin:
        new = sys.stdin.readline().rstrip("\n")
    else:
        new = click.prompt("New password", hide_input=True, confirmation_prompt=True)
    client.request("PUT", "/api/auth/password", json={"new": new, **({"name": name} if name else {})})
    click.echo("The password is set.", err=True)


@main.group()
def token() -> None:
    """API tokens, for programs."""


@token.command("create")
@click.argument("name")
@click.option("--scope", type=click.Choice(["read", "create", "operate", "admin"]), default="read", show_default=True)
@click.option("--instance", help="Good for this instance only.")
@click.option("--days", type=click.IntRange(min=1), help="Days until it ends. Default: never.")
@as_json
def token_create(name: str, scope: str, instance: str | None, days: int | None, json_: bool) -> None:
    """Make a token and print it, this once."""
    wanted = {"name": name, "scope": scope, "instance": instance, "days": days}
    made = _client().request("POST", "/api/auth/tokens", json=wanted)
    _print_json(made) if json_ else click.echo(made["token"])


@token.command("ls")
@as_json
def token_list(json_: bool) -> None:
    """List the tokens."""
    found = _client().request("GET", "/api/auth/tokens")
    if json_:
        return _print_json(found)
    rows = [
        (str(one["id"]), one["name"], one["scope"], one["hint"] + "…", one["owner"] or "", one["expires_at"] or "never")
        for one in found
    ]
    return _table(("ID", "NAME", "SCOPE", "TOKEN", "OWNER", "EXPIRES"), rows)


@token.command("revoke")
@click.argument("id_", metavar="ID", type=int)
def token_revoke(id_: int) -> None:
    """Revoke a token; what it opened ends."""
    _client().request("DELETE", f"/api/auth/tokens/{id_}")
