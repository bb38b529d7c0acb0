//! The executable form of the contract: one test per sentence, for any back end.
//!
//! A back end writes a function that makes an empty store and hands it to [`store_conformance!`]:
//!
//! ```ignore
//! async fn subject(limits: Limits) -> Subject {
//!     let dir = tempfile::tempdir().unwrap();
//!     let store = SqliteStore::open(dir.path(), limits).await.unwrap();
//!     Subject::with_guard(store, dir)
//! }
//! exhibit_store::store_conformance!(subject);
//! ```
//!
//! Every case gets a store of its own, opened with [`limits`], and goes through the traits alone.
//! What a case expects is worked out anew, plainly, and never taken from another store. Durability
//! across the death of a process cannot be tested through traits; back ends test it themselves.
//!
//! [`store_conformance!`]: crate::store_conformance

#![allow(
    missing_docs,
    clippy::missing_docs_in_private_items,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "these are tests: the names of cases are sentences, and a broken promise panics"
)]

pub mod account;
pub mod anchor;
pub mod attribution;
pub mod audit;
pub mod clock;
pub mod commit;
pub mod dead_letter;
pub mod erase;
pub mod filter;
pub mod fixture;
pub mod ledger;
pub mod list;
pub mod oracle;
pub mod review;
pub mod revision;
pub mod rollup;
pub mod sealed;
pub mod search;

use std::{any::Any, sync::Arc};

use exhibit_model::Limits;

use crate::Store;

pub use fixture::Tenant;

/// The limits that stores under test are opened with: the defaults, but a partial seal after more
/// than five leaves.
pub fn limits() -> Limits {
    Limits { seal_partial_spans: 5, ..Limits::default() }
}

/// A store under test.
pub struct Subject {
    /// The store; dropped before the guard.
    pub store: Arc<dyn Store>,
    pub(crate) guard: Box<dyn Any + Send + Sync>,
}

impl Subject {
    /// A store that needs nothing beside itself.
    pub fn new(store: impl Store) -> Self {
        Self::with_guard(store, ())
    }

    /// A store that needs something to live as long as it, such as a directory.
    pub fn with_guard(store: impl Store, guard: impl Any + Send + Sync) -> Self {
        Self { store: Arc::new(store), guard: Box::new(guard) }
    }
}

/// Makes one test per case, named `conformance::<room>::<case>`. The argument is the path of an async
/// function from [`Limits`](exhibit_model::Limits) to a [`Subject`](crate::conformance::Subject). The
/// calling crate needs `tokio` with `macros` and `rt-multi-thread`.
#[macro_export]
macro_rules! store_conformance {
    ($make:path) => {
        $crate::store_conformance! { @ $make;
            account {
                a_user_has_a_workspace_of_their_own,
                an_address_is_taken_once_and_nothing_is_left_of_the_second,
                a_workspace_is_found_by_both_ids_and_made_once,
                members_are_added_and_change_roles,
                a_key_lives_from_creation_to_revocation,
                a_session_ends_when_it_expires_or_is_deleted,
                a_setting_changes_only_from_what_was_expected,
            }
            attribution {
                a_call_counts_under_the_agent_above_it_and_the_user_of_its_trace,
                a_trace_is_found_under_every_agent_and_user_that_counts,
                an_agent_that_comes_after_its_calls_takes_them,
                an_agent_that_changes_takes_its_calls_along,
                a_registered_agent_takes_what_no_other_has,
                a_user_that_comes_last_takes_the_whole_trace,
                what_is_delivered_again_moves_nothing,
                an_agent_is_looked_for_so_many_levels_up,
                an_erased_trace_leaves_no_sum_under_what_it_inherited,
                trees_in_any_order_and_any_batches_add_up,
            }
            audit {
                pages_hold_every_record_of_every_trace_once,
                one_trace_is_audited_with_its_bytes,
            }
            clock {
                a_trace_is_due_after_its_root_has_ended,
                a_trace_without_a_root_is_due_after_silence,
                an_endless_trace_is_due_by_its_size,
                a_running_span_is_stale_after_its_last_update,
                what_is_due_is_limited_and_of_all_workspaces,
            }
            commit {
                a_committed_span_reads_back_whole,
                a_batch_with_one_stale_span_writes_nothing,
                a_batch_built_on_a_replaced_revision_is_stale,
                two_batches_built_on_the_same_revision_do_not_both_pass,
                another_key_for_a_known_trace_is_stale,
                exactly_sealed_revisions_have_a_leaf,
                leaves_are_numbered_in_the_order_of_the_batch,
                batches_do_not_interleave_and_the_sequence_grows,
                a_batch_of_acts_alone_and_an_empty_one_are_fine,
                times_of_receipt_do_not_depend_on_the_order_of_commits,
                seals_are_kept_and_the_latest_is_shown,
                a_registration_names_the_trace_and_is_no_span,
                odd_text_reads_back_as_it_was_written,
                ids_that_differ_in_case_are_different,
            }
            anchor {
                anchors_are_found_by_size,
            }
            dead_letter {
                letters_read_back_newest_first,
                the_oldest_letters_give_way,
                letters_belong_to_their_workspace,
            }
            erase {
                an_erased_trace_is_gone_and_its_leaves_stay,
                the_undecided_reviews_of_an_erased_trace_are_closed_with_it,
            }
            filter {
                every_field_and_operator_finds_what_it_means,
                tests_combined_at_random_find_what_they_mean,
                hostile_values_are_values,
            }
            ledger {
                a_log_without_leaves_has_the_empty_root,
                leaves_hashes_and_roots_are_those_of_rfc_6962,
                ranges_beyond_the_log_give_what_there_is,
                workspaces_have_logs_of_their_own,
                heads_are_unpublished_until_they_are_published,
                the_latest_checkpoint_of_each_log_is_kept,
            }
            list {
                pages_join_to_the_whole_list_in_both_orders,
                a_history_tells_every_trace_once_and_of_its_spans_what_lists_say,
                pages_are_stable_while_traces_come_in,
                a_filtered_page_is_as_full_as_it_can_be,
                cursors_of_others_are_refused,
                windows_of_a_big_trace_join_to_all_its_spans,
                a_listed_span_shows_its_columns,
                sessions_add_up_their_traces,
                another_workspace_sees_nothing,
            }
            review {
                a_review_is_kept_with_its_act_and_only_once,
                a_change_replaces_exactly_the_version_before,
                reviews_are_found_by_what_they_are,
                deliveries_wait_until_they_are_done,
                a_lock_is_there_until_it_is_destroyed,
            }
            revision {
                a_running_span_that_ends_is_replaced_in_place,
                a_replaced_terminal_revision_stays_readable,
                an_incomplete_mark_yields_and_stays_readable,
                a_response_id_counts_once,
                a_container_never_takes_the_count_from_its_call,
                summaries_are_the_fold_of_current_revisions_in_any_order,
                records_keep_their_own_ids,
            }
            rollup {
                cells_are_the_sum_of_current_terminal_revisions,
                running_spans_and_registrations_are_not_in_rollups,
                a_correction_takes_the_old_revision_out,
                a_trace_counts_once_where_its_first_span_is,
                usage_that_counts_once_is_summed_once,
                analytics_are_exact_for_every_dimension_step_and_range,
                groups_beyond_the_limit_are_summed_as_other,
                rules_and_categories_are_summed_for_every_span_they_concern,
                steps_that_cannot_be_answered_exactly_are_refused,
            }
            sealed {
                traces_are_given_in_the_order_of_their_latest_seals,
                what_is_sealed_is_given_a_workspace_at_a_time,
                an_erased_trace_is_given_no_more,
            }
            search {
                words_are_found_in_any_language_and_spelling,
                a_trace_is_found_by_the_text_of_every_batch,
                text_that_is_not_handed_over_is_not_found,
                an_audit_names_traces_that_cannot_be_found,
                long_text_is_found_to_its_end,
            }
        }
    };
    (@ $make:path; $($room:ident { $($case:ident),+ $(,)? })+) => {
        mod conformance {
            #[allow(unused_imports, reason = "the maker may be named by a relative path")]
            use super::*;
            $(mod $room {
                #[allow(unused_imports, reason = "the maker may be named by a relative path")]
                use super::*;
                $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $case() {
                    let subject = $make($crate::conformance::limits()).await;
                    $crate::conformance::$room::$case(subject).await;
                })+
            })+
        }
    };
}

#[cfg(test)]
mod tests {
    use crate::memory::MemoryStore;

    fn memory(limits: exhibit_model::Limits) -> std::future::Ready<super::Subject> {
        std::future::ready(super::Subject::new(MemoryStore::new(limits)))
    }

    crate::store_conformance!(memory);

    #[test]
    fn every_case_is_run() {
        let rooms = [
            include_str!("conformance/account.rs"),
            include_str!("conformance/anchor.rs"),
            include_str!("conformance/attribution.rs"),
            include_str!("conformance/audit.rs"),
            include_str!("conformance/clock.rs"),
            include_str!("conformance/commit.rs"),
            include_str!("conformance/dead_letter.rs"),
            include_str!("conformance/erase.rs"),
            include_str!("conformance/filter.rs"),
            include_str!("conformance/ledger.rs"),
            include_str!("conformance/list.rs"),
            include_str!("conformance/review.rs"),
            include_str!("conformance/revision.rs"),
            include_str!("conformance/rollup.rs"),
            include_str!("conformance/sealed.rs"),
            include_str!("conformance/search.rs"),
        ];
        let (_, list) = include_str!("conformance.rs").split_once("@ $make;").unwrap();
        let (list, _) = list.split_once("(@ $make:path;").unwrap();
        for line in rooms.iter().flat_map(|room| room.lines()) {
            if let Some(name) = line.strip_prefix("pub async fn ") {
                let name = name.split_once('(').unwrap().0;
                assert!(list.contains(&format!("{name},")), "{name} is not run");
            }
        }
    }
}
