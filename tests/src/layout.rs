//! How many servers a test talks to.

/// What stands behind the address that a test's client knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Layout {
    /// One server.
    One,
    /// Three servers on the same database and Redis, behind HAProxy.
    Cluster,
}

impl Layout {
    /// What `UTSAVAM_TEST_LAYOUT` says, `one` or `cluster`; one if it says
    /// nothing. Only the tests of the HTTP interface are meant to be run on both.
    pub fn chosen() -> Self {
        match std::env::var("UTSAVAM_TEST_LAYOUT").as_deref() {
            Err(_) | Ok("" | "one") => Self::One,
            Ok("cluster") => Self::Cluster,
            Ok(other) => panic!("UTSAVAM_TEST_LAYOUT is one or cluster, not {other:?}"),
        }
    }
}
