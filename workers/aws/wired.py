"""An SDK client whose hot requests do without the SDK's client code.

That code takes four fifths of the CPU time of a request. Parameters, parsers, errors and retries
remain the SDK's. So do the events that hooks use: ``provide-client-params``,
``before-parameter-build``, ``before-call``, ``needs-retry``, ``after-call`` and
``after-call-error``.
"""

import time
from collections.abc import Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

from botocore.exceptions import ConnectionError as NoConnection
from botocore.exceptions import HTTPClientError

from workers.aws.connections import Connections
from workers.aws.endpoints import origin_of
from workers.aws.exchanges import Answer
from workers.aws.protocols import FIRST_ERROR, protocol_of
from workers.aws.proxies import Proxy
from workers.aws.signer import Scope, signed

if TYPE_CHECKING:
    import boto3

# Methods that services call for messages and requests, by the SDK's name of the service.
HOT: Final[Mapping[str, tuple[str, ...]]] = {
    "dynamodb": (
        "get_item",
        "batch_get_item",
        "put_item",
        "query",
        "transact_write_items",
        "update_item",
    ),
    "ses": ("send_email",),
    "sns": ("publish_batch",),
}
# A method without parameters, of which a URL is signed to find the endpoint. It is never called.
PROBE: Final[Mapping[str, str]] = {
    "dynamodb": "list_tables",
    "ses": "get_send_quota",
    "sns": "list_topics",
}
# Errors after which the SDK's retry handler is asked. Missing credentials are not among them.
BROKEN: Final = (NoConnection, HTTPClientError)


class Wired:
    """Stands for an SDK client, and sends its hot requests itself. Thread-safe, as the client."""

    def __init__(self, client: Any, session: "boto3.Session") -> None:
        self._client, self._session = client, session
        service = client.meta.service_model.service_name
        self._hot = HOT[service]
        # Asked for all the time, and plain attributes are faster.
        self.meta, self.exceptions = client.meta, client.exceptions
        # Wrong settings are reported now, not by a request.
        Proxy.to(origin_of(client.meta.endpoint_url, service))

    def __getattr__(self, name: str) -> Any:
        """Return an operation, or anything else of the SDK's client."""
        if name not in self._hot:
            return getattr(self._client, name)
        call = HotCall(self, name)
        setattr(self, name, call)
        return call

    @cached_property
    def scope(self) -> Scope:
        """Where requests go. The first of them looks it up, which needs credentials."""
        return Scope.of(self._client, PROBE[self.meta.service_model.service_name])

    @cached_property
    def connections(self) -> Connections:
        """The connections of all hot requests."""
        config = self.meta.config
        return Connections(
            self.scope.endpoint,
            connect_timeout=config.connect_timeout,
            read_timeout=config.read_timeout,
            keep=config.max_pool_connections,
            proxy=Proxy.to(self.scope.endpoint),
        )

    def post(self, headers: Mapping[str, str], body: bytes) -> Answer:
        """Sign and send a request once. Raises the SDK's connection errors."""
        return self.connections.post(signed(self._session, self.scope, headers, body), body)


class HotCall:
    """One operation of a client; call it with the SDK's parameters."""

    def __init__(self, wired: Wired, method: str) -> None:
        operation = wired.meta.method_to_api_mapping[method]
        self._wired = wired
        self._model = wired.meta.service_model.operation_model(operation)
        self._protocol = protocol_of(self._model)
        self._headers = {**self._protocol.headers, "User-Agent": wired.meta.config.user_agent}
        service = wired.meta.service_model.service_id.hyphenize()
        self._place = f"{service}.{operation}"

    def __call__(self, **parameters: Any) -> dict[str, Any]:
        """Send the request, again if the SDK would, and return the response.

        Raises the exceptions of the SDK's client.
        """
        context: dict[str, Any] = {"client_config": self._wired.meta.config}
        request = {
            "body": self._body(parameters, context),
            "context": context,
            "headers": dict(self._headers),
            "method": "POST",
            "url_path": "/",
        }
        about = {"model": self._model, "context": context}
        self._emit("before-call", params=request, request_signer=None, **about)
        try:
            answer, parsed = self._attempts(request)
        except Exception as error:
            self._emit("after-call-error", exception=error, context=context)
            raise
        self._emit("after-call", http_response=answer, parsed=parsed, **about)
        if answer.status_code >= FIRST_ERROR:
            code = parsed.get("Error", {}).get("Code")
            raise self._wired.exceptions.from_code(code)(parsed, self._model.name)
        return parsed

    def _body(self, parameters: dict[str, Any], context: dict[str, Any]) -> bytes:
        """Write the body. The hooks may change the parameters; one adds the idempotency token."""
        about = {"model": self._model, "context": context}
        given = self._emit("provide-client-params", params=parameters, **about)
        parameters = parameters if given is None else given
        self._emit("before-parameter-build", params=parameters, **about)
        return self._protocol.write(parameters)

    def _attempts(self, request: dict[str, Any]) -> tuple[Answer, dict[str, Any]]:
        """Send the request until it succeeds, or until the SDK's retry handler has enough."""
        attempts = 1
        while True:
            try:
                answer, parsed = self._attempt(request)
            except BROKEN as error:
                pause = self._pause(request, attempts, error=error)
                if pause is None:
                    raise
            else:
                succeeded = answer.status_code < FIRST_ERROR
                pause = None if succeeded else self._pause(request, attempts, (answer, parsed))
                if pause is None:
                    parsed.setdefault("ResponseMetadata", {})["RetryAttempts"] = attempts - 1
                    return answer, parsed
            time.sleep(pause)
            attempts += 1

    def _attempt(self, request: dict[str, Any]) -> tuple[Answer, dict[str, Any]]:
        answer = self._wired.post(request["headers"], request["body"])
        self._protocol.check(answer)
        return answer, self._protocol.read(answer)

    def _pause(
        self,
        request: dict[str, Any],
        attempts: int,
        response: tuple[Answer, dict[str, Any]] | None = None,
        *,
        error: Exception | None = None,
    ) -> float | None:
        """Return the seconds before the next attempt; None if there is none."""
        pause = self._emit(
            "needs-retry",
            response=response,
            endpoint=None,
            operation=self._model,
            attempts=attempts,
            caught_exception=error,
            request_dict=request,
        )
        return None if pause is None or pause is False else float(pause)

    def _emit(self, event: str, **about: Any) -> Any:
        """Call the hooks of an event; return the first answer that is not None."""
        for _, answer in self._wired.meta.events.emit(f"{event}.{self._place}", **about):
            if answer is not None:
                return answer
        return None
