"""Reads CloudFormation's resource schemas."""

from dataclasses import dataclass

from cfnlint.schema import PROVIDER_SCHEMA_MANAGER

# Schemas that say less than the documentation. A rule's description has the characters of its
# group's: https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_IpRange.html
_AS_STRICT_AS = {
    ("AWS::EC2::SecurityGroupEgress", "Description"): (
        "AWS::EC2::SecurityGroup",
        "GroupDescription",
    ),
    ("AWS::EC2::SecurityGroupIngress", "Description"): (
        "AWS::EC2::SecurityGroup",
        "GroupDescription",
    ),
}


@dataclass(frozen=True)
class Schema:
    """A place in a resource's schema."""

    root: dict
    node: dict

    @classmethod
    def of(cls, kind, region):
        schema = _schema(kind, region)
        for (weak, name), (strict, other) in _AS_STRICT_AS.items():
            if kind == weak:
                schema["properties"][name] |= _schema(strict, region)["properties"][other]
        return cls(schema, schema)

    def resolved(self):
        node = self.node
        while "$ref" in node:
            target, node = node["$ref"].removeprefix("#/").split("/"), self.root
            for step in target:
                node = node[step]
        return Schema(self.root, node)

    def properties(self):
        """Yield properties, those of alternatives too."""
        node = self.resolved().node
        yield from node.get("properties", {}).items()
        for alternative in (*node.get("oneOf", ()), *node.get("anyOf", ())):
            yield from Schema(self.root, alternative).properties()

    def member(self, name):
        """Return a property's name and schema, found without regard to case, or None."""
        for key, node in self.properties():
            if key.lower() == name.lower():
                return key, Schema(self.root, node)
        return None

    def item(self):
        return Schema(self.root, self.resolved().node.get("items", {}))

    def holds_a_document(self):
        """Return whether Terraform has a JSON text here."""
        return self.is_a("object") or (self.is_a("array") and any(self.item().properties()))

    def is_a(self, kind):
        node = self.resolved().node
        found = node.get("type", "object" if "properties" in node else ())
        return kind in ([found] if isinstance(found, str) else found)


def _schema(kind, region):
    """Return a schema, which cfn-lint keeps and uses too."""
    return PROVIDER_SCHEMA_MANAGER.get_resource_schema(region, kind).schema
