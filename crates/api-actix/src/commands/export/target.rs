//! Where an archive is written to.

use std::io::{self, BufWriter, Stdout, Write};
use std::path::Path;

use crate::commands::new_file::{Existing, NewFile};

/// Standard output, or a file that gets its name only when it is complete.
#[derive(Debug)]
pub(super) enum Target {
    StandardOutput(BufWriter<Stdout>),
    File(BufWriter<NewFile>),
}

impl Target {
    /// Standard output for no path. Else makes a file beside the one named, for
    /// this user alone: it will hold people's addresses and password hashes.
    ///
    /// # Errors
    /// The file cannot be made, the name is that of something else, or a file has it
    /// that is to be kept.
    pub(super) fn open(path: Option<&Path>, existing: Existing) -> io::Result<Self> {
        let Some(path) = path else {
            return Ok(Self::StandardOutput(BufWriter::new(io::stdout())));
        };
        NewFile::for_path(path, existing).map(|file| Self::File(BufWriter::new(file)))
    }

    /// Where the file will be, if it is one.
    pub(super) fn path(&self) -> Option<&Path> {
        match self {
            Self::StandardOutput(_) => None,
            Self::File(file) => Some(file.get_ref().path()),
        }
    }

    /// Makes the file durable and gives it its name.
    ///
    /// # Errors
    /// As [`NewFile::finish`].
    pub(super) fn finish(self) -> io::Result<()> {
        match self {
            Self::StandardOutput(mut output) => output.flush(),
            Self::File(file) => {
                let file = file.into_inner().map_err(io::IntoInnerError::into_error)?;
                file.finish()
            }
        }
    }
}

impl Write for Target {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::StandardOutput(output) => output.write(bytes),
            Self::File(file) => file.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::StandardOutput(output) => output.flush(),
            Self::File(file) => file.flush(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_has_its_name_when_it_is_complete_and_not_before() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("shop.jsonl");
        std::fs::write(&path, "the former one").expect("a file");
        let files = || std::fs::read_dir(folder.path()).expect("a folder").count();

        let mut given_up = Target::open(Some(&path), Existing::Replace).expect("a file beside it");
        given_up.write_all(b"half").expect("room");
        drop(given_up);
        assert_eq!(
            std::fs::read_to_string(&path).expect("still"),
            "the former one"
        );
        assert_eq!(files(), 1);

        let mut target = Target::open(Some(&path), Existing::Replace).expect("a file beside it");
        target.write_all(b"whole").expect("room");
        assert_eq!(
            std::fs::read_to_string(&path).expect("still"),
            "the former one"
        );
        target.finish().expect("room");
        assert_eq!(std::fs::read_to_string(&path).expect("new"), "whole");
        assert_eq!(files(), 1);
    }

    #[cfg(unix)]
    #[test]
    fn a_file_is_its_owners_alone_whatever_the_former_one_was() {
        use std::fs::Permissions;
        use std::os::unix::fs::PermissionsExt;

        let folder = tempfile::tempdir().expect("a folder");
        let former = folder.path().join("former.jsonl");
        std::fs::write(&former, "for everybody").expect("a file");
        std::fs::set_permissions(&former, Permissions::from_mode(0o666)).expect("ours");
        for path in [former, folder.path().join("new.jsonl")] {
            let mode = |path: &Path| {
                let metadata = std::fs::metadata(path).expect("a file");
                metadata.permissions().mode() & 0o777
            };
            let mut target =
                Target::open(Some(&path), Existing::Replace).expect("a file beside it");
            target.write_all(b"secrets").expect("room");
            let part = std::fs::read_dir(folder.path()).expect("a folder");
            let part = part.map(|file| file.expect("a file").path()).find(|path| {
                path.extension()
                    .is_some_and(|extension| extension == "part")
            });
            assert_eq!(mode(&part.expect("a part")), 0o600);
            target.finish().expect("room");
            assert_eq!(mode(&path), 0o600);
        }
    }

    #[test]
    fn nothing_but_a_file_is_replaced() {
        let folder = tempfile::tempdir().expect("a folder");
        let refusal = Target::open(Some(folder.path()), Existing::Replace).expect_err("a folder");
        assert_eq!(refusal.to_string(), "it is not a file");
        let missing = folder.path().join("missing/shop.jsonl");
        Target::open(Some(&missing), Existing::Replace).expect_err("no such folder");
    }

    #[test]
    fn a_file_is_kept_unless_it_is_to_be_replaced() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("shop.jsonl");
        let keep = || Target::open(Some(&path), Existing::Keep);
        let late = keep().expect("none yet");
        keep().expect("still none").finish().expect("room");

        for refusal in [late.finish(), keep().map(|_| ())] {
            let refusal = refusal.expect_err("there is one");
            assert_eq!(refusal.kind(), io::ErrorKind::AlreadyExists);
        }
        let files = std::fs::read_dir(folder.path()).expect("a folder");
        assert_eq!(files.count(), 1);

        let link = folder.path().join("link.jsonl");
        std::os::unix::fs::symlink("nowhere", &link).expect("a link");
        let refusal = Target::open(Some(&link), Existing::Keep).expect_err("a link");
        assert_eq!(refusal.kind(), io::ErrorKind::AlreadyExists);
    }
}
