"""Forms are those of the standard library."""

from urllib.parse import quote_plus

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from workers.aws.protocols import quoted


@given(st.text(st.characters(exclude_categories=["Cs"])))
@example("100 % of a+b=c&d ~ é€\U0001f600")
@example("".join(map(chr, range(256))))
def test_a_value_is_quoted_as_by_the_standard_library(value):
    assert quoted(value) == quote_plus(value).encode()


def test_half_a_character_is_refused():
    with pytest.raises(UnicodeEncodeError):
        quoted("\ud800")
