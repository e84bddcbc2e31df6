"""Where LocalStack 4.14 and moto behave unlike AWS, as far as a test of ours meets it.

The embedded AWS corrects moto where it can (``workers/local``); what it cannot do is tested in
``integration/localstack``. Each entry is a test that fails on LocalStack, and has to: who finds
that it passes deletes the entry.
"""

# By the test's name, with its parameters where not all of them fail.
LOCALSTACKS_OWN = {
    "test_a_batch_fails_by_entry_or_as_a_whole": (
        "accepts control characters in a batch entry, and answers an empty batch with 500"
    ),
    "test_a_message_has_at_most_ten_attributes": "accepts eleven attributes",
    "test_a_refused_message_fails_its_own_entry_only": (
        "adds refused entries to the size of the batch, and refuses all of it"
    ),
    "test_an_empty_body_is_refused": "accepts an empty body in a batch",
    "test_an_entry_id_is_letters_digits_hyphens_and_underscores[\\xe9]": (
        "takes letters of all alphabets in ids"
    ),
    "test_an_entry_id_is_letters_digits_hyphens_and_underscores[a\\n]": (
        "takes a line end after an id"
    ),
    "test_what_is_over_256_kib_or_forbidden_is_refused": "accepts control characters on a topic",
}

# Whether these fail depends on the moment.
LOCALSTACKS_TIMING = {
    "test_a_poll_is_woken_when_a_delay_ends": "looks at delays once a second",
    "test_a_poll_is_woken_when_a_visibility_timeout_ends": "looks at timeouts once a second",
    "test_raw_delivery_discards_more_than_ten_attributes": (
        "delivers eleven attributes, raw, before or after the others"
    ),
}

# These fail only where LocalStack has no Java, so that moto answers for DynamoDB Local.
DYNAMODB_BY_MOTO = {
    "test_a_number_that_dynamodb_cannot_hold_is_refused": "moto keeps numbers of any size",
}
