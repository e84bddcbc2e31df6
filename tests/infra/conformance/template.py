"""Translates Terraform's resources into a CloudFormation template, which cfn-lint can check.

CloudFormation's resource schemas state what the services accept: patterns, lengths, values. Most
arguments have the same name there (``cidr_block`` is ``CidrBlock``); ``kinds.py`` lists the others.
"""

import json
from dataclasses import dataclass, field

from infra.conformance.kinds import ELSEWHERE, KINDS
from infra.conformance.plan import KNOWN_LATER, Resource
from infra.conformance.schema import Schema

_UNSET = (None, "", [], {})
_IMPLIED = {"tags_all": "Tags"}


@dataclass
class Template:
    """A CloudFormation template, and what could not be translated into it."""

    region: str
    resources: dict = field(default_factory=dict)  # type and properties by logical ID
    addresses: dict = field(default_factory=dict)  # Terraform's, by logical ID
    untranslated: list = field(default_factory=list)

    def add(self, resource):
        """Translate a resource, unless its type is listed as one that CloudFormation lacks."""
        if resource.type in ELSEWHERE:
            return
        if resource.type not in KINDS:
            self.untranslated.append(f"{resource.address}: {resource.type} is not in kinds.py")
            return
        kind = KINDS[resource.type]
        schema = Schema.of(kind.type, self.region)
        reader = _Reader(resource, kind, self.untranslated)
        properties = reader.block(resource.values, "", schema, resource.arguments - {"tags"})
        self._put(resource, kind.type, kind.fixed | properties)
        for argument, (policy_type, required) in kind.apart.items():
            policy = resource.values.get(argument)
            if policy and policy != KNOWN_LATER:
                document = {"PolicyDocument": json.loads(policy)}
                self._put(resource, policy_type, document | required)

    def _put(self, resource, kind, properties):
        logical = f"R{len(self.resources)}"
        self.resources[logical] = {"Type": kind, "Properties": properties}
        self.addresses[logical] = resource.address


@dataclass(frozen=True)
class _Reader:
    """Translates the values of one resource."""

    resource: Resource
    kind: object
    untranslated: list

    def block(self, values, path, schema, arguments=None):
        """Translate a block, or the ``arguments`` of a resource."""
        properties = {}
        for name in sorted(values.keys() if arguments is None else arguments & values.keys()):
            here = f"{path}.{name}".removeprefix(".")
            value = values[name]
            # In a block, the provider stores a number that is not set as 0.
            empty = value in _UNSET or (path and value == 0 and value is not False)
            if empty or (here in self.kind.unset and value == self.kind.unset[here]):
                continue
            if here in self.kind.without or here in self.kind.apart:
                continue
            if self.kind.names.get(here) == "":
                properties |= self.block(value[0], here, schema)
            else:
                self._place(properties, here, schema, value)
        return properties

    def _place(self, properties, path, schema, value):
        """Put a value where CloudFormation has it, below other properties if need be."""
        name = self.kind.names.get(path, _IMPLIED.get(path, path.rpartition(".")[2]))
        *outer, last = name.replace("_", "").split(".")
        for step in outer:
            key, schema = schema.member(step)
            properties = properties.setdefault(key, {})
        found = schema.member(last)
        if found is None:
            self._report(path)
            return
        key, inner = found
        made = self.kind.values.get(path)
        if value != KNOWN_LATER:
            value = made(value) if made else self._value(value, path, inner)
        gathered = isinstance(value, list) and isinstance(properties.get(key), list)
        properties[key] = properties[key] + value if gathered else value

    def _value(self, value, path, schema):
        if value == KNOWN_LATER:
            return value
        if isinstance(value, str) and schema.holds_a_document():
            value = json.loads(value)
        if isinstance(value, list):
            return self._list(value, path, schema)
        if isinstance(value, dict):
            return self._map(value, path, schema)
        return value

    def _list(self, values, path, schema):
        """Translate a list, or a block: Terraform has it in a list of one."""
        if schema.is_a("array"):
            return [self._value(each, path, schema.item()) for each in values]
        if len(values) > 1:
            self._report(path, "as a list")
        return self._value(values[0], path, schema)

    def _map(self, value, path, schema):
        """Translate a block, or a map, which may be a list of names and values there."""
        if schema.is_a("array"):
            name = "Key" if schema.item().member("Key") else "Name"
            return [{name: key, "Value": each} for key, each in value.items()]
        return self.block(value, path, schema) if any(schema.properties()) else value

    def _report(self, path, form=""):
        missing = f"{path} {form}".rstrip()
        self.untranslated.append(
            f"{self.resource.address}: {missing} has no counterpart in {self.kind.type}"
        )
