//! The files of a database, in whose place no other is to be put.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use adapters_embedded::lock_of;

/// What speaks against putting a file there, while `database` is the embedded store.
///
/// A file in the place of a database would be read together with the log that belongs to the
/// one before; in the place of its lock it would let a second server in.
pub(crate) fn why_not(database: &Path, target: &Path) -> Option<String> {
    let database = database.canonicalize().ok()?;
    let is_beside = beside(&database).iter().any(|file| file == target);
    if database == target || is_beside || lock_of(&database) == target {
        return Some("belongs to the database itself".to_owned());
    }
    let log = beside(target).into_iter().find(|file| file.exists())?;
    Some(format!(
        "is in use as a database: there is {}",
        log.display()
    ))
}

/// What SQLite puts beside a database that is open.
fn beside(database: &Path) -> [PathBuf; 3] {
    ["-wal", "-shm", "-journal"].map(|suffix| {
        let mut name = OsString::from(database);
        name.push(suffix);
        PathBuf::from(name)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_takes_the_place_of_a_database_or_of_what_is_beside_it() {
        let folder = tempfile::tempdir().expect("a folder");
        let folder = folder.path().canonicalize().expect("there");
        let file = |name: &str| {
            let path = folder.join(name);
            std::fs::write(&path, "").expect("room");
            path
        };
        let (database, _) = (file("shop.db"), file("other.db-wal"));
        for (name, reason) in [
            ("shop.db", Some("belongs")),
            ("shop.db-wal", Some("belongs")),
            ("shop.db-shm", Some("belongs")),
            ("shop.db-journal", Some("belongs")),
            ("shop.db.lock", Some("belongs")),
            ("other.db", Some("other.db-wal")),
            ("third.db", None),
            ("third.db.lock", None),
        ] {
            let found = why_not(&database, &folder.join(name));
            match reason {
                Some(part) => assert!(found.is_some_and(|it| it.contains(part)), "{name}"),
                None => assert_eq!(found, None, "{name}"),
            }
        }
    }
}
