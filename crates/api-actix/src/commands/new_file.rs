//! A file that gets its name only when it is complete.

use std::ffi::OsStr;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

/// What becomes of a file that has the name already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Existing {
    /// It stays, and there is no new one.
    Keep,
    /// The new one takes its place.
    Replace,
}

/// A file under a name of its own beside the one that it is to have, for this
/// user alone. Removed when it is dropped.
#[derive(Debug)]
pub(crate) struct NewFile {
    file: NamedTempFile,
    path: PathBuf,
    existing: Existing,
}

impl NewFile {
    /// Makes an empty one.
    ///
    /// # Errors
    /// The file cannot be made, the name is that of something else, or a file has it
    /// that is to be kept.
    pub(crate) fn for_path(path: &Path, existing: Existing) -> io::Result<Self> {
        let is_kept = existing == Existing::Keep;
        let kept = || io::Error::from(io::ErrorKind::AlreadyExists);
        // A link goes on to be one.
        let path = match path.canonicalize() {
            Ok(path) if path.is_file() && is_kept => return Err(kept()),
            Ok(path) if path.is_file() => path,
            // Renaming would put a file in the place of a device or a pipe.
            Ok(_) => return Err(io::Error::other("it is not a file")),
            // One that leads nowhere has the name, too.
            Err(_) if is_kept && path.is_symlink() => return Err(kept()),
            Err(_) => std::path::absolute(path)?,
        };
        let (Some(folder), Some(name)) = (path.parent(), path.file_name()) else {
            return Err(io::Error::from(io::ErrorKind::InvalidFilename));
        };
        let prefix = [OsStr::new("."), name, OsStr::new(".")].join(OsStr::new(""));
        let file = tempfile::Builder::new()
            .prefix(&prefix)
            .suffix(".part")
            .tempfile_in(folder)?;
        Ok(Self {
            file,
            path,
            existing,
        })
    }

    /// Where it is until it is finished.
    pub(crate) fn part(&self) -> &Path {
        self.file.path()
    }

    /// Where it will be: one true path, if something is there already.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Makes the file durable and gives it its name.
    ///
    /// # Errors
    /// The disk does not take it, or a file has the name by now that is to be kept;
    /// then there is no file of that name, or still the former one.
    pub(crate) fn finish(self) -> io::Result<()> {
        let Self {
            file,
            path,
            existing,
        } = self;
        file.as_file().sync_all()?;
        let named = match existing {
            Existing::Keep => file.persist_noclobber(&path),
            Existing::Replace => file.persist(&path),
        };
        named.map_err(|error| error.error)?;
        match path.parent() {
            Some(folder) if cfg!(unix) => File::open(folder)?.sync_all(),
            _ => Ok(()),
        }
    }
}

impl io::Write for NewFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}
