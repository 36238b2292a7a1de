//! Where chance comes from in tests: a seed that a test tells when it fails.

const VARIABLE: &str = "GROUP_COMMIT_SEED";

/// Another one in each run of a test, unless `GROUP_COMMIT_SEED` says which.
pub(crate) struct Seed(u64);

impl Seed {
    pub(crate) fn new() -> Self {
        let told = std::env::var(VARIABLE)
            .ok()
            .and_then(|seed| seed.parse().ok());
        Self(told.unwrap_or_else(|| fastrand::u64(..)))
    }

    /// Chance for one of many runs, or for one of many who act at once.
    pub(crate) fn chance(&self, number: u64) -> fastrand::Rng {
        fastrand::Rng::with_seed(self.0.wrapping_add(number))
    }
}

impl Drop for Seed {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!(
                "to see it again: {VARIABLE}={} cargo test -p group-commit",
                self.0
            );
        }
    }
}
