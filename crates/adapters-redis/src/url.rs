//! From a URL to where Redis is, and to whom is trusted to be it.

use std::path::PathBuf;

use deadpool_redis::redis::{
    self, Client, ConnectionAddr, ConnectionInfo, IntoConnectionInfo, RedisConnectionInfo,
    TlsCertificates,
};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

use crate::settings::ConnectError;

/// The parameter of a `rediss://` URL that names a file of certificates to
/// trust instead of the system's; it is called as in URLs of PostgreSQL.
const ROOT_FILE: &str = "sslrootcert";

/// What stands there for the system's.
const SYSTEM: &str = "system";

/// The port of Sentinels where none is given.
const SENTINEL_PORT: u16 = 26379;

/// Where Redis is.
#[derive(Debug, Clone)]
pub(crate) enum Place {
    /// At one address for good.
    Server(ConnectionInfo),
    /// Where Sentinels say that it is.
    Sentinel(Sentinels),
    /// At several, of which at least one is among these.
    Cluster(Vec<ConnectionInfo>),
}

/// Who is asked for the primary.
#[derive(Debug, Clone)]
pub(crate) struct Sentinels {
    pub(crate) sentinels: Vec<ConnectionInfo>,
    /// What they call it.
    pub(crate) name: String,
    /// How to connect to it, but for its address.
    pub(crate) server: ConnectionInfo,
}

/// Reads a URL. One that asks for TLS is for servers whose certificates are
/// right.
pub(crate) fn parse(url: &str) -> Result<Place, ConnectError> {
    let (scheme, rest) = url.split_once("://").ok_or(ConnectError::Url)?;
    let (transport, layout) = scheme.split_once('+').unwrap_or((scheme, ""));
    let is_redis = matches!(transport, "redis" | "rediss");
    match layout {
        "cluster" if is_redis => Parts::of(transport, rest)?.cluster(),
        "sentinel" if is_redis => Parts::of(transport, rest)?.sentinel(),
        // Several hosts are a cluster: nothing else has them in this place.
        "" if is_redis => match Parts::of(transport, rest) {
            Ok(parts) if parts.hosts.len() > 1 => parts.cluster(),
            _ => server(url).map(Place::Server),
        },
        _ => server(url).map(Place::Server),
    }
}

/// A URL with several hosts, taken apart.
struct Parts<'a> {
    transport: &'a str,
    /// With its `@`, or empty.
    user: &'a str,
    hosts: Vec<&'a str>,
    /// Without its first slash.
    path: &'a str,
    /// With its `?` or `#`, or empty.
    query: &'a str,
}

impl<'a> Parts<'a> {
    fn of(transport: &'a str, rest: &'a str) -> Result<Self, ConnectError> {
        let (place, query) = rest.split_at(rest.find(['?', '#']).unwrap_or(rest.len()));
        let (authority, path) = place.split_once('/').unwrap_or((place, ""));
        let (user, hosts) = authority.split_at(authority.rfind('@').map_or(0, |at| at + 1));
        let hosts: Vec<_> = hosts.split(',').collect();
        // Users for some of the hosts only, or a password that is not escaped.
        if user.matches('@').count() > 1 || hosts.iter().any(|host| host.is_empty()) {
            return Err(ConnectError::Url);
        }
        Ok(Self {
            transport,
            user,
            hosts,
            path,
            query,
        })
    }

    fn cluster(self) -> Result<Place, ConnectError> {
        if !matches!(self.path, "" | "0") {
            return Err(ConnectError::ClusterDatabase);
        }
        let nodes = self.hosts.iter().map(|host| self.server_at(host, ""));
        Ok(Place::Cluster(nodes.collect::<Result<_, _>>()?))
    }

    fn sentinel(self) -> Result<Place, ConnectError> {
        let (name, database) = self.path.split_once('/').unwrap_or((self.path, ""));
        if name.is_empty() {
            return Err(ConnectError::SentinelName);
        }
        let server = self.server_at(self.hosts[0], database)?;
        let user = self.sentinel_user()?;
        let sentinel = |host: &&str| {
            let info = if has_port(host) {
                self.server_at(host, "")
            } else {
                self.server_at(&format!("{host}:{SENTINEL_PORT}"), "")
            };
            Ok(info?.set_redis_settings(user.clone()))
        };
        Ok(Place::Sentinel(Sentinels {
            sentinels: self.hosts.iter().map(sentinel).collect::<Result<_, _>>()?,
            name: name.to_owned(),
            server,
        }))
    }

    /// Who asks Sentinels: not whom the servers know.
    fn sentinel_user(&self) -> Result<RedisConnectionInfo, ConnectError> {
        let url = redis::parse_redis_url(&format!("redis://sentinel/{}", self.query));
        let mut user = RedisConnectionInfo::default();
        for (name, value) in url.ok_or(ConnectError::Url)?.query_pairs() {
            match &*name {
                "sentinel_username" => user = user.set_username(value),
                "sentinel_password" => user = user.set_password(value),
                _ => {}
            }
        }
        Ok(user)
    }

    fn server_at(&self, host: &str, database: &str) -> Result<ConnectionInfo, ConnectError> {
        let Self {
            transport,
            user,
            query,
            ..
        } = self;
        server(&format!("{transport}://{user}{host}/{database}{query}"))
    }
}

fn has_port(host: &str) -> bool {
    // The address of IPv6 is in brackets.
    host.rsplit(']').next().is_some_and(|end| end.contains(':'))
}

/// The same server or one that has the same users, at another address.
pub(crate) fn at_address(like: &ConnectionInfo, host: String, port: u16) -> ConnectionInfo {
    let addr = match like.addr() {
        ConnectionAddr::TcpTls {
            insecure,
            tls_params,
            ..
        } => ConnectionAddr::TcpTls {
            host,
            port,
            insecure: *insecure,
            tls_params: tls_params.clone(),
        },
        _ => ConnectionAddr::Tcp(host, port),
    };
    like.clone().set_addr(addr)
}

fn server(url: &str) -> Result<ConnectionInfo, ConnectError> {
    // The cause may quote parts of the URL, so it is left out.
    let info = url.into_connection_info().map_err(|_| ConnectError::Url)?;
    match info.addr() {
        ConnectionAddr::TcpTls { insecure: true, .. } => Err(ConnectError::Unverified),
        ConnectionAddr::TcpTls { .. } => match root_file(url) {
            Some(path) => trusting(info, path),
            None => Ok(info),
        },
        _ => Ok(info),
    }
}

fn root_file(url: &str) -> Option<PathBuf> {
    let url = redis::parse_redis_url(url)?;
    let (_, path) = url.query_pairs().find(|(name, _)| name == ROOT_FILE)?;
    let is_file = !path.is_empty() && path != SYSTEM;
    is_file.then(|| PathBuf::from(path.into_owned()))
}

/// The same, but only those are trusted whom the file names.
fn trusting(info: ConnectionInfo, path: PathBuf) -> Result<ConnectionInfo, ConnectError> {
    let wrong = |reason: String| ConnectError::RootFile {
        path: path.clone(),
        reason,
    };
    let pem = std::fs::read(&path).map_err(|error| wrong(error.to_string()))?;
    // The client would trust nobody then, and fail much later.
    if CertificateDer::pem_slice_iter(&pem).next().is_none() {
        return Err(wrong("no certificate is in it".to_owned()));
    }
    let certificates = TlsCertificates {
        client_tls: None,
        root_cert: Some(pem),
    };
    let client = Client::build_with_tls(info, certificates)
        .map_err(|error| wrong(error.detail().unwrap_or("is not understood").to_owned()))?;
    Ok(client.get_connection_info().clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn addresses(infos: &[ConnectionInfo]) -> Vec<String> {
        infos.iter().map(|info| info.addr().to_string()).collect()
    }

    #[test]
    fn a_url_of_one_server_is_what_it_was() {
        for url in [
            "redis://h",
            "redis://:p@h:1/7",
            "redis+unix:///s",
            "unix:///s",
        ] {
            assert!(matches!(parse(url), Ok(Place::Server(_))), "{url}");
        }
    }

    #[test]
    fn several_hosts_are_a_cluster() {
        for url in [
            "redis+cluster://u:p%2C@h1:1,h2,[::1]:3",
            "redis+cluster://u:p%2C@h1:1,h2,[::1]:3/0",
            "redis://u:p%2C@h1:1,h2,[::1]:3/",
            "rediss+cluster://u:p%2C@h1:1,h2,[::1]:3?sslrootcert=system",
        ] {
            let Ok(Place::Cluster(nodes)) = parse(url) else {
                panic!("{url}");
            };
            let expected = ["h1:1", "h2:6379", "[::1]:3"];
            assert_eq!(addresses(&nodes).len(), 3, "{url}");
            for (node, expected) in nodes.iter().zip(expected) {
                let (address, settings) = (node.addr(), node.redis_settings());
                assert!(
                    address.to_string().replace(['[', ']'], "") == expected.replace(['[', ']'], ""),
                    "{address}"
                );
                let is_tls = matches!(address, ConnectionAddr::TcpTls { .. });
                assert_eq!(is_tls, url.starts_with("rediss"), "{url}");
                assert_eq!(settings.username(), Some("u"));
                assert_eq!(settings.password(), Some("p,"));
            }
        }
        let one = parse("redis+cluster://h1:1");
        assert!(matches!(one, Ok(Place::Cluster(nodes)) if nodes.len() == 1));
    }

    #[test]
    fn sentinels_have_a_port_and_users_of_their_own() {
        let url = "redis+sentinel://u:p@h1,h2:7/first/3?sentinel_username=s&sentinel_password=q%26";
        let Ok(Place::Sentinel(found)) = parse(url) else {
            panic!("{url}");
        };
        assert_eq!(found.name, "first");
        assert_eq!(addresses(&found.sentinels), ["h1:26379", "h2:7"]);
        for sentinel in &found.sentinels {
            let settings = sentinel.redis_settings();
            assert_eq!((settings.username(), settings.db()), (Some("s"), 0));
            assert_eq!(settings.password(), Some("q&"));
        }
        let server = found.server.redis_settings();
        assert_eq!((server.username(), server.db()), (Some("u"), 3));
        assert_eq!(server.password(), Some("p"));

        let Ok(Place::Sentinel(found)) = parse("redis+sentinel://[::1],[::1]:7/first") else {
            panic!("addresses of IPv6");
        };
        let ports = found.sentinels.iter().map(|info| match info.addr() {
            ConnectionAddr::Tcp(_, port) => *port,
            other => panic!("{other}"),
        });
        assert_eq!(ports.collect::<Vec<_>>(), [26379, 7]);
    }

    #[test]
    fn another_address_is_reached_by_the_same_user_and_as_safely() {
        let moved = |url: &str| {
            let info = server(url).expect("a good URL");
            at_address(&info, "elsewhere".to_owned(), 7)
        };
        let plain = moved("redis://u:p@h:1/3");
        assert_eq!(
            *plain.addr(),
            ConnectionAddr::Tcp("elsewhere".to_owned(), 7)
        );
        let safe = moved("rediss://u:p@h:1/3");
        let is_safe = matches!(safe.addr(), ConnectionAddr::TcpTls { host, port: 7, insecure: false, .. } if host == "elsewhere");
        assert!(is_safe, "{:?}", safe.addr());
        for info in [plain, safe] {
            let settings = info.redis_settings();
            assert_eq!((settings.username(), settings.db()), (Some("u"), 3));
            assert_eq!(settings.password(), Some("p"));
        }
    }

    #[test]
    fn every_layout_trusts_whom_the_url_names() {
        for place in [
            "rediss://h1/",
            "rediss+cluster://h1,h2/",
            "rediss+sentinel://h1,h2/first",
        ] {
            let error = parse(&format!("{place}?sslrootcert=/nowhere")).map(|_| ());
            let is_about_file = matches!(error, Err(ConnectError::RootFile { .. }));
            assert!(is_about_file, "{place}: {error:?}");
        }
    }

    #[test]
    fn what_no_layout_has_is_refused() {
        for (url, expected) in [
            ("redis+cluster://h1,h2/3", ConnectError::ClusterDatabase),
            ("redis://h1,h2/3", ConnectError::ClusterDatabase),
            ("redis+sentinel://h1,h2", ConnectError::SentinelName),
            ("redis+sentinel://h1,h2//3", ConnectError::SentinelName),
            ("redis+sentinel://h1/first/s3cret", ConnectError::Url),
            ("redis+cluster://", ConnectError::Url),
            ("redis+cluster://h1,,h2", ConnectError::Url),
            ("redis+cluster://:s3cret@h1,:s3cret@h2", ConnectError::Url),
            ("redis+cluster://h1,h2:s3cret", ConnectError::Url),
            ("http+cluster://h1", ConnectError::Url),
            ("redis+ring://h1", ConnectError::Url),
            ("rediss+cluster://h1,h2/#insecure", ConnectError::Unverified),
            ("rediss+sentinel://h1/a#insecure", ConnectError::Unverified),
        ] {
            let error = parse(url).map(|_| ()).expect_err(url);
            assert_eq!(error, expected, "{url}");
            assert!(!error.to_string().contains("s3cret"), "{url}");
        }
    }
}
