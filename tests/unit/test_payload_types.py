"""The dashboard's types of payloads are those of the OpenAPI document."""

from __future__ import annotations

import pytest

from tools.types import payloads


@pytest.mark.skipif(not payloads.GENERATOR.exists(), reason="openapi-typescript is missing: npm ci installs it")
def test_the_types_of_payloads_are_those_of_the_document() -> None:
    assert payloads.TARGET.read_text() == payloads.written(), "run `make types`"
