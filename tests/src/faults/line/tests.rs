//! Finding a COMMIT among the messages, wherever they are torn.

use super::messages::{Backend, Frontend};

fn message(kind: u8, body: &[u8]) -> Vec<u8> {
    let mut bytes = vec![kind];
    bytes.extend_from_slice(&(body.len() as u32 + 4).to_be_bytes());
    bytes.extend_from_slice(body);
    bytes
}

fn startup() -> Vec<u8> {
    let body = b"\x00\x03\x00\x00user\0utsavam\0\0";
    let mut bytes = (body.len() as u32 + 4).to_be_bytes().to_vec();
    bytes.extend_from_slice(body);
    bytes
}

/// A session as a client sends it; the COMMITs are the 6th and the 11th message.
fn session() -> Vec<Vec<u8>> {
    vec![
        vec![0, 0, 0, 8, 4, 210, 22, 47],
        startup(),
        message(b'P', b"s1\0SELECT 'COMMIT'\0\0\0"),
        message(b'P', b"s2\0COMMIT\0\0\0"),
        message(b'B', b"\0s1\0\0\0\0\0\0\0"),
        message(b'B', b"\0s2\0\0\0\0\0\0\0"),
        message(b'E', b"\0\0\0\0\0"),
        message(b'S', b""),
        message(b'P', b"s2\0SELECT 1\0\0\0"),
        message(b'B', b"\0s2\0\0\0\0\0\0\0"),
        message(b'Q', b"commit\0"),
    ]
}

#[test]
fn a_commit_is_found_however_its_bytes_come() {
    let bytes = session().concat();
    for piece in [1, 2, 3, 7, 64, bytes.len()] {
        let mut frontend = Frontend::default();
        let mut commits = Vec::new();
        let mut passed = Vec::new();
        let mut count = 0;
        for bytes in bytes.chunks(piece) {
            frontend.push(bytes);
            while let Some(message) = frontend.next() {
                count += 1;
                if message.is_commit {
                    commits.push(count);
                }
                passed.extend(message.bytes);
            }
        }
        assert_eq!(commits, [6, 11], "in pieces of {piece}");
        assert_eq!(passed, bytes, "in pieces of {piece}");
    }
}

#[test]
fn the_answer_of_a_commit_is_found_with_and_without_an_answer_about_tls() {
    for tls in [&b"N"[..], b""] {
        let bytes = [
            tls.to_vec(),
            message(b'R', b"\0\0\0\0"),
            message(b'S', b"server_version\x0015\0"),
            message(b'C', b"INSERT 0 1\0"),
            message(b'C', b"COMMIT\0"),
            message(b'Z', b"I"),
        ];
        let mut backend = Backend::default();
        let mut found = Vec::new();
        for byte in bytes.concat() {
            backend.push(&[byte]);
            while let Some(message) = backend.next() {
                found.push(message.is_commit);
            }
        }
        let commits = found.iter().filter(|is_commit| **is_commit).count();
        assert_eq!(commits, 1);
        assert_eq!(found.len(), 5 + tls.len());
        assert!(found[found.len() - 2], "the last but one");
    }
}
