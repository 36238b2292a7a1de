//! Where chance comes from, and how a failure is made to happen again.

use std::cell::RefCell;

/// A source of chance that tells its seed, and what was being done last, when
/// a test fails while it exists.
pub(crate) struct Seeded {
    seed: u64,
    doing: RefCell<String>,
}

/// Names the seed to use instead of a random one.
const SEED: &str = "UTSAVAM_SEED";

/// Names the number of operations of a sequence.
const STEPS: &str = "UTSAVAM_STEPS";

impl Seeded {
    /// The seed of the environment, or a random one.
    pub(crate) fn new() -> Self {
        Self {
            seed: number(SEED).unwrap_or_else(|| fastrand::u64(..)),
            doing: RefCell::default(),
        }
    }

    /// The same chance each time, and another one for each number.
    pub(crate) fn chance(&self, number: u64) -> fastrand::Rng {
        // Multiplying by an odd constant (2^64 / golden ratio) keeps the
        // streams of neighbouring numbers apart.
        let stream = number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        fastrand::Rng::with_seed(self.seed ^ stream)
    }

    /// Remembers what is being done, for the message of a failure.
    pub(crate) fn doing(&self, what: String) {
        self.doing.replace(what);
    }
}

impl Drop for Seeded {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let (seed, doing) = (self.seed, self.doing.borrow());
            eprintln!("{doing}\nto see it again: {SEED}={seed} cargo test …");
        }
    }
}

/// How many operations a sequence has.
pub(crate) fn steps(default: u64) -> u64 {
    number(STEPS).unwrap_or(default)
}

fn number(variable: &str) -> Option<u64> {
    let text = std::env::var(variable).ok()?;
    let number = text.trim().parse();
    Some(number.unwrap_or_else(|_| panic!("{variable} is a whole number, not {text:?}")))
}
