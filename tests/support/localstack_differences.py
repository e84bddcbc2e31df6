"""The tests that fail because LocalStack 4.14 or moto differs from AWS.

The embedded AWS corrects moto where it can (``local/aws``); ``integration/localstack`` tests the
rest. Each entry is a test that must fail on LocalStack. When it passes, delete the entry.
"""

# Test names, with parameters if only some of them fail.
LOCALSTACK_FAILURES = {
    "test_a_batch_fails_by_entry_or_as_a_whole": (
        "accepts control characters in a batch entry, and answers an empty batch with 500"
    ),
    "test_a_message_has_at_most_ten_attributes": "accepts eleven attributes",
    "test_a_refused_message_fails_its_own_entry_only": (
        "adds refused entries to the size of the batch, and refuses all of it"
    ),
    "test_an_empty_body_is_refused": "accepts an empty body in a batch",
    "test_an_entry_id_has_letters_digits_hyphens_and_underscores[\\xe9]": (
        "accepts letters of all alphabets in IDs"
    ),
    "test_an_entry_id_has_letters_digits_hyphens_and_underscores[a\\n]": (
        "accepts a line end after an ID"
    ),
    "test_a_message_that_is_too_large_or_has_control_characters_is_refused": (
        "accepts control characters on a topic"
    ),
}

# These fail only sometimes.
LOCALSTACK_FLAKES = {
    "test_a_poll_is_woken_when_a_delay_ends": "checks delays once a second",
    "test_a_poll_is_woken_when_a_visibility_timeout_ends": "checks timeouts once a second",
    "test_raw_delivery_discards_more_than_ten_attributes": (
        "delivers eleven attributes, raw, before or after the others"
    ),
}

# These fail only where LocalStack has no Java and moto replaces DynamoDB Local.
MOTO_FAILURES = {
    "test_a_number_that_dynamodb_cannot_hold_is_refused": "moto keeps numbers of any size",
}
