"""Reads the environment once into a frozen ``Settings``; an invalid setting stops the start."""

from collections.abc import Iterable
from difflib import get_close_matches
from typing import Annotated, Final, Literal, Self, TypeAlias

from pydantic import (
    AfterValidator,
    Field,
    SecretStr,
    StringConstraints,
    TypeAdapter,
    ValidationError,
)
from pydantic_settings import BaseSettings, SettingsConfigDict

from workers.healthcheck import METRICS_PORT
from workers.limits import MAX_RECEIVE_WAIT, MAX_VISIBILITY_TIMEOUT
from workers.pointer import BUCKET
from workers.runtime.errors import SettingsError
from workers.runtime.memory import INBOX_RETENTION
from workers.topology_rules import MAX_CONCURRENCY

# Seconds kept free after the last poll returns: to finish, flush and exit.
_AFTER_LAST_POLL: Final = 10
# Variables that this project reads outside ``Settings``.
_ALSO_READ: Final = ("AWS_ENDPOINT_URL", "REVISION")
_RESEMBLES: Final = 0.85  # of difflib's ratio; one typo in ten letters is 0.9
_SHORTEST: Final = 6  # letters; shorter names resemble too much
Transport: TypeAlias = Literal["wire", "boto3"]
_NAMES: Final = TypeAdapter(dict[str, str])


def _with_names(text: str) -> str:
    try:
        _NAMES.validate_json(text)
    except ValidationError:
        raise ValueError('not a JSON object such as {"payment": "payment-restored"}') from None
    return text


class Settings(BaseSettings):
    """Every setting, named as its environment variable in lower case.

    Only ``load`` reads the environment. AWS credentials and endpoints are the SDK's own
    (``AWS_ENDPOINT_URL``, ``AWS_PROFILE``, ...) and not repeated here.
    """

    model_config = SettingsConfigDict(frozen=True, extra="ignore")

    aws_region: str = "eu-west-1"
    # wire: services send their hot requests themselves; boto3: the SDK's client. See aws/wired.py
    aws_transport: Transport = "wire"
    environment: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{1,40}$")] | None = None
    name_prefix: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{0,40}$")] = ""
    topic_arn: str | None = None
    queue_url: str | None = None
    dlq_url: str | None = None
    table_name: str | None = None
    # JSON: tables by the map's names, for commands that read several. A restored table has another.
    table_names: Annotated[str, AfterValidator(_with_names)] = "{}"
    concurrency: int | None = Field(default=None, ge=1, le=MAX_CONCURRENCY)
    # Tests use 2 s; the map asks for at least MIN_VISIBILITY_TIMEOUT.
    visibility_timeout: int | None = Field(default=None, ge=2, le=MAX_VISIBILITY_TIMEOUT)
    receive_linger_ms: int = Field(default=50, ge=0, le=1_000)  # at most, after a poll
    ecs_agent_uri: str | None = None
    stop_timeout: int = Field(default=120, ge=5, le=3600)  # s; Fargate allows 120
    metrics_port: int = Field(default=METRICS_PORT, ge=0, le=65_535)  # 0: any free port
    port: int = Field(default=8080, ge=0, le=65_535)
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    sender_email: str = "orders@example.com"
    operations_email: str = "operations@example.com"
    allow_simulation: bool = False
    allow_edit: bool = False
    # None: simulated on an emulator, refused on AWS; see gateways/choice.py
    payment_gateway: Literal["simulated", "stripe"] | None = None
    # Keys that CloudFront adds to requests; without any, order-api serves all: api/origin.py
    origin_key: SecretStr | None = Field(default=None, min_length=16)
    other_origin_key: SecretStr | None = Field(default=None, min_length=16)
    # sign: publish signed events, and warn of others; require: refuse them. See signing.py
    signing: Literal["off", "sign", "require"] = "off"
    signing_key_id: str = ""  # of the key that signs
    signing_keys: SecretStr | None = None  # a JSON object: keys by id, all of them verify
    # Days: older events are dead-lettered, because the inbox may have forgotten them. More is for a
    # service that is filled from the archive for the first time.
    max_event_age: int = Field(default=INBOX_RETENTION.days, ge=1, le=36_500)
    # Who may call order-api: api/choice.py. JWT_AUDIENCE is a list, JWT_KEYS a JWKS document.
    auth: Literal["none", "jwt"] = "none"
    jwt_issuer: str | None = None
    jwt_audience: str = ""
    jwt_jwks_url: str | None = None
    jwt_keys: str | None = None
    api_docs: bool = False
    # Of one caller, on all tasks together; None: no limit. See api/rate.py.
    requests_per_minute: int | None = Field(default=None, ge=1)
    # Exports traces; the SDK reads this variable, and the others of OpenTelemetry, itself.
    otel_exporter_otlp_endpoint: Annotated[str, StringConstraints(pattern=r"^(https?://\S+)?$")] = (
        ""
    )
    # The bucket of events that do not fit into a message; empty: they are refused.
    payload_bucket: Annotated[str, StringConstraints(pattern=rf"^({BUCKET})?$")] = ""
    stripe_api_key: SecretStr | None = None
    stripe_api_url: Annotated[str, StringConstraints(pattern=r"^https?://[^\s/]+/?$")] = (
        "https://api.stripe.com"
    )

    @classmethod
    def load(cls) -> Self:
        """Read the environment. Raises ``SettingsError`` naming every invalid variable."""
        try:
            return cls()
        except ValidationError as error:
            raise SettingsError(
                "; ".join(
                    f"{'_'.join(map(str, problem['loc'])).upper()}: {problem['msg']}"
                    for problem in error.errors()
                )
            ) from None

    def table(self, name: str) -> str:
        """Return the name on AWS of a table of the map."""
        # ``TABLE_NAME`` is not asked: it names one service's table, not that of each.
        return _NAMES.validate_json(self.table_names).get(name, self.name_prefix + name)

    def own_table(self, name: str) -> str:
        """Return the name on AWS of the table of the one service that this is about."""
        return self.table_name or self.table(name)

    @property
    def origin_keys(self) -> list[str]:
        """The keys of which a request must have one; empty: none is needed."""
        keys = (self.origin_key, self.other_origin_key)
        return [key.get_secret_value() for key in keys if key is not None]

    @property
    def receive_wait(self) -> int:
        """Seconds that a poll waits: as long as SQS allows and the stop timeout leaves time for."""
        return max(1, min(MAX_RECEIVE_WAIT, self.stop_timeout - _AFTER_LAST_POLL))


def misspelt(variables: Iterable[str]) -> dict[str, str]:
    """Return the variables that resemble a setting, each with the setting.

    ``ALLOW_SIMULATON`` resembles ``ALLOW_SIMULATION``. A name that has a setting's whole name in it
    (``MY_LOG_LEVEL``, ``AWS_ENDPOINT_URL_SQS``) belongs to something else.
    """
    known = (*(name.upper() for name in Settings.model_fields), *_ALSO_READ)
    found = {}
    for name in sorted(variables):
        if len(name) < _SHORTEST or name.upper() in known:
            continue
        for setting in get_close_matches(name.upper(), known, n=1, cutoff=_RESEMBLES):
            if not name.startswith(f"{setting}_") and not name.endswith(f"_{setting}"):
                found[name] = setting
    return found
