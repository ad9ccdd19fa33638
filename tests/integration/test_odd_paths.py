"""A data folder may be called anything a disk allows."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.helpers.server import HTTP_APP, AiKoreServer


@pytest.mark.parametrize("name", ["what?mode=ro", "a%41#b c", 'größe {家} $HOME\'s "x"'])
def test_a_house_with_an_odd_path_opens_and_is_all_in_its_own_folder(
    aikore_factory: Callable[..., AiKoreServer], name: str
) -> None:
    aikore = aikore_factory(name).start()
    before = {path.name for path in aikore.home.parent.iterdir()}
    aikore.blueprint("web", HTTP_APP)
    aikore.create("one", "web")
    aikore.start_and_wait("one")
    assert aikore.http.get("/app/one/").status_code == 200
    assert (aikore.home / "aikore.db").is_file()
    assert (aikore.home / "studio.db").is_file()
    assert before == {name, f"{name}.aikore.log"}
    aikore.kill()
    aikore.start()
    assert aikore.get("one")["status"] == "started"
