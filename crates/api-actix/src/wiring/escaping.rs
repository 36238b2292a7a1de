//! What to say of a URL that leads nowhere when its password may be why.

/// A clause for the end of a refusal, or nothing: a password with characters that
/// mean something in URLs is cut where they stand. Shows nothing of it.
pub(super) fn hint(url: &str) -> &'static str {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    // Up to the last @, as the password's own may be among them.
    let user = rest.rsplit_once('@').map_or("", |(user, _)| user);
    let password = user.split_once(':').map_or("", |(_, password)| password);
    if password.contains(['@', ':', '/', '?', '#', '[', ']']) || has_stray_percent(password) {
        "; a password in a URL has @ as %40, : as %3A, / as %2F, ? as %3F, # as %23 and % as %25"
    } else {
        ""
    }
}

fn has_stray_percent(text: &str) -> bool {
    text.split('%').skip(1).any(|after| {
        let digits = after.bytes().take(2);
        digits.filter(u8::is_ascii_hexdigit).count() < 2
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_that_is_not_escaped_is_hinted_at_and_not_shown() {
        for password in [
            "s3@cret", "s3:cret", "s3/cret", "s3?cret", "s3#cret", "s3%cret",
        ] {
            for url in [
                format!("postgres://u:{password}@h:1/d"),
                format!("redis://:{password}@h"),
            ] {
                assert!(hint(&url).contains("@ as %40"), "{url}");
                assert!(!hint(&url).contains("cret"), "{url}");
            }
        }
    }

    #[test]
    fn nothing_is_said_of_others() {
        for url in [
            "",
            "nonsense",
            "postgres://u:s3%40cret@h:1/d",
            "postgres://u@h:1/d?a=b",
            "redis://h:6379/0",
            "redis://:s3cret@one,two/0",
        ] {
            assert_eq!(hint(url), "", "{url}");
        }
    }
}
