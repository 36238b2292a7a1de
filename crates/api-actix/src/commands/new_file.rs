//! A file that gets its name only when it is complete.

use std::ffi::OsStr;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

/// A file under a name of its own beside the one that it is to have, for this
/// user alone. Removed when it is dropped.
#[derive(Debug)]
pub(crate) struct NewFile {
    file: NamedTempFile,
    path: PathBuf,
}

impl NewFile {
    /// Makes an empty one.
    ///
    /// # Errors
    /// The file cannot be made, or the name is that of something else.
    pub(crate) fn for_path(path: &Path) -> io::Result<Self> {
        // A link goes on to be one.
        let path = match path.canonicalize() {
            Ok(path) if path.is_file() => path,
            // Renaming would put a file in the place of a device or a pipe.
            Ok(_) => return Err(io::Error::other("it is not a file")),
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
        Ok(Self { file, path })
    }

    /// Where it is until it is finished.
    pub(crate) fn part(&self) -> &Path {
        self.file.path()
    }

    /// Where it will be: one true path, if something is there already.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Makes the file durable and gives it its name. Replaces one that had it.
    ///
    /// # Errors
    /// The disk does not take it; then there is no file of that name, or still
    /// the former one.
    pub(crate) fn finish(self) -> io::Result<()> {
        let Self { file, path } = self;
        file.as_file().sync_all()?;
        file.persist(&path).map_err(|error| error.error)?;
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
