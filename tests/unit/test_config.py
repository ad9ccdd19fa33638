"""Where things are, by the settings; what is told of a setting that cannot be or does not exist."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from pydantic import ValidationError

import aikore
from aikore.config import GROUPS, Settings
from aikore.config.group import Group
from aikore.config.mistakes import NO_SETTINGS, refusals, unknown
from aikore.config.terminals import TerminalSettings

PACKAGE = Path(aikore.__file__).parent
ROOT = PACKAGE.parent


def test_sockets_and_nginx_are_in_the_data_folder_or_where_they_are_set_to_be() -> None:
    plain = Settings(home=Path("/srv/a"))
    assert (plain.manager_socket, plain.nginx_dir) == (Path("/srv/a/run/manager.sock"), Path("/srv/a/nginx"))
    moved = Settings(home=Path("/srv/a"), runtime_dir=Path("/run/a"))
    assert (moved.manager_socket, moved.nginx_dir) == (Path("/run/a/manager.sock"), Path("/run/a/nginx"))
    assert moved.door_cache_dir == plain.door_cache_dir


def test_an_empty_runtime_folder_is_none() -> None:
    assert Settings(home=Path("/srv/a"), runtime_dir="").runtime_dir is None  # type: ignore[arg-type]


def refused(monkeypatch: pytest.MonkeyPatch, **variables: str) -> list[str]:
    for name, value in variables.items():
        monkeypatch.setenv(f"AIKORE_{name}", value)
    with pytest.raises(ValidationError) as error:
        Settings()
    return refusals(error.value)


@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [
        ("PORT", "abc", "AIKORE_PORT should be a valid integer, not 'abc'."),
        ("PORT", "70000", "AIKORE_PORT should be less than or equal to 65535, not '70000'."),
        ("NGINX", "maybe", "AIKORE_NGINX should be 'own', 'external' or 'off', not 'maybe'."),
        (
            "LOG_LEVEL",
            "loud",
            "AIKORE_LOG_LEVEL should be 'debug', 'info', 'warning', 'error' or 'critical', not 'loud'.",
        ),
        ("READY_TIMEOUT", "inf", "AIKORE_READY_TIMEOUT should be a finite number, not 'inf'."),
        ("APP_PORTS", "9-x", "AIKORE_APP_PORTS: '9-x' is not a port range; write it like 9001-9020."),
        (
            "INSTANCE_PORTS",
            "20-10",
            "AIKORE_INSTANCE_PORTS: '20-10' is not a port range: ports go from 1 to 65535, the lower one first.",
        ),
        ("ROOT_PATH", "a b", "AIKORE_ROOT_PATH: 'a b' is no sub-path; write it like /aikore."),
        ("PUBLIC_URL", "ai", "AIKORE_PUBLIC_URL: 'ai' is no address; write it like https://ai.example.org."),
        ("AUTH_HEADER", "a_b", "AIKORE_AUTH_HEADER: 'a_b' is no header name; write it like Remote-User."),
        ("AUTH_HEADER", "A", "AIKORE_AUTH_HEADER needs AIKORE_TRUSTED_PROXIES: anybody could send that header."),
        ("TLS_CERT", "/c.pem", "AIKORE_TLS_CERT and AIKORE_TLS_KEY belong together; set both or none."),
        (
            "TRUSTED_PROXIES",
            "10.0.0.1, x",
            "AIKORE_TRUSTED_PROXIES: 'x' is no address or network; write it like 10.0.0.1 or 10.0.0.0/8.",
        ),
    ],
)
def test_a_setting_that_cannot_be_is_refused_in_one_sentence_with_its_name(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, sentence: str
) -> None:
    assert refused(monkeypatch, **{name: value}) == [sentence]


def test_each_wrong_setting_has_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    sentences = refused(monkeypatch, PORT="0", STOP_GRACE="-1", LOG_KEEP="many")
    assert sorted(sentence.split()[0] for sentence in sentences) == [
        "AIKORE_LOG_KEEP",
        "AIKORE_PORT",
        "AIKORE_STOP_GRACE",
    ]


@pytest.mark.parametrize("name", sorted(Settings.model_fields))
def test_a_variable_that_is_empty_counts_as_not_set(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    plain = Settings()
    monkeypatch.setenv(f"AIKORE_{name.upper()}", "")
    assert getattr(Settings(), name) == getattr(plain, name)


def test_the_level_of_the_log_may_be_written_in_capitals(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIKORE_LOG_LEVEL", "DEBUG")
    assert Settings().log_level == "debug"


@pytest.mark.parametrize(
    ("typo", "meant"),
    [("AIKORE_PROT", "AIKORE_PORT"), ("AIKORE_PASSWROD", "AIKORE_PASSWORD"), ("aikore_app_port", "AIKORE_APP_PORTS")],
)
def test_a_typo_in_a_variable_is_told_with_the_setting_that_was_meant(typo: str, meant: str) -> None:
    (sentence,) = unknown(["HOME", "AIKORE_PORT", typo])
    assert sentence == f"{typo} is set, but AiKore has no such setting. Did you mean {meant}?"


def test_a_variable_that_resembles_no_setting_is_told_with_where_all_are() -> None:
    (sentence,) = unknown(["AIKORE_XYZZY"])
    assert sentence == "AIKORE_XYZZY is set, but AiKore has no such setting. docs/settings.md lists all there are."


def test_variables_of_settings_of_scripts_and_of_others_are_not_told() -> None:
    names = [*(f"AIKORE_{name.upper()}" for name in Settings.model_fields), "aikore_port", "AIKORES_PORT", "PORT"]
    assert not list(unknown([*names, *(f"AIKORE_{name}" for name in NO_SETTINGS)]))


def test_all_variables_that_the_sources_name_are_known() -> None:
    files = [*PACKAGE.rglob("*.py"), *PACKAGE.rglob("*.sh"), *ROOT.glob("*.*"), *(ROOT / "docker").rglob("*")]
    texts = [path.read_text() for path in files if path.suffix in (".py", ".sh", ".yml", "") and path.is_file()]
    named = {name for text in texts for name in re.findall(r"\bAIKORE_([A-Z_]+[A-Z])\b", text)}
    assert named - {name.upper() for name in Settings.model_fields} == NO_SETTINGS


def test_no_two_groups_have_a_name_in_common() -> None:
    """Settings is all groups in one: of two rules with one name, one would be lost without a word."""
    own = [
        {name for name in (*vars(group), *group.__annotations__) if not name.startswith(("__", "_abc", "model_"))}
        for group in GROUPS
    ]
    assert sum(map(len, own)) == len(set().union(*own))


def test_all_groups_together_are_the_settings() -> None:
    assert set().union(*(group.model_fields for group in GROUPS)) == set(Settings.model_fields)
    assert all(issubclass(Settings, group) and issubclass(group, Group) for group in GROUPS)


def test_a_room_can_be_given_its_own_group_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIKORE_PORT", "nonsense of another room")
    assert TerminalSettings(terminals=2).terminals == 2


def test_only_who_starts_aikore_is_handed_all_settings() -> None:
    """A room names the group it needs."""
    rooms = [
        path for path in PACKAGE.rglob("*.py") if path.relative_to(PACKAGE).parts[0] not in ("main", "cli.py", "config")
    ]
    assert [str(path) for path in rooms if "from aikore.config import" in path.read_text()] == []
