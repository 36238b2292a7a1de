//! Rounds of reconciliation, and which faults they mend.

use std::collections::BTreeSet;

use super::{look_at, with};
use crate::{database, network};

/// When a round of reconciliation began.
pub(crate) struct Round {
    moment: u64,
    redis_ms: u64,
}

pub(crate) fn begin_round() -> Round {
    with(|watch| {
        watch.rounds += 1;
        watch.moment += 1;
        let is_busy = watch.calls.iter().any(|call| call.is_open);
        for event in watch.events.values_mut() {
            event.may_be_high |= is_busy;
        }
    });
    Round {
        moment: with(|watch| watch.moment),
        redis_ms: network::redis_now_ms(),
    }
}

/// A round ended, having put right what it could.
pub(crate) fn end_round(round: &Round, is_done: bool) {
    let upcoming: Vec<_> = with(|watch| watch.events.keys().copied().collect());
    let upcoming = upcoming
        .into_iter()
        .filter(|event_id| database::is_upcoming(*event_id));
    let upcoming: BTreeSet<_> = upcoming.collect();
    let is_found = network::is_found_by_all();
    with(|watch| {
        watch.rounds = watch.rounds.saturating_sub(1);
        if !is_done {
            return;
        }
        for (event_id, event) in &mut watch.events {
            let is_mended = event.is_faulty
                && upcoming.contains(event_id)
                && round.moment > event.faulty_since
                && round.redis_ms > event.leases_end_at_ms
                && event.busy_at < round.moment
                && event.returning == 0
                && is_found;
            if is_mended {
                event.is_faulty = false;
                watch.tally.mended += 1;
            }
        }
    });
    for event_id in upcoming {
        look_at(event_id);
    }
}
