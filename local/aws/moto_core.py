"""Speeds up the parts of moto that every request uses."""

import base64
import secrets
from functools import lru_cache
from typing import Any, Final

from moto.core import responses
from moto.core.constants import MISSING
from moto.core.model import MapShape, Shape
from moto.core.serialize import (
    AttributePicker,
    AttributePickerContext,
    BaseJSONSerializer,
)
from moto.core.utils import camelcase_to_underscores, get_value, method_names_from_class
from moto.sns import models as sns
from moto.sqs import models as sqs

from local.aws.patch import Method, wrap

_REQUEST_ID: Final = 52  # characters


def speed_up_moto() -> None:
    """Apply all patches of this module. They do not change any answer."""
    _cache_names()
    _generate_request_ids_in_one_call()
    _cache_result_keys()
    _copy_attribute_values()


def _cache_names() -> None:
    """Cache the methods of each class, and the snake case of each name."""

    @lru_cache
    def names(owner: type) -> frozenset[str]:
        return frozenset(method_names_from_class(owner))

    vars(responses)["method_names_from_class"] = names
    snake = lru_cache(maxsize=4096)(camelcase_to_underscores)
    for module in (responses, sns, sqs):
        vars(module)["camelcase_to_underscores"] = snake


def _generate_request_ids_in_one_call() -> None:
    """Generate a request id in one call; moto draws it letter by letter."""

    def request_id(headers: dict[str, Any]) -> str:
        headers["x-amzn-requestid"] = drawn = secrets.token_hex(_REQUEST_ID // 2).upper()
        return drawn

    vars(responses)["gen_amzn_requestid_long"] = request_id


def _cache_result_keys() -> None:
    """Cache the dictionary keys under which a field may be found.

    moto computes them for each field of each answer. They depend on the field alone, unless the
    result is an object other than a dictionary.
    """

    @wrap(AttributePicker, "__call__")
    def pick(original: Method, picker: AttributePicker, context: AttributePickerContext) -> Any:
        if type(context.obj) is not dict or picker.response_transformers:
            return original(picker, context)
        for name in _names(picker, context):
            if (value := get_value(context.obj, name, MISSING)) is not MISSING:
                return value
        return None

    def _names(picker: AttributePicker, context: AttributePickerContext) -> tuple[str, ...]:
        known: dict[type, tuple[str, ...]] = vars(context.shape).setdefault("names_in_results", {})
        kind = type(picker)
        if kind not in known:
            known[kind] = tuple(dict.fromkeys(picker.get_possible_keys(context)))
        return known[kind]


def _copy_attribute_values() -> None:
    """Copy DynamoDB's attribute values into the answer: moto stores them in the wire format.

    Only bytes need encoding in JSON. moto tests each value for every type.
    """

    @wrap(BaseJSONSerializer, "_serialize_type_map")
    def serialize(  # noqa: PLR0917 - as moto calls it
        original: Method,
        serializer: BaseJSONSerializer,
        serialized: dict[str, Any],
        value: dict[str, Any],
        shape: MapShape,
        key: str,
    ) -> None:
        if isinstance(shape.value, Shape) and shape.value.name == "AttributeValue":
            value = _as_json(value)
            serializer._default_serialize(serialized, value, shape, key)  # noqa: SLF001 - a patch
        else:
            original(serializer, serialized, value, shape, key)


def _as_json(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _as_json(each) for name, each in value.items()}
    if isinstance(value, list):
        return [_as_json(each) for each in value]
    return base64.b64encode(value).decode() if isinstance(value, bytes) else value
