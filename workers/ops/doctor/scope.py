"""The system that a doctor examines: where it is, and what its resources are called."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from workers.aws.clients import Clients
from workers.aws.errors import translated
from workers.aws.provisioning import is_aws
from workers.settings import Settings
from workers.topology import Topology


@dataclass(frozen=True)
class Identity:
    """Who asks, and the time by AWS's clock."""

    arn: str
    account: str
    date: str  # the Date header of the answer; "" if it has none

    @property
    def partition(self) -> str:
        """The partition of AWS: "aws", "aws-cn"."""
        return self.arn.split(":")[1] if self.arn.startswith("arn:") else "aws"


@dataclass(frozen=True)
class Scope:
    """What to examine, and with which clients. Thread-safe: clients are made at the start."""

    settings: Settings
    topology: Topology
    identity: Identity
    on_aws: bool  # not an emulator, which has neither alarms nor backups
    sqs: Any
    sns: Any
    dynamodb: Any
    cloudwatch: Any
    s3: Any
    environment: Mapping[str, str]

    @classmethod
    def connect(
        cls, clients: Clients, settings: Settings, topology: Topology, env: Mapping[str, str]
    ) -> "Scope":
        """Make the clients and ask AWS who we are. Raises what ``translated`` raises."""
        sqs = clients.inspector("sqs")
        return cls(
            settings=settings,
            topology=topology,
            identity=who(clients),
            on_aws=is_aws(sqs.meta.endpoint_url),
            sqs=sqs,
            sns=clients.inspector("sns"),
            dynamodb=clients.inspector("dynamodb"),
            cloudwatch=clients.inspector("cloudwatch"),
            s3=clients.s3(),
            environment=dict(env),
        )

    @property
    def endpoint(self) -> str:
        """The address of SQS, and so the place that is examined."""
        url: str = self.sqs.meta.endpoint_url
        return url

    @property
    def place(self) -> str:
        """Name the place in a few words."""
        prefix = self.settings.name_prefix
        return (
            f"account {self.identity.account}, region {self.settings.aws_region}, "
            f"prefix {prefix!r}, endpoint {self.endpoint}"
        )

    @property
    def repair(self) -> str:
        """Tell how to restore what the map says."""
        if self.on_aws:
            return "Run `terraform plan`: it shows the difference, and apply restores it"
        return "Run `workers provision`"

    @cached_property
    def topic_arn(self) -> str:
        """The ARN of the topic: of the settings, or else by its name."""
        name = self.settings.name_prefix + self.topology.topic_name
        return self.settings.topic_arn or self._arn("sns", name)

    def queue(self, service: str) -> str:
        """Name the queue of a service."""
        return self.settings.name_prefix + self.topology.queue_name(service)

    def dlq(self, service: str) -> str:
        """Name the dead-letter queue of a service."""
        return self.settings.name_prefix + self.topology.dlq_name(service)

    def undelivered(self, service: str) -> str:
        """Name the queue of what SNS could not deliver to a service. Only Terraform makes one."""
        return self.settings.name_prefix + self.topology.undelivered_name(service)

    def queue_arn(self, name: str) -> str:
        """Return the ARN of a queue."""
        return self._arn("sqs", name)

    def _arn(self, service: str, name: str) -> str:
        region, account = self.settings.aws_region, self.identity.account
        return f"arn:{self.identity.partition}:{service}:{region}:{account}:{name}"


def who(clients: Clients) -> Identity:
    """Ask AWS who we are. Every caller may. Raises what ``translated`` raises."""
    with translated("sts"):
        found = clients.inspector("sts").get_caller_identity()
    date = found["ResponseMetadata"]["HTTPHeaders"].get("date", "")
    return Identity(found["Arn"], found["Account"], date)
