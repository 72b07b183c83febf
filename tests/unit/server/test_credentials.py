import pytest

from anymask.core.errors import InvalidInputError
from anymask.server.credentials import hash_password, is_password, new_secret


def test_a_password_is_that_of_its_hash_only() -> None:
    kept = hash_password("a good password")
    assert "$argon2id$" in kept
    assert is_password("a good password", kept)
    assert not is_password("a good passwore", kept)
    assert not is_password("a good password", None)
    assert not is_password("!", "!")


@pytest.mark.parametrize("password", ["short", "x" * 201])
def test_a_password_has_a_length(password: str) -> None:
    with pytest.raises(InvalidInputError, match="password must have"):
        hash_password(password)


def test_secrets_are_long_and_differ() -> None:
    assert len({new_secret() for _ in range(50)}) == 50
    assert len(new_secret()) >= 43
