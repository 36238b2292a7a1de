//! Some thousand histories, the same ones each time, and those that once showed a
//! fault. `make simulate` runs a million others.

use utsavam_simulation::{Plan, describe, run, run_only, shrink, trace};

/// Few enough for a build without optimisation.
const HISTORIES: u64 = 2_000;

#[test]
fn nothing_is_wrong_in_a_few_thousand_histories() {
    let (mut sold, mut refused, mut mended) = (0, 0, 0);
    for seed in 0..HISTORIES {
        let outcome = run(seed);
        if let Some(wrong) = outcome.wrong {
            let plan = Plan::new(seed);
            let numbers = shrink(&plan);
            panic!("{wrong}\n{}", describe(&plan.only(&numbers)));
        }
        sold += outcome.tally.sold;
        refused += outcome.tally.refused;
        mended += outcome.tally.mended;
    }
    // Histories in which nothing happens prove nothing.
    assert!(
        sold > 5_000 && refused > 5_000 && mended > 1_000,
        "{sold} {refused} {mended}"
    );
}

#[test]
fn a_seed_has_one_history() {
    for seed in 0..100 {
        let plan = Plan::new(seed);
        // Another one in between leaves nothing behind.
        let first = trace(&plan).1;
        run_only(&Plan::new(seed + 1));
        assert_eq!(first, trace(&plan).1, "seed {seed}");
    }
}
