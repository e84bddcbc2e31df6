"""Where moto's DynamoDB reads the same expression again and again: read once."""

import pickle
from functools import lru_cache
from typing import Any, Final

from moto.dynamodb.comparisons import ConditionExpressionParser
from moto.dynamodb.parsing import validators
from moto.dynamodb.parsing.ast_nodes import DepthFirstTraverser  # type: ignore[attr-defined]
from moto.dynamodb.parsing.expressions import UpdateExpressionParser  # type: ignore[attr-defined]

from local.aws.patch import Method, around

# Of a request, at most a hundred conditions; programs have some dozens of update expressions.
_CONDITIONS: Final = 256
_UPDATES: Final = 1024


def read_expressions_once() -> None:
    """Apply everything in this module. What expressions mean stays the same."""
    _parse_an_update_once()
    _ask_a_traverser_once()
    _parse_a_condition_once()


def _parse_an_update_once() -> None:
    """Keep the tree of an update expression. moto parses it two or three times per action.

    The tree holds placeholders for names and values. moto fills them in in a copy.
    """
    parse = UpdateExpressionParser.make
    pickled = lru_cache(maxsize=_UPDATES)(pickle.dumps)
    setattr(UpdateExpressionParser, "make", lru_cache(maxsize=_UPDATES)(parse))  # noqa: B010 - a patch
    # Reading a pickle takes a quarter of the time of a deep copy.
    vars(validators)["deepcopy"] = lambda tree: pickle.loads(pickled(tree))  # noqa: S301 - our own


def _ask_a_traverser_once() -> None:
    """Keep which kinds of node a traverser treats, and how; moto asks for every node."""
    treats = DepthFirstTraverser.nodes_to_be_processed

    def kinds(traverser: DepthFirstTraverser) -> tuple[type, ...]:
        known: tuple[type, ...] | None = vars(traverser).get("kinds")
        if known is None:
            known = vars(traverser)["kinds"] = treats(traverser)
        return known

    setattr(DepthFirstTraverser, "nodes_to_be_processed", kinds)  # noqa: B010 - a patch


def _parse_a_condition_once() -> None:
    """Keep what a condition means, with the values of its request. moto parses it three times."""
    known: dict[tuple[str, str, str], tuple[Any, tuple[str, ...], tuple[str, ...]]] = {}

    @around(ConditionExpressionParser, "parse")
    def parse(original: Method, parser: ConditionExpressionParser) -> Any:
        if not parser.condition_expression:
            return original(parser)
        key = (
            parser.condition_expression,
            repr(parser.expression_attribute_names),
            repr(parser.expression_attribute_values),
        )
        if key in known:
            condition, names, values = known[key]
            parser.expr_attr_names_found[:] = names
            parser.expr_attr_values_found[:] = values
            return condition
        if len(known) >= _CONDITIONS:
            known.clear()
        condition = original(parser)
        # Copies, for those who ask add to the lists.
        found = tuple(parser.expr_attr_names_found), tuple(parser.expr_attr_values_found)
        known[key] = (condition, *found)
        return condition
