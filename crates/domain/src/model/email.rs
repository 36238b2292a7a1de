//! E-mail addresses, the name under which a user is known.

use super::{Invalid, UserId};

/// An address in the form in which it is compared: trimmed and lower-cased.
///
/// The check is the one that browsers make for `<input type=email>`, opened
/// for letters outside ASCII (RFC 6531). It finds typing errors; whether the
/// address exists only a mail can tell.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Email(String);

/// RFC 5321 allows 254 characters; the Python service stored up to 255.
const CHARACTERS_MAX: usize = 255;

impl Email {
    /// Trims and lower-cases the text, then checks that it looks like an address.
    ///
    /// # Errors
    /// Refuses text without exactly one `@` between a local part and a host
    /// name, white space and control characters, and more than 255 characters.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        let text = text.trim().to_lowercase();
        if text.chars().count() > CHARACTERS_MAX {
            return Err(Invalid::new(format!(
                "must have at most {CHARACTERS_MAX} characters"
            )));
        }
        match text.split_once('@') {
            Some((local, host)) if is_local_part(local) && is_host(host) => Ok(Self(text)),
            _ => Err(Invalid::new(
                "must be an e-mail address such as alice@example.com",
            )),
        }
    }

    /// What stands for the address of a user who was erased where an address
    /// has to be shown. `.invalid` is nobody's (RFC 2606), but nothing stops
    /// people from registering such an address: it is to be shown, and never
    /// stored where addresses are unique.
    pub fn of_erased(user_id: UserId) -> Self {
        Self(format!("user-{user_id}@erased.invalid"))
    }

    /// The address itself.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

fn is_local_part(local: &str) -> bool {
    !local.is_empty()
        && local.chars().all(|c| {
            c.is_alphanumeric()
                || (!c.is_ascii() && !c.is_control() && !c.is_whitespace())
                || ".!#$%&'*+/=?^_`{|}~-".contains(c)
        })
}

fn is_host(host: &str) -> bool {
    host.split('.').all(|label| {
        !label.is_empty()
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.chars().all(|c| c.is_alphanumeric() || c == '-')
    })
}

impl From<Email> for String {
    fn from(email: Email) -> String {
        email.0
    }
}

impl std::fmt::Display for Email {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn any_text_is_refused_or_an_address_that_can_be_written_again(
            text in prop_oneof![
                ".{0,30}",
                "\\s?[!-~]{1,9}@[!-~]{1,9}\\s?",
                "[\\p{Lu}\\p{Lt}]{1,9}@[\\p{Lu}.-]{1,9}",
                "[İx]{100,260}@x{1,3}",
            ],
        ) {
            if let Ok(email) = Email::parse(&text) {
                prop_assert!(email.as_str().chars().count() <= 255);
                prop_assert_eq!(email.as_str().matches('@').count(), 1);
                prop_assert_eq!(Email::parse(email.as_str()), Ok(email));
            }
        }
    }

    #[test]
    fn an_address_is_compared_without_case_and_margins() {
        assert_eq!(
            Email::parse("  Alice@Example.COM "),
            Email::parse("alice@example.com")
        );
    }

    #[test]
    fn what_browsers_refuse_is_refused() {
        for bad in [
            "",
            "alice",
            "@example.com",
            "alice@",
            "a@b@c",
            "a b@c.de",
            "alice@-x.com",
            "alice@x-.com",
            "alice@x..com",
            "a\0@b.com",
            "alice@exa mple.com",
            "alice@exa_mple.com",
            "ali(ce@example.com",
            "ali\u{a0}ce@example.com",
            "ali\u{80}ce@example.com",
        ] {
            assert!(Email::parse(bad).is_err(), "{bad:?}");
        }
        let long = |characters: usize| format!("a@{}.com", "x".repeat(characters - 6));
        assert!(Email::parse(&long(255)).is_ok());
        assert!(Email::parse(&long(256)).is_err());
    }

    #[test]
    fn the_address_of_an_erased_user_is_an_address() {
        let shown = Email::of_erased(UserId::try_new(7).expect("positive"));
        assert_eq!(shown.as_str(), "user-7@erased.invalid");
        assert_eq!(Email::parse(shown.as_str()), Ok(shown));
    }

    #[test]
    fn plus_signs_and_other_scripts_are_accepted() {
        for good in [
            "alice+tickets@example.com",
            "जॉन@उदाहरण",
            "o'neil@example.ie",
            "root@localhost",
            "☃@x-mas.example",
        ] {
            let email = Email::parse(good).expect("an address");
            assert_eq!(email.to_string(), good);
            assert_eq!(String::from(email), good);
        }
    }
}
