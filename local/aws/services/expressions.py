"""Caches DynamoDB expressions, which moto parses repeatedly."""

import pickle
from functools import lru_cache
from typing import Any, Final

from moto.dynamodb.comparisons import ConditionExpressionParser
from moto.dynamodb.parsing import validators
from moto.dynamodb.parsing.ast_nodes import DepthFirstTraverser  # type: ignore[attr-defined]
from moto.dynamodb.parsing.expressions import UpdateExpressionParser  # type: ignore[attr-defined]

from local.aws.patch import Method, wrap

# Cache sizes. A request has at most 100 conditions; programs have dozens of update expressions.
_CONDITIONS: Final = 256
_UPDATES: Final = 1024


def cache_expressions() -> None:
    """Apply all patches of this module. They do not change any result."""
    _cache_update_expressions()
    _cache_node_types()
    _cache_conditions()


def _cache_update_expressions() -> None:
    """Cache the tree of an update expression. moto parses it two or three times per action.

    The tree has placeholders for names and values. moto replaces them in a copy.
    """
    parse = UpdateExpressionParser.make
    pickled = lru_cache(maxsize=_UPDATES)(pickle.dumps)
    setattr(UpdateExpressionParser, "make", lru_cache(maxsize=_UPDATES)(parse))  # noqa: B010 - a patch
    # Reading a pickle takes a quarter of the time of a deep copy.
    vars(validators)["deepcopy"] = lambda tree: pickle.loads(pickled(tree))  # noqa: S301 - our own


def _cache_node_types() -> None:
    """Cache the node types that a traverser handles; moto computes them for every node."""
    treats = DepthFirstTraverser.nodes_to_be_processed

    def kinds(traverser: DepthFirstTraverser) -> tuple[type, ...]:
        known: tuple[type, ...] | None = vars(traverser).get("kinds")
        if known is None:
            known = vars(traverser)["kinds"] = treats(traverser)
        return known

    setattr(DepthFirstTraverser, "nodes_to_be_processed", kinds)  # noqa: B010 - a patch


def _cache_conditions() -> None:
    """Cache a parsed condition with its values. moto parses it three times per request."""
    known: dict[tuple[str, str, str], tuple[Any, tuple[str, ...], tuple[str, ...]]] = {}

    @wrap(ConditionExpressionParser, "parse")
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
        # Copies, because callers append to the lists.
        found = tuple(parser.expr_attr_names_found), tuple(parser.expr_attr_values_found)
        known[key] = (condition, *found)
        return condition
