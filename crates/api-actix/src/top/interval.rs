//! What happened between two readings of one server.

use std::collections::BTreeMap;

use super::exposition::Exposition;
use super::histogram::Histogram;
use super::source::Reading;

/// The label by which a process that began anew is known, where there is one.
const BEGAN: &str = "process_start_time_seconds";

/// Two readings of the same process.
pub(super) struct Interval<'a> {
    before: &'a Exposition,
    now: &'a Exposition,
    seconds: f64,
}

/// Whether the process behind the second reading is another one, whose counters
/// began at 0 again: nothing can be said of what happened between the two.
pub(super) fn has_restarted(before: &Exposition, now: &Exposition) -> bool {
    let fell = |(name, labels, value): (&str, _, f64)| now.one(name, labels) < Some(value);
    before.sum(BEGAN, &[]) != now.sum(BEGAN, &[]) || before.growing().any(fell)
}

impl<'a> Interval<'a> {
    /// `None` where nothing can be compared.
    pub(super) fn between(before: &'a Reading, now: &'a Reading) -> Option<Self> {
        let seconds = now.at.saturating_duration_since(before.at).as_secs_f64();
        Self::of(&before.figures, &now.figures, seconds)
    }

    fn of(before: &'a Exposition, now: &'a Exposition, seconds: f64) -> Option<Self> {
        let comparable = seconds > 0.0 && !has_restarted(before, now);
        comparable.then_some(Self {
            before,
            now,
            seconds,
        })
    }

    /// How long it was.
    pub(super) fn seconds(&self) -> f64 {
        self.seconds
    }

    /// How often a second something was counted that has these labels.
    pub(super) fn rate(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        self.grown(name, labels) / self.seconds
    }

    /// The same by the values of a label.
    pub(super) fn rates_by(&self, name: &str, label: &str) -> BTreeMap<String, f64> {
        let mut rates = BTreeMap::new();
        for (labels, value) in self.now.of(name, &[]) {
            // What was not there before has begun at 0.
            let before = self.before.one(name, labels).unwrap_or(0.0);
            let of = labels.get(label).cloned().unwrap_or_default();
            *rates.entry(of).or_insert(0.0) += (value - before) / self.seconds;
        }
        rates
    }

    /// What a histogram with these labels observed.
    pub(super) fn histogram(&self, name: &str, labels: &[(&str, &str)]) -> Histogram {
        let bucket = format!("{name}_bucket");
        let mut ends = BTreeMap::<&str, f64>::new();
        for (labels, value) in self.now.of(&bucket, labels) {
            let before = self.before.one(&bucket, labels).unwrap_or(0.0);
            let end = labels.get("le").map_or("", String::as_str);
            *ends.entry(end).or_default() += value - before;
        }
        let parsed = ends.into_iter().filter_map(|(end, count)| {
            let end = end.parse::<f64>().ok()?;
            (!end.is_nan()).then_some((end, count))
        });
        Histogram::new(parsed.collect(), self.grown(&format!("{name}_sum"), labels))
    }

    fn grown(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        self.now.sum(name, labels) - self.before.sum(name, labels)
    }
}

#[cfg(test)]
mod tests {
    use super::super::histogram::Quantile;
    use super::*;

    fn shown(text: &str) -> Exposition {
        Exposition::parse(text).expect("samples")
    }

    #[test]
    fn what_was_counted_is_told_for_each_second() {
        let before = shown("a_total{x=\"1\"} 10\na_total{x=\"2\"} 5\n");
        let now = shown("a_total{x=\"1\"} 14\na_total{x=\"2\"} 5\na_total{x=\"3\"} 6\n");
        let interval = Interval::of(&before, &now, 2.0).expect("comparable");
        assert_eq!(interval.rate("a_total", &[]), 5.0);
        assert_eq!(interval.rate("a_total", &[("x", "1")]), 2.0);
        assert_eq!(interval.rate("b_total", &[]), 0.0);
        let rates = interval.rates_by("a_total", "x");
        let rates: Vec<_> = rates.iter().map(|(x, rate)| (x.as_str(), *rate)).collect();
        assert_eq!(
            rates,
            [("1", 2.0), ("2", 0.0), ("3", 3.0)],
            "the last is new"
        );
    }

    #[test]
    fn of_a_process_that_began_anew_nothing_is_told() {
        let before = "process_start_time_seconds 100\na_total 10\nb 7\nh_bucket{le=\"1\"} 3\n";
        let counted = shown("h_count 3\n");
        assert!(has_restarted(&counted, &shown("h_count 2\n")));
        for now in [
            // Another process, although it has counted more already.
            "process_start_time_seconds 103\na_total 11\nb 7\nh_bucket{le=\"1\"} 3\n",
            // Where that figure is of no help, a counter tells.
            "process_start_time_seconds 100\na_total 9\nb 7\nh_bucket{le=\"1\"} 3\n",
            "process_start_time_seconds 100\na_total 11\nb 7\nh_bucket{le=\"1\"} 2\n",
            "process_start_time_seconds 100\nb 7\nh_bucket{le=\"1\"} 3\n",
        ] {
            assert!(has_restarted(&shown(before), &shown(now)), "{now}");
            assert!(Interval::of(&shown(before), &shown(now), 1.0).is_none());
        }
        // A gauge may fall.
        let now = "process_start_time_seconds 100\na_total 10\nb 1\nh_bucket{le=\"1\"} 3\n";
        assert!(!has_restarted(&shown(before), &shown(now)));
        assert!(
            Interval::of(&shown(before), &shown(now), 0.0).is_none(),
            "no time"
        );
    }

    #[test]
    fn a_histogram_holds_what_was_observed_in_between() {
        let before = shown(
            "h_bucket{r=\"a\",le=\"1\"} 100\nh_bucket{r=\"a\",le=\"+Inf\"} 100\n\
             h_sum{r=\"a\"} 50\nh_count{r=\"a\"} 100\n",
        );
        let now = shown(
            "h_bucket{r=\"a\",le=\"1\"} 100\nh_bucket{r=\"a\",le=\"+Inf\"} 104\n\
             h_sum{r=\"a\"} 70\nh_count{r=\"a\"} 104\n\
             h_bucket{r=\"b\",le=\"1\"} 2\nh_bucket{r=\"b\",le=\"+Inf\"} 2\nh_sum{r=\"b\"} 1\n",
        );
        let interval = Interval::of(&before, &now, 1.0).expect("comparable");
        let of_a = interval.histogram("h", &[("r", "a")]);
        assert_eq!((of_a.count(), of_a.mean()), (4.0, Some(5.0)));
        assert_eq!(of_a.quantile(0.5), Some(Quantile::Above(1.0)));
        let both = interval.histogram("h", &[]);
        assert_eq!(both.count(), 6.0);
        let none = interval.histogram("h", &[("r", "c")]);
        assert_eq!((none.count(), none.quantile(0.5)), (0.0, None));
    }
}
