//! Which slot of a cluster a key has, and which node a slot: what Redis says, taken
//! apart.

use std::ops::RangeInclusive;

use deadpool_redis::redis::{Value, from_redis_value};

/// How many there are.
pub(super) const SLOTS: u16 = 16_384;

/// A host and a port.
pub(super) type Address = (String, u16);

/// The slot of a key: that of its hash tag, if it has one.
pub(super) fn slot_of(key: &[u8]) -> u16 {
    crc16(hash_tag(key)) % SLOTS
}

fn hash_tag(key: &[u8]) -> &[u8] {
    let position = |bytes: &[u8], sought| bytes.iter().position(|byte| *byte == sought);
    let Some(start) = position(key, b'{') else {
        return key;
    };
    match position(&key[start + 1..], b'}') {
        None | Some(0) => key,
        Some(length) => &key[start + 1..start + 1 + length],
    }
}

/// CRC-16/XMODEM, as the specification of Redis Cluster has it.
fn crc16(bytes: &[u8]) -> u16 {
    bytes.iter().fold(0, |crc, byte| {
        (0..8).fold(crc ^ (u16::from(*byte) << 8), |crc: u16, _| {
            let polynomial = if crc & 0x8000 == 0 { 0 } else { 0x1021 };
            (crc << 1) ^ polynomial
        })
    })
}

/// What `CLUSTER SLOTS` says of primaries; the node that said it is at `host`.
pub(super) fn ranges(answer: Value, host: &str) -> Option<Vec<(RangeInclusive<u16>, Address)>> {
    let Value::Array(entries) = answer else {
        return None;
    };
    entries
        .into_iter()
        .map(|entry| {
            let Value::Array(parts) = entry else {
                return None;
            };
            let mut parts = parts.into_iter();
            let first = from_redis_value(parts.next()?).ok()?;
            let last = from_redis_value(parts.next()?).ok()?;
            let Value::Array(primary) = parts.next()? else {
                return None;
            };
            let mut primary = primary.into_iter();
            let named: Option<String> = from_redis_value(primary.next()?).ok()?;
            let port = from_redis_value(primary.next()?).ok()?;
            Some((first..=last, (host_or(named.as_deref(), host), port)))
        })
        .collect()
}

/// `MOVED 3999 127.0.0.1:6381` without its first word; the node that said it is at
/// `host`.
pub(super) fn redirect(details: &str, host: &str) -> Option<Address> {
    let (_, address) = details.split_once(' ')?;
    let (named, port) = address.trim().rsplit_once(':')?;
    Some((host_or(Some(named), host), port.parse().ok()?))
}

/// A node that does not know its own name leaves it out.
fn host_or(named: Option<&str>, host: &str) -> String {
    match named {
        None | Some("" | "?") => host.to_owned(),
        Some(named) => named.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use deadpool_redis::redis::parse_redis_value;

    use super::*;

    #[test]
    fn slots_are_those_of_redis() {
        // As `CLUSTER KEYSLOT` says.
        assert_eq!(crc16(b"123456789"), 0x31c3);
        for (key, slot) in [
            ("foo", 12_182),
            ("{foo}:bar", 12_182),
            ("a{foo}b{c}", 12_182),
            ("{}foo", 9_500),
            ("foo{", 7_673),
        ] {
            assert_eq!(slot_of(key.as_bytes()), slot, "{key}");
        }
    }

    #[test]
    fn a_node_without_a_name_is_where_it_was_asked() {
        let here = |port| ("here".to_owned(), port);
        assert_eq!(
            redirect("3999 10.0.0.1:7", "here"),
            Some(("10.0.0.1".to_owned(), 7))
        );
        assert_eq!(redirect("3999 ::1:7", "here"), Some(("::1".to_owned(), 7)));
        assert_eq!(redirect("3999 :7", "here"), Some(here(7)));
        assert_eq!(redirect("3999", "here"), None);
        assert_eq!(redirect("3999 host:port", "here"), None);
    }

    #[test]
    fn of_a_range_the_primary_counts() {
        let answer = b"*2\r\n*4\r\n:0\r\n:5\r\n*3\r\n$1\r\na\r\n:1\r\n$2\r\nid\r\n\
            *2\r\n$1\r\nb\r\n:2\r\n*3\r\n:6\r\n:9\r\n*2\r\n$-1\r\n:3\r\n";
        let answer = parse_redis_value(answer).expect("an answer");
        let expected = vec![
            (0..=5, ("a".to_owned(), 1)),
            (6..=9, ("here".to_owned(), 3)),
        ];
        assert_eq!(ranges(answer, "here"), Some(expected));
        assert_eq!(ranges(Value::Okay, "here"), None);
    }
}
