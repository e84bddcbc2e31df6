"""Run ``workers run SERVICE`` with one planted bug, to prove that the checker can fail.

    python tests/chaos/mutants.py no_inbox_condition run analytics

Each mutant patches one thing and is otherwise the product. ``honest`` plants nothing.
"""

import sys
from uuid import uuid4

from local.chaos import launch
from workers import envelope
from workers.aws.dynamodb import DynamoStore
from workers.aws.sns import SnsTopic
from workers.relay.relay import Relay
from workers.runtime.acks import Acks
from workers.runtime.admission import Admission
from workers.runtime.consumer import Consumer
from workers.runtime.errors import Conflict
from workers.runtime.inbox import Inbox
from workers.runtime.leases import Leases
from workers.runtime.ports import AttemptLog, Record


def honest():
    """Plant nothing."""


def no_inbox_condition():
    """Handle every delivery as if it were the first."""
    inbox_row = DynamoStore._inbox_row

    def unconditional(self, *arguments):
        row = inbox_row(self, *arguments)
        del row["Put"]["ConditionExpression"], row["Put"]["ReturnValuesOnConditionCheckFailure"]
        return row

    DynamoStore._inbox_row = unconditional


def delete_before_commit():
    """Delete messages on receipt."""
    read = Consumer.read

    def eager(self, lease, story):
        self._queue.delete([lease.handle])
        return read(self, lease, story)

    Consumer.read = eager


def publish_before_commit():
    """Publish outcomes before the commit."""
    encoded, build = Inbox._encoded, Consumer.__init__
    topics = []

    def noting(self, *, topic, **parts):
        topics.append(topic)
        build(self, topic=topic, **parts)

    def published(self, outcomes):
        made = encoded(self, outcomes)
        if made:
            topics[0].publish(made)
        return made

    Consumer.__init__, Inbox._encoded = noting, published


def random_outcome_ids():
    """Give every outcome a random id."""
    envelope.outcome_id = lambda *_: str(uuid4())


def swallowed_conflict():
    """Treat a cancelled transaction as committed."""
    commit = DynamoStore.commit

    def blind(self, transaction, outcomes):
        try:
            return commit(self, transaction, outcomes)
        except Conflict:
            return Record(tuple(outcomes))

    DynamoStore.commit = blind


def no_renewal():
    """Never renew a lease."""
    Leases._renew_batch = lambda *_: None


def whole_batch_acknowledged():
    """Delete whole batches, including messages that failed."""
    Acks.hide = lambda self, lease, _seconds: self.delete(lease)


def partial_publish_ignored():
    """Treat a batch that SNS accepted partly as accepted."""
    publish = SnsTopic.publish

    def hopeful(self, *arguments):
        publish(self, *arguments)
        return {}

    SnsTopic.publish = hopeful


def marked_before_published():
    """Mark outbox rows before publishing them."""
    build = Relay.__init__

    class MarkFirst:
        def __init__(self, outbox, topic):
            self._outbox, self._topic = outbox, topic

        def publish(self, rows):
            self._outbox.mark_published_direct([row.event_id for row in rows])
            return self._topic.publish(rows)

    def eager(self, outbox, leases, topic, **more):
        build(self, outbox, leases, MarkFirst(outbox, topic), **more)

    Relay.__init__ = eager


def attempts_not_recorded():
    """Record an attempt only after it has failed, not when it starts."""
    record = Admission._record

    def late(self, message, *, error, returned):
        if not error:
            return AttemptLog()
        return record(self, message, error=error, returned=returned)

    Admission._record = late


MUTANTS = (
    honest,
    no_inbox_condition,
    delete_before_commit,
    publish_before_commit,
    random_outcome_ids,
    swallowed_conflict,
    no_renewal,
    whole_batch_acknowledged,
    partial_publish_ignored,
    marked_before_published,
    attempts_not_recorded,
)

if __name__ == "__main__":
    {mutant.__name__: mutant for mutant in MUTANTS}[sys.argv.pop(1)]()
    launch.main()
