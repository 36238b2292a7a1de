//! The list of all promises, and the tests that are made of it.

/// Writes one test per promise for the [`Backend`](crate::Backend) of that
/// name, in modules named after what they are about.
#[macro_export]
macro_rules! store_contract {
    ($backend:ty) => {
        #[allow(dead_code)]
        type StoreUnderContract = $backend;

        $crate::__tests! { StoreUnderContract
            probe by run_store {
                a_store_that_works_says_so
            }
            users by run_store {
                a_user_reads_back_as_registered
                an_address_that_is_in_use_is_refused_and_nothing_changes
                parallel_registrations_of_one_address_make_one_user
                parallel_registrations_of_different_addresses_all_succeed
                names_of_every_script_are_kept
                addresses_that_only_look_alike_are_different
                users_are_listed_newest_first
                users_of_the_same_time_are_listed_by_falling_id
                a_walk_through_the_users_is_not_disturbed_by_new_ones
                any_place_in_the_list_of_users_is_accepted
            }
            events by run_store {
                an_event_reads_back_as_published_with_all_seats_free
                two_events_may_be_alike_in_everything_but_their_id
                an_event_may_have_no_seats_or_as_many_as_there_are_numbers
                names_and_venues_of_every_script_are_kept
                times_keep_their_microseconds_through_all_years
                a_time_finer_than_the_store_keeps_is_answered_as_it_is_kept
                a_change_of_nothing_changes_nothing
                each_detail_changes_alone
                a_resize_keeps_the_confirmed_seats_and_says_what_was_gained
                a_resize_below_the_confirmed_seats_is_refused_and_changes_nothing
                seats_that_a_resize_added_are_sold_and_those_it_took_are_not
                an_event_that_is_unknown_or_deleted_is_not_changed
                an_event_that_is_moved_to_the_past_sells_nothing_until_moved_back
                an_event_that_has_started_can_still_be_changed
                parallel_resizes_add_up
            }
            deletion by run_store {
                a_deleted_event_is_hidden_everywhere
                a_deleted_event_sells_nothing
                an_event_is_deleted_once
                of_parallel_deletions_exactly_one_succeeds
                bookings_of_a_deleted_event_read_as_cancelled_before_and_after_marking
                the_list_of_a_deleted_event_without_bookings_is_empty
                figures_of_a_deleted_event_leave_the_report_and_the_sum
                cancelling_a_booking_of_a_deleted_event_returns_no_seats
                a_deletion_touches_no_other_event
            }
            catalogue by run_store {
                an_event_that_is_unknown_is_not_found
                an_empty_catalogue_lists_nothing
                events_are_listed_by_their_beginning_and_then_by_id
                the_upcoming_list_leaves_out_what_has_started
                a_list_shows_the_seats_left_and_the_changes_made
                an_event_that_moves_changes_its_place_in_the_list
                deletions_between_pages_neither_repeat_nor_skip_what_is_left
                any_place_in_the_list_of_events_is_accepted
                seats_of_upcoming_events_come_in_order_and_in_pieces
                seats_of_one_event_are_told_before_and_after_it_started
                a_long_catalogue_is_walked_page_by_page
            }
            bookings by run_store {
                a_booking_takes_its_seats_and_reads_back
                a_booking_is_dated_by_the_stores_clock
                a_user_may_book_an_event_many_times
                all_seats_can_be_sold_and_not_one_more
                an_unknown_user_comes_before_everything_about_the_event
                an_unknown_or_deleted_event_comes_before_its_beginning_and_its_seats
                a_started_event_comes_before_its_seats
                a_refusal_leaves_no_trace
                a_booking_takes_seats_of_no_other_event
                a_cancellation_returns_the_seats_once
                a_booking_that_never_was_cannot_be_cancelled
                returned_seats_are_sold_again
                a_booking_of_an_event_that_started_can_be_cancelled
                seats_returned_after_a_resize_fit_the_new_size
            }
            idempotency by run_store {
                a_repeated_request_is_answered_with_the_first_booking
                a_request_is_replayed_after_the_event_sold_out
                a_request_is_replayed_after_the_event_started_grew_or_shrank
                a_request_is_replayed_after_its_booking_was_cancelled
                a_request_is_replayed_after_the_event_was_deleted
                a_key_of_another_request_is_refused_before_anything_else
                the_same_key_of_another_user_is_another_key
                another_key_of_the_same_user_is_another_booking
                a_refusal_leaves_the_key_free_for_any_request
                a_key_of_a_user_who_is_unknown_binds_nothing
                keys_are_told_apart_to_the_last_character
                of_parallel_duplicates_one_books_and_the_others_repeat_it
                of_parallel_requests_under_one_key_exactly_one_books
                of_parallel_requests_under_one_key_the_impossible_do_not_stop_the_possible
                parallel_duplicates_of_many_users_make_one_booking_each
            }
            records by run_store {
                a_booking_that_never_was_is_not_found
                the_history_of_an_unknown_user_is_not_found_and_of_a_new_one_empty
                the_list_of_an_unknown_event_is_not_found_and_of_a_new_one_empty
                histories_and_lists_are_newest_first_and_everyones_own
                bookings_of_the_same_time_are_listed_by_falling_id
                cancelled_bookings_keep_their_place
                cancellations_deletions_and_new_bookings_between_pages_disturb_no_walk
                any_place_in_a_list_of_bookings_is_accepted
                an_events_list_shows_who_booked
                a_long_history_is_walked_page_by_page
            }
            sales by run_store {
                a_report_without_events_is_empty
                figures_follow_bookings_cancellations_and_resizes
                a_refusal_and_a_replay_change_no_figure
                most_booked_come_first_and_equal_figures_by_falling_id
                every_page_has_the_sum_over_all_events
                events_that_started_are_in_the_report
                the_report_shows_an_event_under_its_present_name
                deletions_between_pages_neither_repeat_nor_skip_a_figure
                any_place_in_the_report_is_accepted
                parallel_bookings_of_many_events_are_all_counted
            }
            pausing by run_store {
                a_pause_has_a_time_that_stays
                a_paused_event_sells_nothing_until_it_is_resumed
                a_pause_of_all_stops_every_event_also_later_ones
                an_event_sells_when_neither_it_nor_everything_is_paused
                a_pause_is_told_after_everything_but_the_seats
                a_bound_key_is_answered_in_spite_of_a_pause
                a_refusal_of_what_is_paused_leaves_the_key_free
                all_else_goes_on_while_sales_are_paused
                an_event_that_is_unknown_or_deleted_is_neither_paused_nor_resumed
                what_is_paused_is_listed_the_latest_first
                any_place_in_the_list_of_what_is_paused_is_accepted
                parallel_pauses_have_one_time
            }
            pause_races by run_store {
                nothing_is_booked_of_an_event_after_its_pause
                nothing_is_booked_after_the_pause_of_all
            }
            maintenance by run_store {
                where_nothing_was_deleted_nothing_is_marked
                deletions_are_finished_in_pieces_of_any_size
                deletions_are_finished_by_many_at_the_same_time
                keys_that_are_young_are_kept
            }
            forgetting by run_store_forgetful {
                old_keys_are_forgotten_in_pieces_and_each_is_counted_once
                a_forgotten_key_is_free_and_its_booking_stays
                keys_are_forgotten_by_many_at_the_same_time
            }
            demo by run_store {
                users_and_events_that_are_missing_are_made
                doing_it_again_changes_nothing
                parallel_calls_leave_one_of_each
                what_is_there_stays_as_it_is
                an_event_that_has_started_is_moved_ahead
                the_name_of_a_deleted_event_is_free
                what_is_asked_for_twice_is_made_once
                nothing_asked_for_is_nothing_made
                demo_names_of_every_script_are_kept_and_found_again
            }
            races by run_store {
                the_last_seat_goes_to_exactly_one_buyer
                many_buyers_get_all_the_seats_and_not_one_more
                seats_left_only_fall_while_only_bookings_are_made
                of_parallel_cancellations_exactly_one_returns_the_seats
                a_seat_that_is_returned_goes_to_at_most_one_buyer
                bookings_and_resizes_at_the_same_time_add_up
                bookings_cancellations_and_resizes_at_the_same_time_add_up
                a_deletion_in_the_middle_of_everything_cancels_every_booking
                buyers_of_several_events_never_wait_for_each_other_in_a_circle
            }
            dropped by run_store {
                a_booking_is_made_whole_or_not_at_all
                bookings_dropped_in_a_crowd_are_made_whole_or_not_at_all
                a_cancellation_is_made_whole_or_not_at_all
                a_registration_is_made_whole_or_not_at_all
                a_resize_and_a_deletion_are_made_whole_or_not_at_all
            }
            random by run_store {
                a_sequence_is_answered_as_by_the_model
                a_sequence_at_small_events_is_answered_as_by_the_model
                a_crowd_leaves_what_its_answers_say
            }
        }
    };
}

/// Writes one test per promise about users for the
/// [`AccountsBackend`](crate::AccountsBackend) of that name.
#[macro_export]
macro_rules! accounts_contract {
    ($backend:ty) => {
        #[allow(dead_code)]
        type AccountsUnderContract = $backend;

        $crate::__tests! { AccountsUnderContract
            accounts by run_accounts {
                whoever_is_registered_has_an_account
                nothing_is_done_to_an_account_that_never_was
                credentials_are_found_by_address_and_by_id
                a_password_is_set_and_set_again
                a_user_is_renamed_wherever_they_are_shown
                accounts_are_listed_newest_first
                accounts_of_the_same_time_are_listed_by_falling_id
                accounts_are_told_apart_by_their_suspension
                an_account_is_found_by_its_whole_address_only
                a_walk_through_the_accounts_is_not_disturbed_by_changes
                any_place_in_the_list_of_accounts_is_accepted
            }
            sessions by run_accounts {
                a_session_is_found_by_its_access_secret_alone
                secrets_last_from_now_by_the_stores_clock
                an_access_secret_ends_with_its_time_and_the_session_goes_on
                a_refresh_secret_ends_with_its_time
                each_session_lasts_as_long_as_its_own_secrets
                a_refresh_replaces_both_secrets
                a_refresh_secret_that_is_shown_again_ends_the_whole_session
                a_secret_from_many_refreshes_ago_ends_the_session_too
                only_a_refresh_secret_refreshes
                a_session_that_was_ended_stays_ended
                a_used_secret_of_a_session_that_has_ended_was_used_twice
                nobody_unknown_begins_a_session
                a_session_does_not_begin_with_a_password_that_was_changed_meanwhile
                of_more_than_a_hundred_sessions_the_one_refreshed_longest_ago_ends
                sessions_that_have_ended_leave_room_for_others
                sessions_whose_time_is_over_are_forgotten_in_pieces
                a_session_that_was_ended_is_forgotten_when_its_time_is_over
            }
            password_tokens by run_accounts {
                a_token_sets_a_password_once
                a_token_is_good_for_as_long_as_it_was_made
                a_later_token_ends_the_one_before
                a_token_that_never_was_sets_nothing
                a_token_is_no_secret_of_a_session
                redeeming_a_token_ends_all_sessions_of_its_user
                setting_a_password_ends_all_sessions_but_the_one_that_asked
                a_password_is_not_set_by_a_session_that_has_ended
                a_password_is_not_set_on_the_strength_of_one_that_was_changed_meanwhile
                setting_a_password_ends_the_tokens_of_its_user
                a_token_of_a_suspended_user_is_good_once_they_are_reinstated
                a_token_of_an_erased_user_is_not_good
            }
            suspension by run_accounts {
                a_suspension_has_a_time_that_stays
                a_suspension_ends_all_sessions_of_its_user
                a_suspended_user_begins_no_session
                a_suspended_user_books_nothing_and_leaves_no_trace
                a_suspension_comes_before_everything_about_the_event
                a_bound_key_is_answered_in_spite_of_a_suspension
                a_refusal_of_a_suspended_user_leaves_the_key_free
                a_suspended_user_keeps_all_else
            }
            erasure by run_accounts {
                an_erased_user_is_found_nowhere
                the_address_of_an_erased_user_is_free_for_somebody_new
                a_user_of_the_demo_who_was_erased_is_made_anew
                sessions_of_an_erased_user_are_gone
                an_erased_user_books_nothing
                keys_of_an_erased_user_are_gone
                bookings_of_an_erased_user_stay_as_they_are
                a_list_of_bookings_is_walked_past_erased_users
                nobody_stops_an_erasure_by_the_address_that_is_shown_for_it
                bookings_to_be_cancelled_are_confirmed_ones_of_events_to_come
                cancelling_what_erased_users_booked_frees_the_seats
                what_erased_users_booked_is_looked_for_again_when_an_event_is_postponed
            }
            api_keys by run_accounts {
                a_key_reads_back_as_made
                keys_may_have_the_same_name_and_each_its_own_secret
                keys_are_listed_newest_first_revoked_ones_too
                keys_of_the_same_time_are_listed_by_falling_id
                a_walk_through_the_keys_is_not_disturbed_by_changes
                any_place_in_the_list_of_keys_is_accepted
                a_rotation_replaces_the_secret_and_nothing_else
                a_revoked_key_is_not_good_and_still_listed
                nothing_is_done_to_a_key_that_never_was
                a_keys_last_use_is_recorded
            }
            audit by run_accounts {
                an_entry_reads_back_as_added
                entries_are_dated_by_the_stores_clock
                texts_of_every_script_are_logged
                entries_are_listed_newest_first_also_those_added_together
                a_thousand_entries_are_added_together
                no_entries_are_nothing
                entries_are_found_by_whatever_is_named
                everything_that_is_named_must_fit
                a_walk_through_the_log_is_not_disturbed_by_new_entries
                any_place_in_the_log_is_accepted
                parallel_entries_are_all_kept_and_each_callers_in_order
                entries_outlive_what_they_name
                nobody_changes_or_removes_an_entry
            }
            session_races by run_accounts {
                of_parallel_refreshes_with_one_secret_at_most_one_succeeds
                parallel_refreshes_of_different_sessions_all_succeed
                a_refresh_beside_the_end_of_its_session_brings_it_not_back
                a_session_that_begins_beside_a_suspension_ends_with_it
                no_session_begins_with_the_old_password_beside_a_change_of_it
                parallel_beginnings_leave_a_hundred_sessions_at_most
            }
            account_races by run_accounts {
                of_parallel_uses_of_one_token_exactly_one_succeeds
                of_tokens_made_at_the_same_time_at_most_one_is_good
                of_parallel_changes_of_one_password_exactly_one_succeeds
                a_reset_is_not_undone_by_a_change_beside_it
                parallel_suspensions_have_one_time
                of_parallel_erasures_exactly_one_succeeds
                an_address_that_is_registered_and_erased_in_a_crowd_has_one_user_at_most
            }
            buyer_races by run_accounts {
                nothing_is_booked_for_a_user_after_their_suspension
                nothing_is_booked_for_a_user_after_their_erasure
                what_erased_users_booked_is_cancelled_by_many_at_the_same_time
                suspended_erased_and_other_buyers_in_a_crowd_get_their_own_answers
            }
            account_drops by run_accounts {
                an_erasure_is_made_whole_or_not_at_all
                a_refresh_is_made_whole_or_not_at_all
                a_token_is_used_wholly_or_not_at_all
                entries_of_the_log_are_added_all_or_none
            }
        }
    };
}

/// Writes one test per promise about comparing with the bookings for the
/// [`ReconciliationBackend`](crate::ReconciliationBackend) of that name.
#[macro_export]
macro_rules! reconciliation_contract {
    ($backend:ty) => {
        #[allow(dead_code)]
        type ReconciliationUnderContract = $backend;

        $crate::__tests! { ReconciliationUnderContract
            reconciliation by run_reconciliation {
                where_everything_adds_up_nothing_is_different
                every_event_is_walked_past_once_in_pieces_of_any_size
                an_event_with_too_many_bookings_to_count_in_passing_is_named
                of_an_event_that_never_was_nothing_is_different
                seats_left_that_are_wrong_are_put_right
                a_figure_that_is_wrong_or_missing_is_put_right
                a_total_that_is_wrong_is_put_right
                a_booking_that_nobody_counted_is_counted
                an_oversold_event_sells_nothing_more_and_stays_different
                a_deleted_event_keeps_no_figure_and_its_bookings_are_marked_after_all
                a_key_that_stands_for_what_was_never_booked_is_told
                keys_are_walked_past_once_in_pieces_of_any_size
                everything_is_compared_and_repaired_in_one_go
            }
            reconciliation_races by run_reconciliation {
                beside_traffic_nothing_looks_different
                of_parallel_repairs_one_finds_what_was_wrong
                what_is_wrong_is_put_right_beside_traffic
            }
        }
    };
}

/// Writes one test per promise for the [`GateBackend`](crate::GateBackend) of
/// that name.
#[macro_export]
macro_rules! gate_contract {
    ($backend:ty) => {
        #[allow(dead_code)]
        type GateUnderContract = $backend;

        $crate::__gate_promises! { __tests GateUnderContract }
    };
}

/// Writes a function of that name that keeps all promises one after the other, for a
/// [`GateBackend`](crate::GateBackend) of which there can be only one.
#[macro_export]
macro_rules! gate_contract_in_one {
    ($name:ident, $backend:ident) => {
        fn $name() {
            $crate::__gate_promises! { __calls $backend }
        }
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __gate_promises {
    ($way:ident $backend:ident) => {
        $crate::$way! { $backend
            gate by run_gate {
                a_gate_that_was_never_opened_is_unknown
                an_open_gate_has_a_token_for_each_seat_left
                taken_tokens_are_leased
                where_fewer_tokens_are_left_nothing_is_taken
                taking_again_under_the_same_reservation_takes_nothing
                settled_tokens_are_spent
                released_tokens_go_back
                a_lease_ends_once
                without_a_lease_nothing_is_settled_or_released
                an_adjustment_adds_tokens_or_takes_them_away
                every_adjustment_counts
                an_adjustment_beyond_all_numbers_breaks_nothing
                an_adjustment_makes_no_gate_where_there_is_none
                a_gate_that_stands_open_is_not_opened_again
                a_closed_gate_is_unknown_and_has_no_leases
                a_lease_from_before_a_gate_was_closed_returns_nothing_to_the_next
                events_have_gates_of_their_own
                gates_are_read_in_the_order_of_the_question
                five_hundred_gates_are_read_at_once
            }
            leases by run_gate {
                a_lease_that_has_not_run_out_is_kept
                looking_drops_leases_that_ran_out_and_returns_no_tokens
                a_lease_that_was_dropped_ends_no_second_time
                a_gate_whose_leases_ran_out_is_raised_by_what_they_held
                a_late_release_adds_nothing_to_a_gate_that_was_raised
                a_reservation_whose_lease_was_dropped_takes_anew
                a_lease_that_ran_out_unnoticed_is_released_wholly_or_not_at_all
            }
            rebuilding by run_gate {
                all_that_changes_a_gate_but_bookings_moves_its_generation_up
                neither_looking_nor_bookings_stop_a_rebuild
                a_bucket_that_is_missing_or_holds_too_many_is_rebuilt
                a_rebuild_adds_nothing_to_a_bucket
                a_bucket_is_raised_to_what_is_left_and_not_leased
                a_gate_may_be_raised_whatever_happened_since_it_was_looked_at
                raising_makes_no_gate_where_there_is_none
                a_gate_that_was_closed_is_not_opened_by_a_late_call
                a_rebuild_keeps_the_leases_that_are_out
                a_gate_that_changed_since_it_was_looked_at_is_not_rebuilt
                what_happens_to_a_missing_gate_stops_its_rebuild_too
                a_generation_does_not_come_back_after_a_gate_was_closed
                a_rebuild_works_once_per_look
                of_parallel_rebuilds_after_one_look_exactly_one_works
            }
            hasty_leases by run_gate_hasty {
                a_lease_runs_out_by_itself
            }
            gate_races by run_gate {
                as_many_tokens_are_granted_as_there_are
                a_reservation_in_parallel_takes_once_and_ends_once
                whatever_sizes_are_asked_for_no_token_is_granted_twice
                reservations_repeated_in_a_crowd_take_once_each
                what_was_settled_is_seen_by_whoever_looks_or_takes_next
                a_lease_that_is_settled_and_released_at_once_ends_one_way
                parallel_adjustments_add_up
                of_parallel_openings_one_counts
                mending_beside_bookings_never_leaves_a_right_gate_too_low
                a_random_sequence_leaves_the_tokens_and_leases_it_should
            }
        }
    };
}

/// Writes one test per promise for the
/// [`LimiterBackend`](crate::LimiterBackend) of that name.
#[macro_export]
macro_rules! limiter_contract {
    ($backend:ty) => {
        #[allow(dead_code)]
        type LimiterUnderContract = $backend;

        $crate::__limiter_promises! { __tests LimiterUnderContract }
    };
}

/// Writes a function of that name that keeps all promises one after the other, for a
/// [`LimiterBackend`](crate::LimiterBackend) of which there can be only one.
#[macro_export]
macro_rules! limiter_contract_in_one {
    ($name:ident, $backend:ident) => {
        fn $name() {
            $crate::__limiter_promises! { __calls $backend }
        }
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __limiter_promises {
    ($way:ident $backend:ident) => {
        $crate::$way! { $backend
            limiter by run_limiter {
                somebody_who_was_never_seen_has_a_full_bucket
                a_burst_is_granted_and_not_one_more
                a_refusal_takes_nothing_and_says_when_to_come_back
                tokens_come_back_at_the_policys_pace
                a_bucket_is_never_fuller_than_its_burst
                many_tokens_are_taken_all_or_none
                more_than_a_bucket_holds_is_never_granted
                everybody_has_a_bucket_of_their_own
                policies_have_buckets_of_their_own
                a_policy_that_changed_goes_on_with_the_bucket
                a_random_sequence_is_answered_as_the_rule_says
            }
            limiter_races by run_limiter {
                a_burst_in_parallel_is_granted_exactly
                a_large_burst_in_parallel_is_granted_and_not_one_more
                whatever_sizes_are_asked_for_no_token_is_given_twice
                a_crowd_of_subjects_gets_what_is_theirs
            }
        }
    };
}

/// One module per group, one test per promise. `super` is where the contract
/// was called, so the backend's name is looked up there.
#[doc(hidden)]
#[macro_export]
macro_rules! __tests {
    ($backend:ident $($module:ident by $run:ident { $($promise:ident)+ })+) => {
        $(
            mod $module {
                $(
                    #[test]
                    fn $promise() {
                        $crate::$run::<super::$backend, _>($crate::promises::$module::$promise);
                    }
                )+
            }
        )+
    };
}

/// One call per promise. The name of one that is broken is told.
#[doc(hidden)]
#[macro_export]
macro_rules! __calls {
    ($backend:ident $($module:ident by $run:ident { $($promise:ident)+ })+) => {
        $($(
            println!("{}::{}", stringify!($module), stringify!($promise));
            $crate::$run::<$backend, _>($crate::promises::$module::$promise);
        )+)+
    };
}
