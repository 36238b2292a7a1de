//! Ports for servers that do not choose one themselves, or come back to theirs.

use std::fs::{DirBuilder, File};
use std::io::{Read, Seek, Write};
use std::net::TcpListener;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::PathBuf;

/// Above those of `deploy/services.sh`, below those that the system gives to
/// clients: a port that is free stays free while its server is dead.
const PORTS: std::ops::Range<u16> = 25_000..32_000;

/// A port at which nobody listens. No other test of this user gets it before all others had their
/// turn: tests run in many processes at the same time, and time passes until a server has its
/// port.
pub fn free_port() -> u16 {
    let mut last = Last::lock();
    loop {
        let port = last.next();
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}

/// The port that was given last, by whichever process of this user; locked while it is here.
struct Last(File);

impl Last {
    fn lock() -> Self {
        let mut options = File::options();
        let options = options.read(true).write(true).create(true).truncate(false);
        let file = options.open(folder().join("last-port"));
        let file = file.expect("a file of our own");
        file.lock().expect("nobody keeps it for long");
        Self(file)
    }

    fn next(&mut self) -> u16 {
        let mut text = Vec::new();
        self.0.rewind().expect("it is a file");
        self.0.read_to_end(&mut text).expect("it can be read");
        let last = String::from_utf8_lossy(&text).trim().parse::<u16>();
        let port = match last.map(|last| last.wrapping_add(1)) {
            Ok(next) if PORTS.contains(&next) => next,
            Ok(_) => PORTS.start,
            // The first one ever.
            Err(_) => fastrand::u16(PORTS),
        };
        self.0.rewind().expect("it is a file");
        self.0.set_len(0).expect("it can be written");
        write!(self.0, "{port}").expect("it can be written");
        port
    }
}

/// A folder for all tests of this user, in which nobody else can have put a link.
fn folder() -> PathBuf {
    let file = tempfile::tempfile().and_then(|file| file.metadata());
    let user = file.expect("a file of our own").uid();
    let folder = std::env::temp_dir().join(format!("utsavam-tests-{user}"));
    // Fails where it is there.
    let _ = DirBuilder::new().mode(0o700).create(&folder);
    let found = std::fs::symlink_metadata(&folder).expect("a folder");
    assert!(
        found.is_dir() && found.uid() == user,
        "{} is somebody else's",
        folder.display()
    );
    folder
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn whoever_asks_at_the_same_time_gets_a_port_of_their_own() {
        let ask = || (0..200).map(|_| free_port()).collect::<Vec<_>>();
        let given = std::thread::scope(|scope| {
            let askers: Vec<_> = (0..4).map(|_| scope.spawn(ask)).collect();
            let given = askers
                .into_iter()
                .map(|asker| asker.join().expect("no panic"));
            given.flatten().collect::<Vec<_>>()
        });
        assert_eq!(given.iter().collect::<HashSet<_>>().len(), 800);
    }
}
