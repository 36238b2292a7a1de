//! How durations or sizes are spread, and what most of them are below.

/// What was observed between two readings: for each upper end how many were no greater,
/// by the ends; the last is infinite.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Histogram {
    buckets: Vec<(f64, f64)>,
    sum: f64,
}

/// What a share of the observations is not above.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Quantile {
    /// About that much.
    About(f64),
    /// More than the last bucket says, whose end this is.
    Above(f64),
}

impl Histogram {
    /// Of buckets with their ends in any order, and the sum of all observations.
    pub(super) fn new(mut buckets: Vec<(f64, f64)>, sum: f64) -> Self {
        buckets.sort_by(|(one, _), (other, _)| one.total_cmp(other));
        // Figures are counted on while they are shown, so a bucket may be ahead of those
        // that contain it.
        let mut most = 0.0_f64;
        for (_, count) in &mut buckets {
            most = most.max(*count);
            *count = most;
        }
        Self { buckets, sum }
    }

    /// How many were observed.
    pub(super) fn count(&self) -> f64 {
        self.buckets.last().map_or(0.0, |(_, count)| *count)
    }

    /// Their mean.
    pub(super) fn mean(&self) -> Option<f64> {
        let count = self.count();
        (count > 0.0).then(|| self.sum / count)
    }

    /// The least value that so large a share of the observations is not above, as far as
    /// buckets tell: within one all values are taken to be as frequent, as Prometheus'
    /// `histogram_quantile` does.
    pub(super) fn quantile(&self, share: f64) -> Option<Quantile> {
        let count = self.count();
        if count <= 0.0 {
            return None;
        }
        let rank = share * count;
        let index = self.buckets.iter().position(|(_, upto)| *upto >= rank)?;
        let (end, upto) = self.buckets[index];
        let (begin, before) = match index {
            0 => (0.0, 0.0),
            _ => self.buckets[index - 1],
        };
        if end.is_infinite() {
            return (index > 0).then_some(Quantile::Above(begin));
        }
        let inside = upto - before;
        let part = if inside > 0.0 {
            (rank - before) / inside
        } else {
            1.0
        };
        Some(Quantile::About(begin + (end - begin) * part))
    }

    /// Adds what another server observed. Of another version it may have other buckets:
    /// what both have is right.
    pub(super) fn add(&mut self, other: &Self) {
        if self.buckets.is_empty() {
            return self.clone_from(other);
        }
        if other.buckets.is_empty() {
            return;
        }
        self.sum += other.sum;
        self.buckets.retain_mut(|(end, count)| {
            let same = other.buckets.iter().find(|(found, _)| found == end);
            same.inspect(|(_, more)| *count += more).is_some()
        });
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::Quantile::{About, Above};
    use super::*;

    const ALL: f64 = f64::INFINITY;

    #[test]
    fn of_nothing_there_is_no_quantile_and_no_mean() {
        for empty in [
            Histogram::default(),
            Histogram::new(vec![(1.0, 0.0), (ALL, 0.0)], 0.0),
        ] {
            assert_eq!((empty.quantile(0.5), empty.mean()), (None, None));
        }
        // One bucket without an end tells how many, and nothing else.
        let endless = Histogram::new(vec![(ALL, 3.0)], 6.0);
        assert_eq!((endless.quantile(0.5), endless.mean()), (None, Some(2.0)));
    }

    #[test]
    fn a_quantile_lies_in_its_bucket_where_its_rank_does() {
        // 10 up to 1, 80 up to 2, 10 up to 4; given in any order.
        let buckets = vec![(4.0, 100.0), (1.0, 10.0), (ALL, 100.0), (2.0, 90.0)];
        let spread = Histogram::new(buckets, 150.0);
        for (share, expected) in [
            (0.05, 0.5),
            (0.1, 1.0),
            (0.5, 1.5),
            (0.9, 2.0),
            (0.99, 3.8),
            (1.0, 4.0),
        ] {
            let Some(About(found)) = spread.quantile(share) else {
                panic!("no quantile {share}");
            };
            assert!((found - expected).abs() < 1e-9, "{share}: {found}");
        }
        assert_eq!(spread.mean(), Some(1.5));
    }

    #[test]
    fn beyond_the_last_end_nobody_knows_how_far() {
        let spread = Histogram::new(vec![(1.0, 90.0), (30.0, 98.0), (ALL, 100.0)], 0.0);
        assert_eq!(spread.quantile(0.99), Some(Above(30.0)));
        assert!(matches!(spread.quantile(0.98), Some(About(end)) if end <= 30.0));
    }

    #[test]
    fn a_bucket_that_is_behind_is_taken_to_hold_what_it_contains() {
        let spread = Histogram::new(vec![(1.0, 5.0), (2.0, 3.0), (ALL, 5.0)], 0.0);
        assert_eq!(spread.count(), 5.0);
        assert_eq!(spread.quantile(1.0), Some(About(1.0)));
        let buckets = vec![(1.0, 4.0), (2.0, 2.0), (4.0, 8.0), (ALL, 7.0)];
        let spread = Histogram::new(buckets, 0.0);
        assert_eq!(spread.count(), 8.0);
        assert_eq!(spread.quantile(0.75), Some(About(3.0)));
    }

    #[test]
    fn of_two_servers_what_both_tell_is_added() {
        let mut sum = Histogram::default();
        sum.add(&Histogram::new(
            vec![(1.0, 2.0), (2.0, 4.0), (ALL, 4.0)],
            5.0,
        ));
        sum.add(&Histogram::default());
        sum.add(&Histogram::new(
            vec![(1.0, 1.0), (3.0, 4.0), (ALL, 6.0)],
            7.0,
        ));
        let expected = Histogram::new(vec![(1.0, 3.0), (ALL, 10.0)], 12.0);
        assert_eq!(sum, expected);
    }

    proptest! {
        #[test]
        fn a_greater_share_has_no_smaller_quantile(
            counts in prop::collection::vec(0u32..50, 4),
            shares in prop::array::uniform2(0.0..=1.0_f64),
        ) {
            let mut upto = 0.0;
            let ends = [0.1, 1.0, 10.0, ALL];
            let buckets = ends.into_iter().zip(counts).map(|(end, count)| {
                upto += f64::from(count);
                (end, upto)
            });
            let spread = Histogram::new(buckets.collect(), 0.0);
            let [less, more]: [f64; 2] = shares;
            let [low, high] = [less.min(more), less.max(more)].map(|share| {
                spread.quantile(share).map(|(About(value) | Above(value))| value)
            });
            prop_assert!(low <= high, "{low:?} {high:?}");
        }
    }
}
