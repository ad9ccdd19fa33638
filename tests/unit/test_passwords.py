"""How passwords are stored."""

from __future__ import annotations

from aikore.auth.passwords import make_hash, matches


async def test_a_password_is_stored_by_argon2id_at_the_cost_of_rfc_9106() -> None:
    stored = await make_hash("correct horse")
    assert stored.startswith("$argon2id$v=19$m=65536,t=3,p=4$")
    assert await matches("correct horse", stored)
    assert not await matches("correct horse ", stored)
    assert not await matches("correct horse", None)
