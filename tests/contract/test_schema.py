"""The exported contract matches the map, and the golden events match the contract."""

import json
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator, FormatChecker, ValidationError

from workers.events import CATALOGUE
from workers.ops.schema import export
from workers.topology import MAX_RECEIVE_COUNT, Topology

GOLDEN = Path(__file__).parent / "golden"
TOPOLOGY = Topology.load()


@pytest.fixture(scope="module")
def directory(tmp_path_factory):
    directory = tmp_path_factory.mktemp("contract") / "schemas"
    export(directory)
    return directory


@pytest.fixture(scope="module")
def asyncapi(directory):
    return json.loads((directory / "asyncapi.json").read_text())


def validator(directory, event_type):
    schema = json.loads((directory / f"{event_type}.json").read_text())
    Draft202012Validator.check_schema(schema)
    return Draft202012Validator(schema, format_checker=FormatChecker())


def golden(event_type):
    return json.loads((GOLDEN / f"{event_type}.json").read_text())


def test_the_export_has_a_file_per_event_and_one_for_all(directory):
    names = {path.name for path in directory.iterdir()}

    files = {"asyncapi.json", "contract.json", "index.html"}
    assert names == {f"{event_type}.json" for event_type in CATALOGUE} | files


def test_the_written_paths_are_returned_and_a_second_export_changes_nothing(directory):
    before = {path: path.read_bytes() for path in directory.iterdir()}

    again = export(directory)

    assert {path: path.read_bytes() for path in again} == before


@pytest.mark.parametrize("event_type", CATALOGUE)
def test_a_golden_event_matches_its_schema(directory, event_type):
    validator(directory, event_type).validate(golden(event_type))


@pytest.mark.parametrize("path", sorted((GOLDEN / "1.1").iterdir()), ids=lambda path: path.stem)
def test_a_golden_event_of_version_1_1_matches_its_schema(directory, path):
    validator(directory, path.stem).validate(json.loads(path.read_text()))


@pytest.mark.parametrize("event_type", CATALOGUE)
def test_an_event_matches_no_other_events_schema(directory, event_type):
    for other in CATALOGUE.keys() - {event_type}:
        with pytest.raises(ValidationError):
            validator(directory, other).validate(golden(event_type))


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("eventId", ""),
        ("eventId", None),
        ("eventVersion", "2.0"),
        ("eventVersion", None),
        ("occurredAt", 5),
        ("traceparent", "garbage"),
        ("data", {}),
    ],
)
def test_a_broken_envelope_does_not_match(directory, field, value):
    envelope = golden("order.created") | {field: value}
    envelope = {name: value for name, value in envelope.items() if value is not None}

    with pytest.raises(ValidationError):
        validator(directory, "order.created").validate(envelope)


@pytest.mark.parametrize("amount", [31.6, "31.605", "-1.00", "1e3", "12345678901", "NaN"])
def test_money_is_a_string_with_two_decimals(directory, amount):
    envelope = golden("order.created")
    envelope["data"]["totalAmount"] = amount

    with pytest.raises(ValidationError):
        validator(directory, "order.created").validate(envelope)


# The structural rules of AsyncAPI 3.0, whose JSON Schema is not bundled:
# https://www.asyncapi.com/docs/reference/specification/v3.0.0


def resolve(document, reference):
    node = document
    for part in reference.removeprefix("#/").split("/"):
        node = node[part]
    return node


def references(node):
    for value in node.values() if isinstance(node, dict) else node:
        if isinstance(value, dict | list):
            yield from references(value)
    if isinstance(node, dict) and "$ref" in node:
        yield node["$ref"]


def test_the_export_is_an_asyncapi_document(asyncapi):
    assert asyncapi["asyncapi"] == "3.0.0"
    assert asyncapi["info"].keys() >= {"title", "version"}
    for server in asyncapi["servers"].values():
        assert server.keys() >= {"host", "protocol"}
        for variable in server["variables"]:
            assert f"{{{variable}}}" in server["host"]
    for channel in asyncapi["channels"].values():
        assert channel["address"]
        assert channel["messages"]
    for operation in asyncapi["operations"].values():
        assert operation["action"] in {"send", "receive"}


def test_every_reference_resolves(asyncapi, directory):
    for reference in references(asyncapi):
        if reference.startswith("#/"):
            assert resolve(asyncapi, reference)
        else:
            assert (directory / reference).is_file()


def test_an_operations_messages_are_messages_of_its_channel(asyncapi):
    for operation in asyncapi["operations"].values():
        channel = operation["channel"]["$ref"]
        for message in operation["messages"]:
            assert message["$ref"].startswith(f"{channel}/messages/")


def types(asyncapi, operation):
    return {m["$ref"].rpartition("/")[2] for m in asyncapi["operations"][operation]["messages"]}


@pytest.mark.parametrize("name", TOPOLOGY.consumers)
def test_a_queue_is_described_as_in_the_map(asyncapi, name):
    service = TOPOLOGY.services[name]
    channel = asyncapi["channels"][f"{name}-queue"]
    queue = channel["bindings"]["sqs"]["queue"]

    assert channel["messages"].keys() == service.consumes
    assert channel["x-filter-policy"] == {"eventType": sorted(service.consumes)}
    assert queue["redrivePolicy"] == {
        "deadLetterQueue": {"name": f"{name}-queue-dlq"},
        "maxReceiveCount": MAX_RECEIVE_COUNT,
    }
    assert types(asyncapi, f"{name}.receive") == service.consumes


@pytest.mark.parametrize("name", [n for n, s in TOPOLOGY.services.items() if s.publishes])
def test_a_services_events_are_described_as_in_the_map(asyncapi, name):
    operation = asyncapi["operations"][f"{name}.send"]

    assert operation["channel"] == {"$ref": "#/channels/order-events"}
    assert types(asyncapi, f"{name}.send") == TOPOLOGY.services[name].publishes


def test_nothing_else_is_described(asyncapi):
    sent = {f"{name}.send" for name, s in TOPOLOGY.services.items() if s.publishes}
    received = {f"{name}.receive" for name in TOPOLOGY.consumers}

    assert asyncapi["operations"].keys() == sent | received
    assert len(asyncapi["channels"]) == 1 + len(TOPOLOGY.consumers)


def test_the_document_names_the_owner_of_each_queue_and_operation(asyncapi):
    operations = {name: each["x-owner"] for name, each in asyncapi["operations"].items()}
    queues = {
        name: each["x-owner"] for name, each in asyncapi["channels"].items() if "queue" in name
    }

    assert {name.partition(".")[0]: owner for name, owner in operations.items()} == {
        name: service.owner for name, service in TOPOLOGY.services.items()
    }
    assert queues == {
        f"{name}-queue": service.owner for name, service in TOPOLOGY.consumers.items()
    }
