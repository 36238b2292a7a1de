//! Lists: arrays in a file, and in the environment, where everything is text,
//! separated by commas.

use serde::{Deserialize, Deserializer};

#[derive(Deserialize)]
#[serde(untagged)]
enum List {
    Array(Vec<String>),
    Text(String),
}

pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<String>, D::Error> {
    Ok(match List::deserialize(from)? {
        List::Array(entries) => entries,
        List::Text(text) => text
            .split(',')
            .map(|entry| entry.trim().to_owned())
            .collect(),
    })
}
