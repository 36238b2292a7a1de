use tokio_postgres::config::Host;

use super::*;

fn settings(url: &str) -> PgSettings {
    PgSettings {
        url: url.to_owned(),
        pooler: Pooler::None,
        pool_size: 1,
        acquire_timeout: Duration::from_secs(1),
        connect_timeout: Duration::from_secs(1),
        answer_timeout: Duration::from_secs(1),
        lock_timeout: Duration::from_secs(2),
        statement_timeout: Duration::from_secs(5),
        commit_timeout: Duration::from_secs(5),
        keep_keys: Duration::from_secs(60),
        batches: Limits::default(),
    }
}

#[test]
fn driver_suffixes_are_ignored() {
    for url in [
        "postgresql+asyncpg://u:p@localhost:5433/d",
        "postgresql+psycopg2://u:p@localhost:5433/d",
        "postgres://u:p@localhost:5433/d",
    ] {
        let (configs, tls) = session_configs(&settings(url)).expect("a URL");
        assert_eq!(configs.len(), 1, "{url}");
        assert_eq!(configs[0].get_dbname(), Some("d"), "{url}");
        assert_eq!(configs[0].get_ports(), [5433], "{url}");
        assert_eq!(tls, None);
    }
}

#[test]
fn encryption_is_what_the_url_asks_for_and_always_verified() {
    use Verified::{Authority, AuthorityAndName};
    let system = || Roots::System;
    let file = || Roots::File("/etc/my ca.pem".into());
    for (query, expected) in [
        ("", None),
        ("?application_name=x", None),
        ("?sslmode=disable", None),
        ("?sslmode=prefer", None),
        ("?sslrootcert=/etc/ca.pem", None),
        ("?sslmode=require", Some((AuthorityAndName, system()))),
        ("?sslmode=verify-ca", Some((Authority, system()))),
        (
            "?sslmode=verify-full&sslrootcert=system",
            Some((AuthorityAndName, system())),
        ),
        (
            "?sslrootcert=/etc/my%20ca.pem&sslmode=verify-full&connect_timeout=3",
            Some((AuthorityAndName, file())),
        ),
    ] {
        let url = format!("postgres://u:p@h/d{query}");
        let (configs, tls) = session_configs(&settings(&url)).expect("a URL");
        let expected = expected.map(|(verified, roots)| Tls { verified, roots });
        assert_eq!(tls, expected, "{query}");
        // Nothing falls back to plain text.
        let mode = match tls {
            Some(_) => SslMode::Require,
            None => SslMode::Disable,
        };
        assert_eq!(configs[0].get_ssl_mode(), mode, "{query}");
    }
}

#[test]
fn of_several_servers_the_one_that_takes_writes_is_wanted() {
    use TargetSessionAttrs::{Any, ReadOnly, ReadWrite};
    for (url, expected) in [
        ("postgres://u:p@a/d", vec![("a", 5432, Any)]),
        (
            "postgres://u:p@a:1,b/d?application_name=x",
            vec![("a", 1, ReadWrite), ("b", 5432, ReadWrite)],
        ),
        (
            "postgresql+asyncpg://u:p@a,b:2?sslmode=disable",
            vec![("a", 5432, ReadWrite), ("b", 2, ReadWrite)],
        ),
        (
            "postgres://a,b/d?target_session_attrs=read-only",
            vec![("a", 5432, ReadOnly), ("b", 5432, ReadOnly)],
        ),
    ] {
        let (configs, _) = session_configs(&settings(url)).expect("a URL");
        let found = configs.iter().map(|config| {
            let [Host::Tcp(host)] = config.get_hosts() else {
                panic!("one host each: {url}");
            };
            let port = config.get_ports()[0];
            (host.as_str(), port, config.get_target_session_attrs())
        });
        assert_eq!(found.collect::<Vec<_>>(), expected, "{url}");
    }
}

#[test]
fn refusals_do_not_show_the_password() {
    for url in [
        "mysql://u:geheim@h/d",
        "postgres://u:geheim@h:port/d",
        "postgres://u:geheim@h,h:port/d",
        "postgres://u:geheim@h,/d",
        "postgres://u:ge@heim@h/d",
        "postgres://u:ge@heim@h:1,i:2/d",
        "postgres://u:ge@heim/x@h/d",
        "postgres://u:ge@heim:9/x@h/d",
        "geheim",
        "postgres://u:geheim@h/d?sslmode=allow",
        "postgres://u:geheim@h/d?sslmode=geheim",
        "postgres://u:geheim@h/d?sslnegotiation=direct",
        "postgres://u:geheim@h/d?sslmode=require&sslrootcert=%ff",
    ] {
        let refusal = session_configs(&settings(url))
            .expect_err("not ours")
            .to_string();
        assert!(!refusal.contains("heim"), "{refusal}");
    }
}

#[test]
fn a_file_without_certificates_is_refused_by_name() {
    for path in ["/does/not/exist.pem", "/dev/null"] {
        let url = format!("postgres://u:geheim@h/d?sslmode=require&sslrootcert={path}");
        let refusal = Sessions::try_new(&settings(&url)).err().expect("no roots");
        assert!(refusal.to_string().contains(path), "{refusal}");
    }
}
