"""Settings are read once from the environment; errors are named in one line."""

import os

import pytest
from pydantic import ValidationError

from workers.limits import MAX_RECEIVE_WAIT
from workers.settings import Settings, SettingsError, misspelt


@pytest.fixture(autouse=True)
def environment(monkeypatch):
    """Clear every setting, so that only the test's are in the environment."""
    for name in Settings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)
        assert name not in os.environ
    return monkeypatch


def test_everything_has_a_default():
    settings = Settings.load()

    assert settings.aws_region == "eu-west-1"
    assert settings.queue_url is None
    assert settings.allow_simulation is False


def test_settings_come_from_the_environment(environment):
    environment.setenv("CONCURRENCY", "25")
    environment.setenv("ALLOW_SIMULATION", "true")
    environment.setenv("NAME_PREFIX", "blue-")

    settings = Settings.load()

    assert (settings.concurrency, settings.allow_simulation, settings.name_prefix) == (
        25,
        True,
        "blue-",
    )


def test_a_restored_table_has_a_name_of_its_own(environment):
    environment.setenv("NAME_PREFIX", "blue-")
    environment.setenv("TABLE_NAMES", '{"payment": "restored"}')

    settings = Settings.load()

    assert (settings.table("payment"), settings.table("orders")) == ("restored", "blue-orders")
    assert hash(settings)  # clients are kept by settings


def test_the_table_of_one_service_is_not_that_of_the_others(environment):
    environment.setenv("TABLE_NAME", "chosen")

    settings = Settings.load()

    assert (settings.own_table("payment"), settings.table("payment")) == ("chosen", "payment")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("CONCURRENCY", "many"),
        ("CONCURRENCY", "0"),
        ("VISIBILITY_TIMEOUT", "43201"),
        ("STOP_TIMEOUT", "4"),
        ("METRICS_PORT", "65536"),
        ("PORT", "-1"),
        ("LOG_LEVEL", "loud"),
        ("NAME_PREFIX", "no spaces"),
        ("TABLE_NAMES", "payment=restored"),
        ("TABLE_NAMES", '["payment"]'),
        ("ALLOW_SIMULATION", "perhaps"),
        ("ORIGIN_KEY", "short"),
        ("OTHER_ORIGIN_KEY", ""),
        ("PAYMENT_GATEWAY", "paypal"),
        ("STRIPE_API_URL", "api.stripe.com"),
    ],
)
def test_a_wrong_setting_is_named_in_one_line(environment, name, value):
    environment.setenv(name, value)

    with pytest.raises(SettingsError) as refusal:
        Settings.load()

    text = str(refusal.value)
    assert text.startswith(f"{name}: ")
    assert "\n" not in text


def test_all_wrong_settings_are_named_together(environment):
    environment.setenv("PORT", "web")
    environment.setenv("CONCURRENCY", "many")

    with pytest.raises(SettingsError, match=r"CONCURRENCY: .*; PORT: "):
        Settings.load()


@pytest.mark.parametrize(("stop_timeout", "wait"), [(120, MAX_RECEIVE_WAIT), (25, 15), (5, 1)])
def test_a_poll_fits_into_the_stop_timeout(stop_timeout, wait):
    assert Settings(stop_timeout=stop_timeout).receive_wait == wait


def test_during_a_rotation_there_are_two_origin_keys(environment):
    assert Settings.load().origin_keys == []
    environment.setenv("ORIGIN_KEY", "a" * 36)
    environment.setenv("OTHER_ORIGIN_KEY", "b" * 36)

    settings = Settings.load()

    assert settings.origin_keys == ["a" * 36, "b" * 36]
    assert "aaa" not in str(settings)


def test_settings_cannot_be_changed():
    with pytest.raises(ValidationError, match="frozen"):
        Settings.load().port = 80


@pytest.mark.parametrize(
    ("variable", "setting"),
    [
        ("ALLOW_SIMULATON", "ALLOW_SIMULATION"),
        ("CONCURENCY", "CONCURRENCY"),
        ("LOGLEVEL", "LOG_LEVEL"),
        ("AWS_ENDPOINT", "AWS_ENDPOINT_URL"),
        ("STRIPE_APIKEY", "STRIPE_API_KEY"),
        ("NAME_PREFX", "NAME_PREFIX"),
    ],
)
def test_a_misspelt_setting_is_recognized(variable, setting):
    assert misspelt([variable]) == {variable: setting}


@pytest.mark.parametrize(
    "variable",
    [
        "ALLOW_SIMULATION",
        "allow_simulation",
        "AWS_DEFAULT_REGION",
        "AWS_ENDPOINT_URL_SQS",
        "AWS_PROFILE",
        "ECS_CONTAINER_METADATA_URI_V4",
        "HOSTNAME",
        "MY_LOG_LEVEL",
        "PATH",
        "PORTS",
        "REVISION",
        "TF_ENVIRONMENT",
    ],
)
def test_other_variables_are_left_alone(variable):
    assert misspelt([variable]) == {}
