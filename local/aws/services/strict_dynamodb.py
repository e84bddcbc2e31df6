"""Refuses numbers that DynamoDB cannot store and moto accepts.

https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/HowItWorks.NamingRulesDataTypes.html
"""

from collections.abc import Iterator
from decimal import Decimal, InvalidOperation
from typing import Final

MAX_DIGITS: Final = 38
MAX_EXPONENT: Final = 125
MIN_EXPONENT: Final = -130


def refusal(request: object) -> str | None:
    """Return why DynamoDB refuses a number in this request; None if it accepts all."""
    return next((why for number in _numbers(request) if (why := _number_refusal(number))), None)


def _numbers(value: object) -> Iterator[str]:
    """Yield the attribute values of type number, at any depth."""
    if isinstance(value, list):
        for each in value:
            yield from _numbers(each)
    elif isinstance(value, dict):
        match value:
            case {"N": str(number)} if len(value) == 1:
                yield number
            case {"NS": [*numbers]} if len(value) == 1:
                yield from map(str, numbers)
            case _:
                for each in value.values():
                    yield from _numbers(each)


def _number_refusal(text: str) -> str | None:
    try:
        number = Decimal(text)
    except InvalidOperation:
        return f"The parameter cannot be converted to a numeric value: {text}"
    if not number.is_finite():
        return f"The parameter cannot be converted to a numeric value: {text}"
    digits = "".join(map(str, number.as_tuple().digits)).strip("0")
    if len(digits) > MAX_DIGITS:
        return f"Attempting to store more than {MAX_DIGITS} significant digits in a Number"
    if digits and not MIN_EXPONENT <= number.adjusted() <= MAX_EXPONENT:
        return "Number overflow. Attempting to store a number outside of the supported range"
    return None
