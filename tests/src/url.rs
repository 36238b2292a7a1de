//! Taking connection URLs apart, as far as the tests need it.

/// `scheme://user:password@host:port/path?query` without its path, and the
/// query with its question mark.
fn split(url: &str) -> (&str, &str) {
    let start = url.find("://").map_or(0, |at| at + 3);
    let (before_query, query) = match url.find('?') {
        Some(at) => url.split_at(at),
        None => (url, ""),
    };
    let end = before_query[start..]
        .find('/')
        .map_or(before_query.len(), |at| start + at);
    (&url[..end], query)
}

/// The same server, but another database.
pub(crate) fn with_path(url: &str, path: &str) -> String {
    let (server, query) = split(url);
    format!("{server}/{path}{query}")
}

/// `host:port` of the server, with `port_default` where none is given.
pub(crate) fn address(url: &str, port_default: u16) -> String {
    let (server, _) = split(url);
    let authority = server.split_once("://").map_or(server, |(_, rest)| rest);
    let address = authority.rsplit_once('@').map_or(authority, |(_, a)| a);
    let has_port = address
        .rsplit_once(':')
        .is_some_and(|(_, port)| !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit()));
    if has_port {
        address.to_owned()
    } else {
        format!("{address}:{port_default}")
    }
}

/// The same database, user and password behind another `host:port`.
pub(crate) fn with_address(url: &str, address: &str) -> String {
    let (server, _) = split(url);
    let rest = &url[server.len()..];
    let (scheme, authority) = server.split_once("://").unwrap_or(("", server));
    match authority.rsplit_once('@') {
        Some((user, _)) => format!("{scheme}://{user}@{address}{rest}"),
        None => format!("{scheme}://{address}{rest}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_path_is_replaced_and_the_rest_stays() {
        for (url, path, expected) in [
            (
                "postgres://u:p@h:1/a?x=/y",
                "b",
                "postgres://u:p@h:1/b?x=/y",
            ),
            ("postgres://h", "b", "postgres://h/b"),
            ("redis://h:6379/0", "7", "redis://h:6379/7"),
        ] {
            assert_eq!(with_path(url, path), expected);
        }
    }

    #[test]
    fn the_address_is_found_and_replaced() {
        assert_eq!(address("postgres://u:p@h:1/a", 5432), "h:1");
        assert_eq!(address("redis://h/0", 6379), "h:6379");
        assert_eq!(
            with_address("postgres://u:p@h:1/a?x=1", "127.0.0.1:9"),
            "postgres://u:p@127.0.0.1:9/a?x=1"
        );
    }
}
