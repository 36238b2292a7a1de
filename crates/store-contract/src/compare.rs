//! Comparing answers.

/// Fails unless the value matches the pattern, and shows it.
macro_rules! assert_matches {
    ($value:expr, $($pattern:tt)+) => {
        match $value {
            value => assert!(
                matches!(value, $($pattern)+),
                "{value:?} is not {}",
                stringify!($($pattern)+)
            ),
        }
    };
}

pub(crate) use assert_matches;
