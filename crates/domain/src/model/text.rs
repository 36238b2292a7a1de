//! Names that people type: trimmed, not empty, at most 255 characters, free of
//! control characters (PostgreSQL refuses U+0000, terminals suffer from others).

use super::Invalid;

/// The longest name, in characters: the width of the column that the Python
/// service used.
const CHARACTERS_MAX: usize = 255;

fn parse(text: &str) -> Result<String, Invalid> {
    let text = text.trim();
    if text.is_empty() {
        return Err(Invalid::new("must not be empty"));
    }
    if text.chars().count() > CHARACTERS_MAX {
        return Err(Invalid::new(format!(
            "must have at most {CHARACTERS_MAX} characters"
        )));
    }
    if text.chars().any(char::is_control) {
        return Err(Invalid::new("must not contain control characters"));
    }
    Ok(text.to_owned())
}

macro_rules! text {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, Hash)]
        pub struct $name(String);

        impl $name {
            /// Trims the text and accepts 1 to 255 characters.
            ///
            /// # Errors
            /// Refuses empty and overlong text and control characters.
            pub fn parse(text: &str) -> Result<Self, Invalid> {
                parse(text).map(Self)
            }

            /// The text itself.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl From<$name> for String {
            fn from(text: $name) -> String {
                text.0
            }
        }
    };
}

text!(
    /// What an event is called.
    EventName
);
text!(
    /// Where an event takes place.
    Venue
);
text!(
    /// What a user is called.
    UserName
);
text!(
    /// What a service is called.
    ApiKeyName
);

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn any_text_is_refused_or_a_name_that_can_be_written_again(
            text in prop_oneof![".{0,20}", "[\\s\\p{Cc}x]{0,6}", "x{250,260}"],
        ) {
            if let Ok(name) = UserName::parse(&text) {
                prop_assert_eq!(name.as_str(), text.trim());
                prop_assert!((1..=255).contains(&name.as_str().chars().count()));
                prop_assert!(!name.as_str().chars().any(char::is_control));
                prop_assert_eq!(UserName::parse(name.as_str()), Ok(name));
            }
        }
    }

    #[test]
    fn names_are_trimmed_and_keep_every_script() {
        assert_eq!(
            EventName::parse("  ಉತ್ಸವ 🎉 ").map(String::from),
            Ok("ಉತ್ಸವ 🎉".to_owned())
        );
    }

    #[test]
    fn empty_overlong_and_control_characters_are_refused() {
        for bad in ["", "   ", "a\0b", "a\nb", &"x".repeat(256)] {
            assert!(EventName::parse(bad).is_err(), "{bad:?}");
        }
        assert!(EventName::parse(&"ü".repeat(255)).is_ok());
    }
}
