import pytest

from anymask.core.errors import InvalidInputError
from anymask.server.settings import ServerSettings


def test_settings_come_from_the_environment_unless_they_are_given() -> None:
    environment = {"ANYMASK_PORT": "9", "ANYMASK_AUTH": "false", "ANYMASK_LEASE_SECONDS": "7.5"}
    settings = ServerSettings.from_environment(environment, port=10)
    assert (settings.port, settings.auth, settings.lease_seconds) == (10, False, 7.5)


@pytest.mark.parametrize(
    "environment",
    [
        {"ANYMASK_PORT": "many"},
        {"ANYMASK_AUTH": "perhaps"},
        {"ANYMASK_PORT": "70000"},
        {"ANYMASK_LEASE_SECONDS": "0"},
        {"ANYMASK_PREPARE_AHEAD": "-1"},
        {"ANYMASK_AUTH": "no", "ANYMASK_HOST": "0.0.0.0"},
    ],
)
def test_settings_that_cannot_be_are_told(environment: dict[str, str]) -> None:
    with pytest.raises(InvalidInputError, match="must be"):
        ServerSettings.from_environment(environment)
