//! Settings that are one of a few words. The reader of settings has its own way
//! with these, which does not say what the words are.

use serde::de::IntoDeserializer;
use serde::de::value::StringDeserializer;
use serde::{Deserialize, Deserializer};

/// In upper or lower case.
pub(super) fn deserialize<'de, T, D>(from: D) -> Result<T, D::Error>
where
    T: Deserialize<'de>,
    D: Deserializer<'de>,
{
    let word = String::deserialize(from)?.to_ascii_lowercase();
    let word: StringDeserializer<D::Error> = word.into_deserializer();
    T::deserialize(word)
}

/// As [`deserialize`], for a setting that may be absent.
pub(super) fn deserialize_some<'de, T, D>(from: D) -> Result<Option<T>, D::Error>
where
    T: Deserialize<'de>,
    D: Deserializer<'de>,
{
    deserialize(from).map(Some)
}
