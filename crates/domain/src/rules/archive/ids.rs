//! A set of ids that come in rising order.

/// Ranges of ids without a gap: a store gives ids out one after the other, so
/// millions of them are a few ranges.
#[derive(Debug, Default)]
pub(super) struct IdRanges(Vec<(i64, i64)>);

impl IdRanges {
    /// Adds an id, larger than all before it.
    pub(super) fn push(&mut self, id: i64) {
        match self.0.last_mut() {
            Some((_, last)) if last.checked_add(1) == Some(id) => *last = id,
            _ => self.0.push((id, id)),
        }
    }

    pub(super) fn contains(&self, id: i64) -> bool {
        let behind = self.0.partition_point(|(first, _)| *first <= id);
        behind
            .checked_sub(1)
            .is_some_and(|index| id <= self.0[index].1)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn ids_without_a_gap_take_the_room_of_one() {
        let mut ranges = IdRanges::default();
        for id in [1, 2, 3, 5, 6] {
            ranges.push(id);
        }
        assert_eq!(ranges.0, [(1, 3), (5, 6)]);
    }

    proptest! {
        #[test]
        fn it_holds_what_was_put_in_and_nothing_else(
            ids in proptest::collection::btree_set(1_i64..200, 0..100)
        ) {
            let mut ranges = IdRanges::default();
            for id in &ids {
                ranges.push(*id);
            }
            let found: BTreeSet<i64> = (-1..202).filter(|id| ranges.contains(*id)).collect();
            prop_assert_eq!(found, ids);
        }
    }
}
