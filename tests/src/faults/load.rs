//! The load process of `make bench`, sent through faults: more bookings than clients in
//! this process could ask for while the servers have the same processors.

use std::net::SocketAddr;
use std::process::Stdio;

use serde_json::Value;
use tempfile::TempDir;
use tokio::process::{Child, Command};

use super::check::Ledger;
use crate::ledger::{self, Entry};
use crate::program;

/// Nobody has to wait so long: the load ends when everything was asked for.
const SECONDS_MAX: u32 = 600;

/// What a load process asks for.
#[derive(Debug, Clone)]
pub(crate) struct Load {
    /// The event of which every booking takes one seat.
    pub(crate) event: i64,
    /// Users who book, by turns at random.
    pub(crate) users: std::ops::Range<i64>,
    /// Clients at the same time.
    pub(crate) clients: usize,
    /// Bookings that are made, refused for want of seats, or of which nobody knows what
    /// became; those that are turned away are tried again.
    pub(crate) attempts: usize,
}

/// One that is under way; killed when dropped.
pub(crate) struct LoadUnderWay {
    child: Child,
    event: i64,
    folder: TempDir,
}

/// What came of it.
pub(crate) struct Loaded {
    pub(crate) ledger: Ledger,
    /// Refusals for want of seats.
    pub(crate) refusals: usize,
}

impl Load {
    /// Begins to ask the process at that address, which may be killed and come back.
    pub(crate) fn begin(&self, address: SocketAddr) -> LoadUnderWay {
        let folder = TempDir::with_prefix("utsavam_test_").expect("a temporary folder");
        let child = Command::new(program::beside("bench"))
            .args(["load", "--work=book", "--through-faults", "--warmup=0"])
            .arg("--expect=201,409")
            .arg(format!("--address={address}"))
            .arg(format!("--event-first={}", self.event))
            .arg(format!("--user-first={}", self.users.start))
            .arg(format!("--users={}", self.users.end - self.users.start))
            .arg(format!("--clients={}", self.clients))
            .arg(format!("--requests={}", self.attempts))
            .arg(format!("--seconds={SECONDS_MAX}"))
            .arg(format!(
                "--ledger={}",
                folder.path().join("ledger").display()
            ))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("the load can be run");
        LoadUnderWay {
            child,
            event: self.event,
            folder,
        }
    }
}

impl LoadUnderWay {
    /// Waits until everything was asked for.
    ///
    /// # Panics
    /// There was an answer that nobody has a use for.
    pub(crate) async fn end(self) -> Loaded {
        let output = self.child.wait_with_output().await;
        let output = output.expect("a child can be waited for");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "the load failed: {said}");
        let summary: Value = serde_json::from_slice(&output.stdout).expect("the summary is JSON");
        let entries = ledger::read(&self.folder.path().join("ledger")).expect("a ledger");
        let mut ledger = Ledger::default();
        for entry in entries {
            match entry {
                Entry::Booked {
                    booking_id,
                    user_id,
                    event_id,
                } if event_id == self.event => ledger.booked.push((booking_id, user_id)),
                Entry::Unknown { user_id, event_id } if event_id == self.event => {
                    *ledger.unknown.entry(user_id).or_default() += 1;
                }
                other => panic!("nobody asked for {other:?}"),
            }
        }
        let unknown: usize = ledger.unknown.values().sum();
        let count = |number: &Value| {
            let count = number.as_u64().unwrap_or_default();
            usize::try_from(count).expect("a number of answers")
        };
        assert_eq!(count(&summary["unknown"]), unknown, "{summary}");
        Loaded {
            ledger,
            refusals: count(&summary["statuses"]["409"]),
        }
    }
}
