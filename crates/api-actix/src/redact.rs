//! Hiding passwords in URLs.

/// The URL with `***` in place of a password, in the authority or in the query.
pub(crate) fn redact_url(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else {
        return match url {
            // Neither holds a secret.
            "" | "sqlite::memory:" => url.to_owned(),
            _ => "***".to_owned(),
        };
    };
    // Up to the last @: a password may hold a ?, / or @ that nobody has escaped.
    let (user, rest) = match rest.rsplit_once('@') {
        // It may be in a password of the query, and then what follows is none of a host.
        Some((before, _)) if has_password_in_query(before) => return format!("{scheme}://***"),
        Some((user, rest)) => (Some(user), rest),
        None => (None, rest),
    };
    let user = match user.map(|user| user.split_once(':').unwrap_or((user, ""))) {
        Some((user, "")) => format!("{user}@"),
        Some((user, _)) => format!("{user}:***@"),
        None => String::new(),
    };
    match rest.split_once('?') {
        Some((rest, query)) => format!("{scheme}://{user}{rest}?{}", redact_query(query)),
        None => format!("{scheme}://{user}{rest}"),
    }
}

fn has_password_in_query(url: &str) -> bool {
    let query = url.split_once('?').map_or("", |(_, query)| query);
    query.split('&').any(|pair| password_key(pair).is_some())
}

/// The name of a parameter that is a password.
fn password_key(pair: &str) -> Option<&str> {
    let (key, _) = pair.split_once('=')?;
    key.to_lowercase().contains("pass").then_some(key)
}

fn redact_query(query: &str) -> String {
    let shown = query.split('&').map(|pair| match password_key(pair) {
        Some(key) => format!("{key}=***"),
        None => pair.to_owned(),
    });
    shown.collect::<Vec<_>>().join("&")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn no_password_is_shown_whatever_it_is_made_of(
            (before, after) in ("[!-~]{0,12}", "[!-~]{0,12}"),
            user in "[a-z]{0,5}",
            place in "[a-z.]{1,9}(:[0-9]{1,4})?(/[a-z]{0,5})?",
            query in "([?][a-z]{1,5}=[a-z]{0,5})?",
        ) {
            let url = format!("postgres://{user}:{before}geheim{after}@{place}{query}");
            let shown = redact_url(&url);
            prop_assert!(!shown.contains("geheim"), "{url} {shown}");
            prop_assert!(shown.ends_with(&format!("@{place}{query}")), "{url} {shown}");
            prop_assert_eq!(redact_url(&shown), shown);
        }

        #[test]
        fn no_password_of_a_query_is_shown(
            (before, after) in ("[!-%'-~]{0,12}", "[!-%'-~]{0,12}"),
            place in "([a-z]{1,5}@)?[a-z.]{1,9}(:[0-9]{1,4})?(/[a-z]{0,5})?",
            name in "password|sslpassword|PASSWORD",
            (first, last) in ("([a-z]{1,5}=[a-z]{0,5}&)?", "(&[a-z]{1,5}=[a-z]{0,5})?"),
        ) {
            let url = format!("postgres://{place}?{first}{name}={before}geheim{after}{last}");
            let shown = redact_url(&url);
            prop_assert!(!shown.contains("geheim"), "{url} {shown}");
        }

        #[test]
        fn any_text_is_shown_somehow(url in any::<String>()) {
            let shown = redact_url(&url);
            prop_assert_eq!(redact_url(&shown), shown);
        }
    }

    #[test]
    fn no_password_is_shown() {
        for (url, shown) in [
            ("postgres://u:secret@h:1/d", "postgres://u:***@h:1/d"),
            (
                "postgres://u:s/ec@ret@h/d?sslmode=prefer",
                "postgres://u:***@h/d?sslmode=prefer",
            ),
            (
                "postgres://h/d?user=u&password=secret",
                "postgres://h/d?user=u&password=***",
            ),
            ("postgres://u:sec?ret@h/d", "postgres://u:***@h/d"),
            ("postgres://h/d?password=sec@ret", "postgres://***"),
            ("redis://:sec?ret@h:6379/0", "redis://:***@h:6379/0"),
            ("postgres://u@h/d", "postgres://u@h/d"),
            ("redis://:secret@h:6379/0", "redis://:***@h:6379/0"),
            ("redis://h:6379", "redis://h:6379"),
            (
                "redis+cluster://u:sec,ret@h:6379,i:6379",
                "redis+cluster://u:***@h:6379,i:6379",
            ),
            (
                "redis+sentinel://:secret@h,i/first/0?sentinel_password=secret",
                "redis+sentinel://:***@h,i/first/0?sentinel_password=***",
            ),
            ("secret", "***"),
            ("", ""),
        ] {
            assert_eq!(redact_url(url), shown);
        }
    }
}
