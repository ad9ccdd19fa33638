"""The keys of the dashboard: one meaning each."""

from __future__ import annotations

import re
from collections import Counter

from aikore.base.shipped import static_dir

KEY = re.compile(r'\bkey: "(.|F\d)"|offered\(.*, "(.)"\)')


def test_no_key_means_two_things() -> None:
    sources = (path.read_text() for path in (static_dir() / "js").rglob("*.js"))
    keys = Counter(key or other for source in sources for key, other in KEY.findall(source))
    assert {"s", "r", "l", "t", "v", "e", "w"} <= keys.keys()
    assert {key: times for key, times in keys.items() if times > 1} == {}
