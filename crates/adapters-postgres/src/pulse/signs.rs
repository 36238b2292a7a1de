//! Whether other sessions get answers while the one that asks gets none.

use std::time::Duration;

use tokio::time::Instant;

/// When who was heard the last time.
#[derive(Debug)]
pub(super) struct Signs {
    /// When the last question was asked that was answered.
    answered: Instant,
    /// When a session got an answer that is older than that.
    heard: Option<Instant>,
}

impl Signs {
    /// Of a server that answers now.
    pub(super) fn new(now: Instant) -> Self {
        Self {
            answered: now,
            heard: None,
        }
    }

    /// The question that was asked then is answered.
    pub(super) fn answered(&mut self, asked: Instant) {
        self.answered = asked;
    }

    /// A session that was opened then got an answer. One that was opened since the last
    /// good question tells nothing: a server whose sessions all stand still opens new ones.
    pub(super) fn heard(&mut self, opened: Instant, now: Instant) {
        if opened < self.answered {
            self.heard = Some(now);
        }
    }

    /// Whether others got answers in the later half of the time for which a question has
    /// been waiting for its own.
    pub(super) fn others_go_on(&self, now: Instant, patience: Duration) -> bool {
        self.heard.is_some_and(|heard| now < heard + patience / 2)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn others_go_on_if_one_as_old_as_the_silence_was_heard_within_it() {
        const PATIENCE: Duration = Duration::from_secs(2);
        let start = Instant::now();
        let at = |seconds: f64| start + Duration::from_secs_f64(seconds);
        // Asked at 10 and not answered by 12; the last answer was to what was asked at 9.
        for (opened, heard, expected) in [
            (8.0, 11.5, true),
            // It was opened when all others may have stood still already.
            (9.5, 11.5, false),
            // Everything may stand still since then.
            (8.0, 10.5, false),
            (8.0, 8.5, false),
        ] {
            let mut signs = Signs::new(start);
            assert!(!signs.others_go_on(at(0.0), PATIENCE), "nobody was heard");
            signs.answered(at(9.0));
            signs.heard(at(opened), at(heard));
            let go_on = signs.others_go_on(at(12.0), PATIENCE);
            assert_eq!(go_on, expected, "opened {opened}, heard {heard}");
        }
    }
}
