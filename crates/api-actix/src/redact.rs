//! Hiding passwords in URLs.

/// The URL with `***` in place of a password, in the authority or in the query.
pub(crate) fn redact_url(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else {
        return if url.is_empty() {
            String::new()
        } else {
            "***".to_owned()
        };
    };
    let (rest, query) = match rest.split_once('?') {
        Some((rest, query)) => (rest, format!("?{}", redact_query(query))),
        None => (rest, String::new()),
    };
    // Up to the last @: a password may hold an @ or / that nobody has escaped.
    let rest = match rest.rsplit_once('@') {
        Some((user, host)) => match user.split_once(':') {
            Some((user, _)) => format!("{user}:***@{host}"),
            None => format!("{user}@{host}"),
        },
        None => rest.to_owned(),
    };
    format!("{scheme}://{rest}{query}")
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
            ("redis://:secret@h:6379/0", "redis://:***@h:6379/0"),
            ("redis://h:6379", "redis://h:6379"),
            ("secret", "***"),
            ("", ""),
        ] {
            assert_eq!(redact_url(url), shown);
        }
    }
}
