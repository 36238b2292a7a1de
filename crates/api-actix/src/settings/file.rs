//! The settings file.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use super::SettingsError;

/// The file that is read when it exists and no other is named.
const DEFAULT_FILE: &str = "utsavam.toml";

/// What is in it, and who said that it should be read.
pub(super) struct SettingsFile {
    path: PathBuf,
    named_by: &'static str,
    pub(super) text: String,
}

impl SettingsFile {
    /// Reads the one that is named, or the default one if there is one: empty
    /// otherwise.
    ///
    /// # Errors
    /// The file is not there, or not ours to read.
    pub(super) fn read(named: Option<&Path>) -> Result<Self, SettingsError> {
        let named_by = match named {
            Some(_) => "--config or UTSAVAM_CONFIG",
            None => "which is read because it is in this folder",
        };
        let path = named.unwrap_or(Path::new(DEFAULT_FILE)).to_owned();
        let mut file = Self {
            path,
            named_by,
            text: String::new(),
        };
        match std::fs::read(&file.path) {
            // A comment may be in another encoding.
            Ok(bytes) => file.text = String::from_utf8_lossy(&bytes).into_owned(),
            Err(error) if named.is_none() && error.kind() == ErrorKind::NotFound => {}
            Err(error) => return Err(file.wrong(format!("cannot be read: {error}"))),
        }
        Ok(file)
    }

    /// The same error, with the name of the file where it is the file's.
    pub(super) fn blamed_for(&self, error: SettingsError) -> SettingsError {
        match error {
            SettingsError::NotToml(place) => self.wrong(format!("is not TOML at {place}")),
            error => error,
        }
    }

    fn wrong(&self, problem: String) -> SettingsError {
        SettingsError::File {
            path: self.path.clone(),
            named_by: self.named_by,
            problem,
        }
    }
}
