"""Corrects moto's EC2, which drops descriptions of security group rules."""

from typing import Any

from moto.ec2.models.security_groups import SecurityGroupRule

from local.aws.patch import Method, wrap


def correct() -> None:
    """Apply the correction of this module."""
    _keep_the_description()


def _keep_the_description() -> None:
    """Keep the description of a rule for a security group or a prefix list, not only for a CIDR.

    https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_SecurityGroupRule.html
    """

    @wrap(SecurityGroupRule, "__init__")
    def create(original: Method, rule: SecurityGroupRule, *args: Any, **named: object) -> None:
        original(rule, *args, **named)
        peers = [each for each in args if isinstance(each, dict)]
        found = (peer["Description"] for peer in peers if "Description" in peer)
        setattr(rule, "peer_description", next(found, None))  # noqa: B010 - moto knows no such field

    def description(rule: Any) -> str | None:
        text: str | None = rule.peer_description
        return text

    setattr(SecurityGroupRule, "description", property(description))  # noqa: B010 - read-only in moto
