"""Lines of a running program's log that its blueprint warns of, as the interface tells them."""

from __future__ import annotations

import json

from tests.helpers.server import AiKoreServer, wait_until

SAYS = """
echo "Import times for custom nodes:"
echo "   0.1 seconds: /nodes/fine"
echo "   0.0 seconds (IMPORT FAILED): /nodes/first"
echo "   0.0 seconds (IMPORT FAILED): /nodes/second"
echo "and on it goes"
exec sleep 600
"""


def test_warnings_of_the_present_run_are_told_with_their_place_in_the_log(aikore: AiKoreServer) -> None:
    aikore.blueprint("says", SAYS, ready="process", warn=["IMPORT FAILED"])
    assert aikore.http.get("/api/blueprints/says").json()["warn"] == ["IMPORT FAILED"]
    aikore.create("One", "says")
    assert aikore.get("one")["warnings"] is None
    with aikore.events() as events:
        aikore.start_and_wait("one")
        while not (json.loads(events.recv(30)).get("data") or {}).get("warnings"):
            pass
    found = aikore.get("one")["warnings"]
    assert (found["count"], found["text"]) == (2, "0.0 seconds (IMPORT FAILED): /nodes/first")
    log = aikore.log_text("one").encode()
    assert log[found["offset"] :].startswith(b"   0.0 seconds (IMPORT FAILED): /nodes/first\n")

    aikore.kill()
    aikore.start()
    wait_until(lambda: aikore.get("one")["warnings"] == found, what="a new manager knows them")

    aikore.http.put(
        "/api/instances/one/script",
        json={"content": "# /// aikore\n# warn = ['x']\n# ///\n"},
        headers={"If-Match": "*"},
    ).raise_for_status()
    aikore.post("one", "stop")
    aikore.wait_status("one", "stopped")
    assert aikore.get("one")["warnings"] == found, "they stay until the next run"
    aikore.post("one", "start")
    wait_until(lambda: aikore.get("one")["run"] == 2 and aikore.get("one")["status"] == "stopped")
    assert aikore.get("one")["warnings"] is None


def test_a_program_that_ends_at_once_has_its_warnings_too(aikore: AiKoreServer) -> None:
    aikore.blueprint("ends", "echo 'IMPORT FAILED: x'; printf 'IMPORT FAILED without an end'", warn=["IMPORT FAILED"])
    aikore.create("One", "ends")
    aikore.post("one", "start")
    found = wait_until(lambda: (aikore.get("one")["warnings"] or {}).get("count") == 2, what="both lines are found")
    assert found
