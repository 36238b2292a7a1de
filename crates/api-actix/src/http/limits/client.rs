//! Where a request comes from: the peer, or what trusted proxies say of it.
//!
//! Each proxy adds the address of whom it serves at the end, so the list is read
//! from there: as long as those who wrote are trusted, what they wrote is. What
//! stands before that anybody may have written, and nobody looks at it.

use std::net::{IpAddr, SocketAddr};

use actix_web::http::header::{FORWARDED, HeaderMap, HeaderName, HeaderValue, X_FORWARDED_FOR};

use crate::settings::{ForwardedHeader, HttpSettings, Networks};

/// Who is believed about where a request comes from.
#[derive(Debug, Clone)]
pub(crate) struct Proxies {
    trusted: Networks,
    header: ForwardedHeader,
}

/// Where a request comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Client {
    pub(crate) address: IpAddr,
    /// Whether it is a program on this machine, which is not limited by its
    /// address. Nobody becomes that by what a header says.
    pub(crate) is_local: bool,
}

impl Proxies {
    pub(crate) fn new(settings: &HttpSettings) -> Self {
        Self {
            trusted: settings.trusted_proxies.clone(),
            header: settings.forwarded_header,
        }
    }

    /// The client of a request.
    pub(crate) fn client(&self, peer: SocketAddr, headers: &HeaderMap) -> Client {
        let peer = peer.ip().to_canonical();
        let itself = Client {
            address: peer,
            is_local: peer.is_loopback(),
        };
        if self.trusted.0.is_empty() || !self.trusted.contain(peer) {
            return itself;
        }
        let name = self.header.name();
        if !headers.contains_key(&name) {
            return itself;
        }
        // A proxy that names nobody is answerable itself, also one on this machine.
        let address = self.forwarded(&name, headers).unwrap_or(peer);
        Client {
            address,
            is_local: false,
        }
    }

    /// The last address that is not a proxy's, or the first one if all are. `None`
    /// if one that has to be looked at is malformed.
    fn forwarded(&self, name: &HeaderName, headers: &HeaderMap) -> Option<IpAddr> {
        let lines: Vec<&HeaderValue> = headers.get_all(name).collect();
        let mut first = None;
        for line in lines.into_iter().rev() {
            for element in line.as_bytes().rsplit(|byte| *byte == b',') {
                let element = std::str::from_utf8(element).ok()?.trim();
                let address = self.header.address(element)?.to_canonical();
                if !self.trusted.contain(address) {
                    return Some(address);
                }
                first = Some(address);
            }
        }
        first
    }
}

impl ForwardedHeader {
    fn name(self) -> HeaderName {
        match self {
            Self::XForwardedFor => X_FORWARDED_FOR,
            Self::Forwarded => FORWARDED,
        }
    }

    fn address(self, element: &str) -> Option<IpAddr> {
        match self {
            Self::XForwardedFor => node(element),
            Self::Forwarded => for_node(element),
        }
    }
}

/// The address of a node, which may have a port.
fn node(text: &str) -> Option<IpAddr> {
    if let Ok(address) = text.parse::<IpAddr>() {
        return Some(address);
    }
    if let Ok(with_port) = text.parse::<SocketAddr>() {
        return Some(with_port.ip());
    }
    let bare = text.strip_prefix('[')?.strip_suffix(']')?;
    bare.parse().map(IpAddr::V6).ok()
}

/// The node of `for` in an element of `Forwarded` (RFC 7239), all of whose pairs
/// are well-formed.
fn for_node(element: &str) -> Option<IpAddr> {
    let mut address = None;
    for pair in element.split(';').map(str::trim) {
        let (name, value) = pair.split_once('=')?;
        let value = match value.strip_prefix('"') {
            Some(quoted) => quoted.strip_suffix('"')?,
            None if value.starts_with('[') => return None,
            None => value,
        };
        if !name.bytes().all(is_token) || name.is_empty() || value.contains(['"', '\\']) {
            return None;
        }
        if name.eq_ignore_ascii_case("for") {
            if address.is_some() {
                return None;
            }
            address = Some(node(value)?);
        }
    }
    address
}

fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

#[cfg(test)]
mod tests;
