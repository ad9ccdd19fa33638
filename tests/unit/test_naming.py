"""One rule for names, slugs and paths."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aikore.base.errors import InvalidNameError, InvalidPathError
from aikore.naming import (
    NAME_MAX,
    SLUG,
    clean_hostname,
    clean_name,
    contained,
    make_slug,
    name_key,
    new_file_parts,
    with_host,
)


def free(_: str) -> bool:
    return False


@pytest.mark.parametrize(
    ("name", "slug"),
    [
        ("SDXL (test)", "sdxl-test"),
        ("Größe & Äpfel", "grosse-apfel"),
        ("日本語", "ri-ben-yu"),
        ("../../etc/passwd", "etc-passwd"),
        ("..", "app"),
        ("🎨", "app"),
        ("123", "app-123"),
        ("www", "app-www"),
        ("ComfyUI", "comfyui"),
        ("xn--abc", "xn-abc"),
        ("a" * 80, "a" * 40),
        ("C:\\temp\\x", "c-temp-x"),
    ],
)
def test_slugs_are_dns_safe(name: str, slug: str) -> None:
    assert make_slug(clean_name(name), free) == slug


@given(st.text(min_size=1, max_size=NAME_MAX))
def test_every_accepted_name_has_a_safe_slug(name: str) -> None:
    try:
        accepted = clean_name(name)
    except InvalidNameError:
        return
    slug = make_slug(accepted, free)
    assert SLUG.fullmatch(slug)
    assert any(c.isalpha() for c in slug)
    assert len(slug) <= 63


def test_a_taken_slug_gets_a_number() -> None:
    assert make_slug("Comfy", {"comfy", "comfy-2"}.__contains__) == "comfy-3"


@pytest.mark.parametrize("name", ["", "   ", "a\nb", "a\0b", "x" * 81, "a\u202eb", "\ud800", "a\u2028b"])
def test_names_nobody_could_read_are_refused(name: str) -> None:
    with pytest.raises(InvalidNameError):
        clean_name(name)


def test_spaces_are_tidied_and_forms_unified() -> None:
    assert clean_name("  a   b ") == "a b"
    assert clean_name("e\u0301") == "é"
    assert name_key("ＣＯＭＦＹ") == name_key("comfy")


SHAPELESS = ["\u200b", "\u200c", "\u200d", "\u00ad", "\u2060", "\ufeff", "\ufe0f", "\u034f", "\u3164", "\U000e0041"]


@pytest.mark.parametrize("mark", SHAPELESS)
def test_names_that_differ_only_by_characters_without_a_shape_are_the_same_name(mark: str) -> None:
    assert {name_key(f"{mark}Com{mark}fy{mark}"), name_key(f"Comfy {mark}")} == {name_key("comfy")}


@pytest.mark.parametrize("name", [*SHAPELESS, " \u200b ", "\u2800", "\u115f\u1160"])
def test_a_name_without_a_visible_character_is_refused(name: str) -> None:
    with pytest.raises(InvalidNameError, match="visible"):
        clean_name(name)
    with pytest.raises(InvalidPathError):
        new_file_parts(f"models/{name}")


@pytest.mark.parametrize("name", ["👨\u200d👩\u200d👧", "❤\ufe0f", "🏴\U000e0067\U000e0062\U000e007f", "می\u200cخواهم"])
def test_joined_emoji_and_words_that_need_a_joiner_stay_names_as_they_are(name: str) -> None:
    assert clean_name(name) == name
    assert new_file_parts(name) == (name,)


@given(st.text(max_size=NAME_MAX))
def test_the_key_of_a_key_is_itself(name: str) -> None:
    """So that a key that was stored by other rules never stands in the way of another row's new one."""
    assert name_key(name_key(name)) == name_key(name)


@pytest.mark.parametrize("part", ["..", "../x", "a/../../x", "/etc/passwd", "a\0", ".", ""])
def test_paths_never_leave_their_folder(tmp_path: Path, part: str) -> None:
    with pytest.raises(InvalidPathError):
        contained(tmp_path, part)


def test_a_path_inside_is_given_with_its_links_followed(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "link").symlink_to("a")
    assert contained(tmp_path, "link", "x") == tmp_path.resolve() / "a" / "x"


def test_a_link_out_of_the_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "out").symlink_to("/etc")
    with pytest.raises(InvalidPathError):
        contained(tmp_path, "out", "passwd")


def test_hostnames_are_checked() -> None:
    assert clean_hostname(" Comfy.Example.LAN. ") == "comfy.example.lan"
    for wrong in ("a b", "http://x", "-a", "a..b", "x;return 200", "127.0.0.1", "a" * 64):
        with pytest.raises(InvalidNameError):
            clean_hostname(wrong)


def test_an_address_takes_the_name_its_reader_uses() -> None:
    text = '{"port": "http://aikore-host.invalid:9001/"}'
    assert with_host(text, "box.lan:9000") == '{"port": "http://box.lan:9001/"}'
    assert with_host(text, "[::1]:9000") == '{"port": "http://[::1]:9001/"}'
    assert with_host(text, 'x"><script>') == '{"port": "http://localhost:9001/"}'
