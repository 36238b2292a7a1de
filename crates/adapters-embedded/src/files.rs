//! The folder, the file and the lock that keeps a second server away.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use crate::database::OpenError;

/// The one right to a database file, held until it is dropped. The operating
/// system takes it back when the process ends, however that happens.
///
/// A file of its own beside the database: SQLite's own locks are lost as soon
/// as anybody in the process closes the file on which they are.
#[derive(Debug)]
pub(crate) struct FileLock(#[allow(dead_code, reason = "held, not used")] File);

/// Makes sure that folder and file exist and that nobody else uses them.
/// Returns the file's one true path, and the right to it.
///
/// # Errors
/// The folder or the file cannot be made, or another server has it.
pub(crate) fn claim(path: &Path) -> Result<(PathBuf, FileLock), OpenError> {
    let unusable = |reason| OpenError::Unusable {
        path: path.to_owned(),
        reason,
    };
    let absolute = std::path::absolute(path).map_err(unusable)?;
    if absolute.is_dir() {
        return Err(unusable(io::Error::from(io::ErrorKind::IsADirectory)));
    }
    if let Some(folder) = absolute.parent() {
        make_folder(folder).map_err(unusable)?;
    }
    let path = one_name(&absolute).map_err(unusable)?;
    let lock = lock_beside(&path)?;
    make_file(&path).map_err(unusable)?;
    Ok((path, lock))
}

/// Resolves links, so that one file has one lock under all its names.
fn one_name(path: &Path) -> io::Result<PathBuf> {
    if path.exists() {
        return path.canonicalize();
    }
    match (path.parent(), path.file_name()) {
        (Some(folder), Some(name)) => Ok(folder.canonicalize()?.join(name)),
        _ => Err(io::Error::from(io::ErrorKind::InvalidFilename)),
    }
}

/// The file beside a database whose lock is the right to that.
pub fn lock_of(database: &Path) -> PathBuf {
    let mut path = database.as_os_str().to_owned();
    path.push(".lock");
    PathBuf::from(path)
}

fn lock_beside(path: &Path) -> Result<FileLock, OpenError> {
    let lock_path = lock_of(path);
    let refused = |reason| OpenError::Unusable {
        path: lock_path.clone(),
        reason,
    };
    let file = private(OpenOptions::new().write(true).create(true).truncate(false))
        .open(&lock_path)
        .map_err(refused)?;
    match file.try_lock() {
        Ok(()) => {
            // To help people alone: the lock is what counts.
            let _ = sign(&file);
            Ok(FileLock(file))
        }
        Err(TryLockError::WouldBlock) => Err(OpenError::InUse {
            path: path.to_owned(),
            process: signature(&lock_path),
        }),
        Err(TryLockError::Error(reason)) => Err(refused(reason)),
    }
}

/// Writes down who has the lock.
fn sign(mut lock: &File) -> io::Result<()> {
    lock.set_len(0)?;
    writeln!(lock, "{}", std::process::id())
}

fn signature(lock_path: &Path) -> Option<u32> {
    fs::read_to_string(lock_path).ok()?.trim().parse().ok()
}

/// Makes the folder and those above it, for this user alone: the file holds
/// people's addresses. What is there already keeps its permissions.
fn make_folder(folder: &Path) -> io::Result<()> {
    if folder.is_dir() {
        return Ok(());
    }
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    let missing: Vec<_> = folder
        .ancestors()
        .take_while(|folder| !folder.exists())
        .collect();
    builder.create(folder)?;
    for parent in missing.into_iter().filter_map(Path::parent) {
        make_durable(parent)?;
    }
    Ok(())
}

/// Makes an empty file, for SQLite to fill. SQLite gives the files that it puts
/// beside it the same permissions.
fn make_file(path: &Path) -> io::Result<()> {
    match private(OpenOptions::new().write(true).create_new(true)).open(path) {
        Ok(_) => path.parent().map_or(Ok(()), make_durable),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(error),
    }
}

fn private(options: &mut OpenOptions) -> &mut OpenOptions {
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(options, 0o600);
    options
}

/// Makes new entries of a folder survive a loss of power. SQLite does it for
/// its own files; a folder above them would take them along.
fn make_durable(folder: &Path) -> io::Result<()> {
    if cfg!(unix) {
        File::open(folder)?.sync_all()?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_file_has_one_owner_under_all_its_names() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("deep/er/shop.db");
        let (true_path, lock) = claim(&path).expect("free");
        let refusal = claim(&path).expect_err("taken");
        let us = std::process::id();
        assert!(
            matches!(refusal, OpenError::InUse { process: Some(process), .. } if process == us),
            "{refusal}"
        );
        let detour = folder.path().join("deep/../deep/er/shop.db");
        assert!(matches!(claim(&detour), Err(OpenError::InUse { .. })));
        #[cfg(unix)]
        {
            let link = folder.path().join("link.db");
            std::os::unix::fs::symlink(&true_path, &link).expect("a link");
            assert!(matches!(claim(&link), Err(OpenError::InUse { .. })));
        }
        drop(lock);
        claim(&path).expect("free again");
    }

    #[cfg(unix)]
    #[test]
    fn nobody_else_may_look_into_what_is_made() {
        use std::os::unix::fs::PermissionsExt;

        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("data/shop.db");
        let _claimed = claim(&path).expect("free");
        for (path, mode) in [
            (folder.path().join("data"), 0o700),
            (path, 0o600),
            (folder.path().join("data/shop.db.lock"), 0o600),
        ] {
            let permissions = fs::metadata(&path).expect("made").permissions();
            assert_eq!(permissions.mode() & 0o777, mode, "{}", path.display());
        }
    }

    #[test]
    fn a_folder_in_the_place_of_the_file_is_named() {
        let folder = tempfile::tempdir().expect("a folder");
        let refusal = claim(folder.path()).expect_err("a folder").to_string();
        assert!(refusal.contains("directory"), "{refusal}");
        let file = folder.path().join("file");
        fs::write(&file, "x").expect("written");
        assert!(claim(&file.join("shop.db")).is_err());
    }
}
