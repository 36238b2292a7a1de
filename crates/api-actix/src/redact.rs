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

fn redact_query(query: &str) -> String {
    let shown = query.split('&').map(|pair| match pair.split_once('=') {
        Some((key, _)) if key.to_lowercase().contains("pass") => format!("{key}=***"),
        _ => pair.to_owned(),
    });
    shown.collect::<Vec<_>>().join("&")
}

#[cfg(test)]
mod tests {
    use super::*;

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
            ("redis://:sec?ret@h:6379/0", "redis://:***@h:6379/0"),
            ("postgres://u@h/d", "postgres://u@h/d"),
            ("redis://:secret@h:6379/0", "redis://:***@h:6379/0"),
            ("redis://h:6379", "redis://h:6379"),
            ("secret", "***"),
            ("", ""),
        ] {
            assert_eq!(redact_url(url), shown);
        }
    }
}
