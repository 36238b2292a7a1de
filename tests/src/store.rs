//! Which of its stores the server under test keeps its data in.

/// A store, and the seat gate that goes with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Store {
    /// PostgreSQL, with the gate in Redis.
    Postgres,
    /// A SQLite file, with the gate in the server.
    Embedded,
}

impl Store {
    /// What `UTSAVAM_TEST_STORE` says, `postgres` or `embedded`; PostgreSQL if
    /// it says nothing. Only the tests of the HTTP interface are meant to be
    /// run on both.
    pub fn chosen() -> Self {
        match std::env::var("UTSAVAM_TEST_STORE").as_deref() {
            Err(_) | Ok("" | "postgres") => Self::Postgres,
            Ok("embedded") => Self::Embedded,
            Ok(other) => panic!("UTSAVAM_TEST_STORE is postgres or embedded, not {other:?}"),
        }
    }
}
