//! Tests what the seam promises: each invariant, each operation, and random histories. A backend takes part with one line
//! below, and tests its own files, tables and errors itself.

mod accepting;
mod bench;
mod claiming;
mod configuring;
mod dead_letters;
mod histories;
mod history;
mod interrupting;
mod jobs;
mod ordering;
mod retaining;

use std::future::pending;
use std::time::Duration;

#[cfg(feature = "postgres")]
use eg_tests::postgres::Postgres;
use tempfile::TempDir;

use super::Store;
use crate::timestamp::Timestamp;

/// Where the store of a test is. It outlives the gateways that open the store.
trait Site: Sized {
    /// Returns whether this machine has what the store needs. Otherwise the tests are skipped, except in CI.
    fn is_possible() -> bool {
        true
    }

    /// Creates a place without a store.
    async fn new() -> Self;

    /// Opens the store, and creates it if there is none, as a gateway does when it starts.
    async fn open(&self, now: Timestamp) -> Store;

    /// Opens the store for another gateway at the same time, if the backend can do that.
    async fn open_beside(&self, _: Timestamp) -> Option<Store> {
        None
    }
}

impl Site for TempDir {
    async fn new() -> Self {
        // In memory if possible: the tests are about transactions, not about the disk.
        let memory = std::path::Path::new("/dev/shm");
        if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() }.unwrap()
    }

    async fn open(&self, now: Timestamp) -> Store {
        let dir = self.path().join("store");
        tokio::task::spawn_blocking(move || Store::in_directory(&dir, now)).await.unwrap().unwrap()
    }
}

/// A database of the server that all tests share.
#[cfg(feature = "postgres")]
struct Database(String);

#[cfg(feature = "postgres")]
impl Site for Database {
    fn is_possible() -> bool {
        Postgres::shared().is_some()
    }

    async fn new() -> Self {
        Self(Postgres::shared().unwrap().database())
    }

    async fn open(&self, now: Timestamp) -> Store {
        Store::in_postgres(&self.0, Duration::from_secs(60), || now, pending()).await.unwrap()
    }

    async fn open_beside(&self, now: Timestamp) -> Option<Store> {
        Some(self.open(now).await)
    }
}

macro_rules! conforms {
    ($($backend:ident: $site:ty;)+) => {$(
        mod $backend {
            conforms! { @tests $site;
                accepting {
                    an_event_is_stored_with_a_delivery_for_each_subscription,
                    a_duplicate_is_counted_and_not_stored,
                    what_distinguishes_events_from_duplicates,
                    of_equal_events_at_the_same_time_one_is_new,
                    what_does_not_fit_is_refused,
                    reports_of_an_event_come_before_it,
                    deliveries_that_end_at_once,
                    counters_of_unknown_spaces_are_shared,
                    attributes_may_be_long,
                }
                claiming {
                    what_is_due_is_claimed_in_that_order,
                    a_claim_has_limits,
                    retries_have_places_of_their_own,
                    the_newest_come_first_if_wanted,
                    a_delivery_is_claimed_once,
                    each_outcome_has_its_state,
                    an_outcome_counts_once,
                    outcomes_are_recorded_together,
                    what_the_gate_refuses_is_given_up,
                    what_the_gateway_stops_is_given_up,
                    what_was_given_up_is_reported_to_subscribers,
                    deliveries_expire,
                }
                configuring {
                    resources_are_stored_and_deleted,
                    a_change_of_an_older_version_is_refused,
                    deliveries_of_a_deleted_subscription_are_not_attempted,
                    deliveries_of_a_disabled_subscription_are_not_attempted,
                }
                dead_letters {
                    those_that_were_given_up_last_come_first,
                    a_redriven_delivery_has_all_its_attempts_again,
                    an_edited_event_is_delivered_instead,
                    what_cannot_be_redriven,
                    a_delivery_that_waits_can_be_hastened,
                    a_discarded_dead_letter_is_not_listed,
                    a_page_of_large_dead_letters_ends_early,
                }
                history {
                    events_are_found_by_what_they_are,
                    pages_of_events_follow_each_other,
                    the_newest_of_several_events_is_shown,
                    a_page_of_large_events_ends_early,
                    hops_are_those_of_the_newest_event,
                    the_backlog_is_what_waits,
                }
                interrupting {
                    what_a_stopped_gateway_has_left_is_due_at_once,
                    what_an_unexpected_end_has_interrupted_is_a_suspect,
                    an_outcome_that_comes_too_late_changes_nothing,
                    a_suspect_that_survives_is_none_any_more,
                    the_store_knows_when_no_gateway_ran,
                    a_closed_store_changes_nothing,
                }
                jobs {
                    a_job_covers_what_there_was_when_it_began,
                    a_slice_is_done_once,
                    a_job_continues_after_a_restart,
                    a_job_is_cancelled_and_resumed,
                    a_replay_makes_new_deliveries,
                    a_replay_selects_events,
                    jobs_give_up_what_waited_for_a_subscription,
                    a_redrive_waits_for_the_job_that_gives_up,
                    jobs_are_listed,
                    somebody_waits_for_a_job,
                }
                ordering {
                    one_delivery_of_a_key_is_due,
                    a_retry_keeps_its_turn,
                    the_turn_passes_on_whatever_the_end,
                    a_redriven_delivery_waits_for_its_turn,
                    keys_of_other_subscriptions_do_not_count,
                }
                retaining {
                    finished_events_are_deleted_after_their_time,
                    needed_events_stay,
                    numbers_are_not_used_again,
                    the_accounts_balance_after_a_deletion,
                    a_full_store_makes_room,
                    the_state_of_a_store_that_works,
                }
            }

            #[test]
            fn histories() {
                if !<$site as crate::store::conformance::Site>::is_possible() {
                    return;
                }
                super::histories::every_history_keeps_the_invariants::<$site>();
            }
        }
    )+};
    (@tests $site:ty; $($subject:ident { $($test:ident,)+ })+) => {$(
        mod $subject {
            use crate::store::conformance::$subject;
            $(
                #[tokio::test]
                async fn $test() {
                    use crate::store::conformance::Site as _;

                    if !<$site>::is_possible() {
                        return;
                    }
                    $subject::$test::<$site>().await;
                }
            )+
        }
    )+};
}

conforms! { sqlite: tempfile::TempDir; }

#[cfg(feature = "postgres")]
conforms! { postgres: crate::store::conformance::Database; }
