use proptest::prelude::*;

use super::*;

const X_FORWARDED: ForwardedHeader = ForwardedHeader::XForwardedFor;

fn proxies(header: ForwardedHeader) -> Proxies {
    let trusted = ["127.0.0.0/8", "10.0.0.0/8", "fd00::/8"];
    let trusted = trusted.map(|text| text.parse().expect("a network"));
    Proxies {
        trusted: Networks(trusted.to_vec()),
        header,
    }
}

fn address(text: &str) -> IpAddr {
    text.parse().expect("an address")
}

fn peer(text: &str) -> SocketAddr {
    SocketAddr::new(address(text), 4711)
}

/// The client of a request with these lines of the header.
fn client(header: ForwardedHeader, from: &str, lines: &[&str]) -> Client {
    let mut headers = HeaderMap::new();
    for line in lines {
        let value = HeaderValue::from_bytes(line.as_bytes()).expect("fit for a header");
        headers.append(header.name(), value);
    }
    proxies(header).client(peer(from), &headers)
}

#[test]
fn a_peer_that_is_not_trusted_is_the_client_whatever_it_says() {
    for lines in [&[][..], &["192.0.2.1"], &["127.0.0.1"], &["nonsense"]] {
        let found = client(X_FORWARDED, "203.0.113.9", lines);
        assert_eq!(found.address, address("203.0.113.9"), "{lines:?}");
        assert!(!found.is_local);
    }
    let nobody_is_trusted = Proxies::new(&HttpSettings::default());
    let mut headers = HeaderMap::new();
    headers.insert(X_FORWARDED_FOR, HeaderValue::from_static("192.0.2.1"));
    let found = nobody_is_trusted.client(peer("127.0.0.1"), &headers);
    assert_eq!(found.address, address("127.0.0.1"));
    assert!(found.is_local);
}

#[test]
fn the_client_is_the_last_one_that_is_no_proxy() {
    for (lines, expected) in [
        (&["192.0.2.1"][..], "192.0.2.1"),
        (&["192.0.2.1, 192.0.2.2"], "192.0.2.2"),
        (&["192.0.2.1,10.0.0.2 , 10.0.0.3"], "192.0.2.1"),
        (&["192.0.2.1", "192.0.2.2", "10.0.0.3"], "192.0.2.2"),
        (&["nonsense, 192.0.2.2"], "192.0.2.2"),
        (&["\u{fc}, 192.0.2.2"], "192.0.2.2"),
        (&["127.0.0.1, 192.0.2.2"], "192.0.2.2"),
        (&["10.9.9.9, 10.0.0.3"], "10.9.9.9"),
        (&["192.0.2.1:5678"], "192.0.2.1"),
        (&["2001:db8::1"], "2001:db8::1"),
        (&["[2001:db8::1]"], "2001:db8::1"),
        (&["[2001:db8::1]:443"], "2001:db8::1"),
        (&["::ffff:192.0.2.1"], "192.0.2.1"),
        (&["192.0.2.1, ::ffff:10.0.0.2"], "192.0.2.1"),
    ] {
        let found = client(X_FORWARDED, "10.0.0.1", lines);
        assert_eq!(found.address, address(expected), "{lines:?}");
        assert!(!found.is_local);
    }
}

#[test]
fn a_header_that_is_malformed_where_it_counts_leaves_the_peer() {
    for line in [
        "",
        " ",
        ",",
        "192.0.2.1,",
        "unknown",
        "192.0.2.1 192.0.2.2",
        "1.2.3",
        "[::1",
    ] {
        let found = client(X_FORWARDED, "127.0.0.1", &[line]);
        assert_eq!(found.address, address("127.0.0.1"), "{line:?}");
        // Else anybody behind a proxy on this machine could be unlimited.
        assert!(!found.is_local, "{line:?}");
    }
}

#[test]
fn nobody_is_local_because_a_header_says_so() {
    assert!(client(X_FORWARDED, "127.0.0.1", &[]).is_local);
    assert!(client(X_FORWARDED, "::1", &[]).is_local);
    for from in ["127.0.0.1", "10.0.0.1"] {
        assert!(!client(X_FORWARDED, from, &["127.0.0.1"]).is_local);
    }
}

#[test]
fn the_standard_header_is_read_alike() {
    for (line, expected) in [
        ("for=192.0.2.1", "192.0.2.1"),
        ("For=192.0.2.1;proto=https;by=10.0.0.1", "192.0.2.1"),
        ("for=\"192.0.2.1:4711\"", "192.0.2.1"),
        (
            "for=\"[2001:db8::1]:4711\"; host=\"a.example\"",
            "2001:db8::1",
        ),
        ("for=192.0.2.9, for=192.0.2.1, for=10.0.0.2", "192.0.2.1"),
        ("for=\", for=192.0.2.1", "192.0.2.1"),
        // What does not name an address leaves the peer.
        ("for=unknown", "10.0.0.1"),
        ("for=_hidden", "10.0.0.1"),
        ("proto=https", "10.0.0.1"),
        ("192.0.2.1", "10.0.0.1"),
        ("for=[2001:db8::1]", "10.0.0.1"),
        ("for=192.0.2.1;for=192.0.2.2", "10.0.0.1"),
        ("for=192.0.2.1;", "10.0.0.1"),
        ("for=192.0.2.1;host=\"a", "10.0.0.1"),
        ("for=10.0.0.5;host=\"x, for=192.0.2.6;y=\"", "10.0.0.1"),
        ("for=10.0.0.5;host=\"x, for=192.0.2.6;y=z\"", "10.0.0.1"),
        ("for=10.0.0.5;host=\"x, for=192.0.2.6;y=\\\"z\"", "10.0.0.1"),
    ] {
        let found = client(ForwardedHeader::Forwarded, "10.0.0.1", &[line]);
        assert_eq!(found.address, address(expected), "{line:?}");
    }
}

#[test]
fn only_the_header_that_was_chosen_is_read() {
    let mut headers = HeaderMap::new();
    headers.insert(FORWARDED, HeaderValue::from_static("for=192.0.2.6"));
    let found = proxies(X_FORWARDED).client(peer("10.0.0.1"), &headers);
    assert_eq!(found.address, address("10.0.0.1"));
}

/// What clients may write into a header, and what may stand between.
fn any_line() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        "[ -~]{0,20}",
        Just("127.0.0.1".to_owned()),
        Just("192.0.2.200".to_owned()),
        Just("for=192.0.2.200".to_owned()),
        Just("for=\"".to_owned()),
    ];
    proptest::collection::vec(piece, 0..5).prop_map(|pieces| pieces.join(","))
}

proptest! {
    #[test]
    fn what_a_client_writes_never_changes_what_a_trusted_proxy_adds(
        line in any_line(), separate: bool, standard: bool, client_bits: u32, hops in 0usize..3,
    ) {
        let own = IpAddr::from(client_bits.to_be_bytes());
        let header = if standard { ForwardedHeader::Forwarded } else { X_FORWARDED };
        prop_assume!(!proxies(header).trusted.contain(own));
        let name = if standard { "for=" } else { "" };
        let mut added = format!("{name}{own}");
        for hop in 0..hops {
            added += &format!(", {name}10.0.0.{hop}");
        }
        let found = match separate {
            true => client(header, "10.0.0.1", &[&line, &added]),
            false => client(header, "10.0.0.1", &[&format!("{line}, {added}")]),
        };
        prop_assert_eq!(found, Client { address: own, is_local: false });
    }

    #[test]
    fn no_header_makes_anybody_local(line in any_line(), standard: bool) {
        let header = if standard { ForwardedHeader::Forwarded } else { X_FORWARDED };
        prop_assert!(!client(header, "127.0.0.1", &[&line]).is_local);
    }
}
