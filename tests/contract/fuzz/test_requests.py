"""order-api answers any request as its OpenAPI document says, however odd the request is.

schemathesis makes requests from the document: valid ones, some for every limit, and invalid ones.
They are the same in every run.
"""

from http import HTTPStatus
from itertools import count

import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis.core.parameters import ParameterLocation
from schemathesis.specs.openapi.checks import positive_data_acceptance
from support.order_api import ORDER, Api

from local.issuer import DevelopmentIssuer
from workers.api.callers import OPERATE, READ, WRITE
from workers.api.keys import GivenKeys, parse
from workers.api.tokens import Tokens

ISSUER = DevelopmentIssuer()
TOKENS = Tokens(GivenKeys(parse(ISSUER.document())), ISSUER.issuer, frozenset({ISSUER.audience}))
CALLER = {"Authorization": f"Bearer {ISSUER.token('back-office', READ, WRITE, OPERATE)}"}
API = Api(identify=TOKENS.caller)
ORDER_ID = API.request("POST", "/orders", json=ORDER, headers=CALLER).json()["orderId"]
STATES = ("pending", "confirmed", "shipped", "cancelled", "refunded")
# A document cannot say all that makes a request valid: the total of an order, for instance.
UNCHECKED = [positive_data_acceptance]

document = schemathesis.openapi.from_asgi("/openapi.json", API.app)
turns = count()


@document.parametrize()
@settings(
    max_examples=40,
    derandomize=True,
    database=None,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
def test_every_answer_is_documented(case):
    a_known_order(case)

    # It repeats the request without a token and with a wrong one, and wants both refused.
    answer = case.call_and_validate(headers=CALLER, excluded_checks=UNCHECKED)

    # schemathesis is content with any status, because the document describes a default answer.
    named = case.operation.definition.raw["responses"].keys()
    assert str(answer.status_code) in named or answer.status_code == HTTPStatus.METHOD_NOT_ALLOWED


def a_known_order(case):
    """Let two of three requests that name an order name one that exists, in any state."""
    given = case.meta.components.get(ParameterLocation.PATH)
    turn = next(turns)
    if given is not None and given.mode.is_positive and turn % 3:
        API.move(ORDER_ID, STATES[turn % len(STATES)])
        case.path_parameters["orderId"] = ORDER_ID
