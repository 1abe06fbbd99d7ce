//! The promises every connector keeps, and what the README says of them.
#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

mod bench;
mod types;

use std::future::Future;
use std::pin::Pin;

use erpbridge_connector::testkit::checks;

use bench::Server;

/// Runs a check on a server of its own. Boxed, because the futures of some are large.
async fn on_a_server<'b, F>(check: impl FnOnce(&'b Server) -> F, server: &'b Server)
where
    F: Future<Output = ()> + 'b,
{
    let checking: Pin<Box<dyn Future<Output = ()> + 'b>> = Box::pin(check(server));
    checking.await;
}

macro_rules! promises {
    ($($check:ident),+ $(,)?) => {$(
        #[tokio::test]
        async fn $check() {
            on_a_server(checks::$check, &Server::start().await).await;
        }
    )+};
}

promises! {
    resumes_after_the_confirmed_position,
    ordinals_depend_on_the_log_alone,
    progress_never_comes_before_its_rows,
    progress_moves_while_nothing_wanted_happens,
    snapshot_and_log_give_the_same_text,
    stops_within_its_deadline,
    answers_while_the_queue_is_full,
    check_lists_every_missing_privilege,
    seeds_are_of_one_instant_and_come_first,
    seeds_of_a_later_start_meet_the_log,
    an_interrupted_seeding_begins_again,
    tables_are_described,
    a_sample_gives_the_text_of_the_log,
    rows_are_found_by_their_keys,
}
