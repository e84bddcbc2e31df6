"""Runs cfn-lint on translated resources: schemas, and the grammar and actions of policies.

cfn-lint is released every week with AWS's current schemas and actions; parliament, the older
linter of policies, has had no release since April 2025.
"""

import json
from functools import lru_cache

from cfnlint import ManualArgs, lint
from cfnlint.core import get_rules
from cfnlint.rules.resources.iam.Policy import Policy

from infra.conformance.template import Template

# Rules that compare resources by references, which a template made from a plan does not have.
_ABOUT_REFERENCES = ["E1020", "E3019", "E3022"]
# Rules that cfn-lint counts as advice: an action exists, and can have this resource.
_ADVICE = ("W3037", "I3510")


class EndpointPolicy(Policy):
    """A policy of a VPC endpoint has the grammar of a resource's policy."""

    id = "E9001"
    shortdesc = "Validate policies of VPC endpoints"
    description = "cfn-lint checks the policies of keys, topics, queues and buckets only"
    source_url = "https://docs.aws.amazon.com/vpc/latest/privatelink/vpc-endpoints-access.html"
    tags = ("resources", "iam")

    def __init__(self):
        keywords = ["Resources/AWS::EC2::VPCEndpoint/Properties/PolicyDocument"]
        super().__init__(keywords, "resource", "policy_resource.json")


def refused(resources, region="eu-west-1"):
    """List what AWS would refuse, as ``address: property: message (rule)``."""
    template = Template(region)
    for resource in resources:
        template.add(resource)
    document = {"Resources": template.resources, "Parameters": {"Unknown": {"Type": "String"}}}
    matches = lint(json.dumps(document), rules=_rules(), config=ManualArgs(regions=[region]))
    return template.untranslated + [
        f"{template.addresses[match.path[1]]}: {'.'.join(map(str, match.path[3:]))}: "
        f"{match.message} ({match.rule.id})"
        for match in matches
        if match.rule.id.startswith("E") or match.rule.id in _ADVICE
    ]


@lru_cache
def _rules():
    rules = get_rules([], _ABOUT_REFERENCES, list(_ADVICE))
    rules.register(EndpointPolicy())
    return rules
