"""The faults that the system is designed against, with the tests of each or why there is none.

Tests cite a case by its number: "Row 15."
"""

from typing import NamedTuple


class Case(NamedTuple):
    number: int
    fault: str
    tests: tuple[str, ...]
    why_not: str = ""


CATALOGUE = (
    Case(
        1,
        "a worker is killed after the receive",
        (
            "chaos/test_points.py::test_a_worker_that_dies_at_any_step_of_a_message_loses_and_doubles_nothing",
        ),
    ),
    Case(
        2,
        "a worker is killed in the handler, before the commit",
        (
            "chaos/test_points.py::test_a_worker_that_dies_at_any_step_of_a_message_loses_and_doubles_nothing",
            "process/test_kill.py::test_a_message_whose_process_is_killed_is_handled_by_the_next",
        ),
    ),
    Case(
        3,
        "a worker is killed after the commit, before the delete",
        (
            "chaos/test_points.py::test_a_worker_that_dies_at_any_step_of_a_message_loses_and_doubles_nothing",
            "process/test_kill.py::test_a_message_that_was_committed_but_not_deleted_has_one_effect",
        ),
    ),
    Case(
        4,
        "a worker is killed after the delete",
        (
            "chaos/test_points.py::test_a_worker_that_dies_at_any_step_of_a_message_loses_and_doubles_nothing",
        ),
    ),
    Case(
        5,
        "a worker is killed in the middle of a batch",
        (
            "process/test_poison.py::test_nine_neighbours_are_handled_and_the_poison_is_dead_lettered_with_its_reason",
            "chaos/test_points.py::test_a_worker_that_dies_at_any_step_of_a_message_loses_and_doubles_nothing",
        ),
    ),
    Case(
        6,
        "SIGTERM while a handler runs",
        ("process/test_stop.py::test_a_running_handler_is_finished_and_its_message_deleted",),
    ),
    Case(
        7,
        "SIGTERM while a handler runs that outlasts the stop timeout",
        ("process/test_stop.py::test_a_hung_handler_is_left_behind_and_its_message_handed_back",),
    ),
    Case(
        8,
        "a second signal",
        ("process/test_stop.py::test_a_second_signal_ends_the_worker_at_once",),
    ),
    Case(
        9,
        "a handler slower than the visibility timeout",
        (
            "chaos/test_mutants.py::test_the_product_survives",
            "unit/runtime/test_leases.py::test_a_long_handler_keeps_its_message",
        ),
    ),
    Case(
        10,
        "renewals fail",
        (
            "unit/runtime/test_failure_catalogue.py::test_a_lease_survives_renewal_errors_shorter_than_itself",
        ),
    ),
    Case(
        11,
        "a worker is paused past the visibility timeout and resumes",
        (
            "unit/runtime/test_failure_catalogue.py::test_a_zombie_commits_nothing_over_its_successor",
            "chaos/test_run.py::test_nothing_is_lost_or_doubled_while_everything_fails",
        ),
    ),
    Case(
        12,
        "two workers have the same message at once",
        (
            "unit/runtime/test_failure_catalogue.py::test_two_workers_with_one_message_have_one_effect",
        ),
    ),
    Case(
        13,
        "an event is published twice",
        (
            "unit/runtime/test_inbox.py::test_a_duplicate_under_another_message_id_has_no_second_effect",
            "chaos/test_mutants.py::test_the_product_survives",
        ),
    ),
    Case(
        14,
        "a second event of the same order",
        (
            "unit/services/test_inventory.py::test_a_second_event_of_the_same_order_gets_the_same_answer",
        ),
    ),
    Case(
        15,
        "a delete fails",
        ("integration/test_faults.py::test_a_failed_delete_is_repeated_and_the_effect_is_not",),
    ),
    Case(
        16,
        "a batch of deletes fails partly",
        ("integration/test_faults.py::test_only_the_entries_that_failed_are_deleted_again",),
    ),
    Case(
        17,
        "the reply to a delete is lost",
        ("unit/runtime/test_acks.py::test_a_delete_whose_reply_was_lost_is_repeated_without_harm",),
    ),
    Case(
        18,
        "the reply to a receive is lost",
        ("integration/test_faults.py::test_a_lost_response_to_a_receive_costs_only_a_receive",),
    ),
    Case(
        19,
        "the reply to a commit is lost",
        (
            "unit/runtime/test_inbox.py::test_a_commit_whose_reply_got_lost_counts_as_done",
            "integration/test_faults.py::test_a_failed_commit_is_committed_once",
        ),
    ),
    Case(
        20,
        "the table throttles",
        ("unit/runtime/test_breaker.py::test_consecutive_failures_pause_polling",),
    ),
    Case(
        21,
        "the table is down for a long time",
        (
            "process/test_outage.py::test_an_outage_during_work_is_waited_out",
            "unit/runtime/test_settlement.py::test_postponements_never_use_up_the_receives_that_sqs_grants",
        ),
    ),
    Case(
        22,
        "transactions conflict",
        (
            "unit/runtime/test_consumer.py::test_an_endless_conflict_costs_no_attempt",
            "chaos/test_mutants.py::test_the_product_survives",
        ),
    ),
    Case(
        23,
        "a transaction can never be written",
        ("contract/ports/test_store.py::test_a_document_over_400_kib_is_a_permanent_error",),
    ),
    Case(
        24,
        "packets are lost",
        (
            "process/test_outage.py::test_a_poll_without_a_response_times_out",
            "integration/test_no_answer.py::test_silence_is_an_outage_after_the_timeout",
        ),
    ),
    Case(
        25,
        "connections are reset, responses break off",
        (
            "integration/test_faults.py::test_a_connection_that_is_reset_loses_nothing",
            "integration/test_no_answer.py::test_half_a_response_is_an_outage_and_not_a_missing_document",
        ),
    ),
    Case(
        26,
        "host names do not resolve, endpoints move",
        (
            "unit/aws/test_network.py::test_an_unresolved_name_is_an_outage_until_it_resolves",
            "unit/aws/test_network.py::test_a_name_that_moves_is_followed_once_the_connection_breaks",
        ),
    ),
    Case(
        27,
        "the topic is down after the effect",
        (
            "integration/test_outbox_to_queue.py::test_the_relay_publishes_what_order_api_could_not",
            "chaos/test_mutants.py::test_the_product_survives",
        ),
    ),
    Case(
        28,
        "the topic refuses an event permanently",
        ("unit/relay/test_relay.py::test_a_refused_event_is_set_aside_counted_and_logged",),
    ),
    Case(
        29,
        "a batch is published partly",
        (
            "integration/test_faults.py::test_only_the_failed_half_of_a_batch_is_published_again",
            "chaos/test_mutants.py::test_the_product_survives",
        ),
    ),
    Case(
        30,
        "a relay dies between publish and mark",
        ("chaos/test_points.py::test_a_relay_that_dies_at_any_step_of_a_row_publishes_it",),
    ),
    Case(
        31,
        "relays lose their leases in the middle of a batch",
        (
            "unit/relay/test_share.py::test_a_relay_frozen_past_its_lease_does_no_harm_and_gets_a_share_again",
            "unit/relay/test_relay.py::test_a_lease_taken_over_in_the_middle_of_a_batch_fences_the_first_one_off",
        ),
    ),
    Case(
        32,
        "the index lags",
        (
            "integration/test_faults.py::test_a_lagging_index_costs_repeats_and_delay_but_loses_nothing",
        ),
    ),
    Case(
        33,
        "clocks differ by minutes",
        (
            "unit/relay/test_share.py::test_clocks_that_differ_by_minutes_change_nothing",
            "chaos/test_run.py::test_nothing_is_lost_or_doubled_while_everything_fails",
        ),
    ),
    Case(
        34,
        "a cancellation arrives before its order",
        (
            "unit/services/test_payment.py::test_an_order_cancelled_before_it_arrives_is_never_charged",
            "unit/services/test_inventory.py::test_an_order_cancelled_before_it_arrives_reserves_nothing",
        ),
    ),
    Case(
        35,
        "events arrive in any order",
        (
            "unit/services/test_orders.py::test_any_events_in_any_order_decide_an_order_at_most_once",
        ),
    ),
    Case(
        36,
        "a body that cannot be read",
        (
            "unit/runtime/test_consumer.py::test_an_unreadable_message_goes_to_the_dead_letter_queue_at_once",
            "chaos/test_run.py::test_nothing_is_lost_or_doubled_while_everything_fails",
        ),
    ),
    Case(
        37,
        "a handler that always fails",
        (
            "unit/runtime/test_consumer.py::test_a_technical_failure_is_dead_lettered_after_three_attempts",
        ),
    ),
    Case(
        38,
        "a message that ends its worker",
        (
            "process/test_poison.py::test_nine_neighbours_are_handled_and_the_poison_is_dead_lettered_with_its_reason",
            "chaos/test_mutants.py::test_the_product_survives",
        ),
    ),
    Case(
        39,
        "an event of a newer version",
        (
            "unit/test_envelope.py::test_a_newer_minor_version_is_read",
            "unit/test_envelope.py::test_a_newer_major_version_has_its_own_error_name",
        ),
    ),
    Case(
        40,
        "an event that the service does not handle",
        (
            "unit/runtime/test_consumer.py::test_an_event_without_a_handler_is_deleted_and_counted_with_one_warning",
        ),
    ),
    Case(
        41,
        "credentials expire",
        ("integration/test_faults.py::test_a_poll_with_expired_credentials_costs_no_receive",),
    ),
    Case(
        42,
        "a handler that never returns",
        ("unit/runtime/test_leases.py::test_a_hung_handler_loses_its_message",),
    ),
    Case(
        43,
        "a redrive of a message that was handled",
        (
            "unit/runtime/test_consumer.py::test_a_redriven_message_that_had_been_handled_is_deleted",
        ),
    ),
    Case(
        44,
        "a redrive of a message that still fails",
        (
            "unit/runtime/test_consumer.py::test_a_redriven_message_that_is_still_broken_gets_a_full_set_of_attempts",
        ),
    ),
    Case(
        45,
        "every message is delivered several times",
        (
            "integration/test_concurrent_effects.py::test_ten_deliveries_of_one_event_at_once_charge_once",
        ),
    ),
    Case(
        46,
        "a queue is deleted",
        (
            "unit/runtime/test_poller.py::test_a_queue_that_refuses_later_is_waited_for",
            "integration/localstack/test_only_here.py::test_undeliverable_messages_go_to_the_dead_letter_queue",
        ),
    ),
    Case(
        47,
        "a client repeats its request",
        (
            "unit/api/test_idempotency.py::test_a_lost_reply_from_the_store_does_not_create_a_second_order",
            "integration/test_outbox_to_queue.py::test_concurrent_requests_with_one_key_place_one_order",
        ),
    ),
    Case(
        48,
        "a key is reused for another request",
        ("unit/api/test_idempotency.py::test_a_different_body_under_the_same_key_is_refused",),
    ),
    Case(
        49,
        "order-api dies before it responds",
        ("chaos/test_points.py::test_an_order_api_that_dies_at_any_step_accepts_the_order_once",),
    ),
    Case(
        50,
        "many orders for the last unit",
        (
            "integration/test_concurrent_effects.py::test_fifty_orders_for_the_last_unit_reserve_it_once",
        ),
    ),
    Case(
        51,
        "a cancellation during the payment",
        (
            "unit/services/test_payment.py::test_a_cancellation_that_overtakes_the_charge_refunds_it",
        ),
    ),
    Case(
        52,
        "the mail provider does not respond",
        ("unit/services/test_notification.py::test_a_mail_is_sent_again_rather_than_lost",),
    ),
    Case(
        53,
        "the disk or the memory is full",
        (),
        "the image has a read-only file system (tests/containers); a task that runs out of memory"
        " is killed, which is case 2",
    ),
    Case(
        54,
        "the log is not read",
        ("process/test_log.py::test_a_worker_whose_log_is_not_read_keeps_working",),
    ),
    Case(
        55,
        "two versions of the code side by side",
        (
            "unit/relay/test_relay.py::test_an_event_of_a_newer_version_is_published_byte_for_byte",
            "contract/ports/test_aws.py::test_unknown_attributes_survive_a_rewrite",
        ),
    ),
    Case(
        56,
        "all workers stop and start again",
        (
            "unit/runtime/test_failure_catalogue.py::test_forty_deploys_in_a_row_cost_a_message_no_attempt",
        ),
    ),
    Case(
        57,
        "an event is redelivered after its inbox row has expired",
        (
            "unit/services/test_inventory.py::test_a_second_event_of_the_same_order_gets_the_same_answer",
        ),
    ),
    Case(
        58,
        "a storm of errors",
        ("chaos/test_run.py::test_nothing_is_lost_or_doubled_while_everything_fails",),
    ),
)
