//! TLS to the nodes of a cluster, to Sentinels and to the primary that they name: who
//! cannot be verified is not used, and hears nothing in plain text.

use std::sync::{Arc, Mutex};

use tokio::io::AsyncReadExt;
use tokio::net::TcpListener;
use utsavam_tests::{
    Authority, Encryption, RedisBehindSentinel, RedisCluster, TestDatabase, TestServer, eventually,
};

const SECRET: &str = "s3cret";

/// The user of whoever knows the secret.
const USER: [&str; 8] = [
    "ACL", "SETUSER", "utsavam", "on", ">s3cret", "~*", "&*", "+@all",
];

/// The host as which nodes name one another. A certificate for `localhost`, where the
/// tests themselves ask, is not one for it.
const HOST: &str = "127.0.0.1";

/// A kind of record of TLS: a handshake, with which every client begins.
const HANDSHAKE: u8 = 22;

async fn start(database: &TestDatabase, url: &str) -> TestServer {
    TestServer::builder(database.url())
        .redis(url)
        .setting("gate.reconcile_interval", "50ms")
        // Less than `/ready` waits, which so hears how it ended.
        .setting("redis.connect_timeout", "1s")
        .start()
        .await
}

/// A cluster whose nodes know the user.
async fn cluster_of(nodes: [&Encryption; RedisCluster::NODES]) -> RedisCluster {
    let cluster = RedisCluster::start_encrypted(nodes).await;
    for node in 0..RedisCluster::NODES {
        let _: String = cluster.ask(node, &USER).await;
    }
    cluster
}

/// The user's URL of what is at a place, to be vouched for by an authority.
fn url_of(layout: &str, place: &str, root: &Authority) -> String {
    let root = root.file().display().to_string();
    format!("rediss+{layout}://utsavam:{SECRET}@{place}?sslrootcert={root}")
}

/// Has Redis asked until the log has a line that says all of this, and once.
async fn says(server: &TestServer, parts: &[&str]) {
    eventually(&format!("the log says {parts:?}"), async || {
        server.client().get("/ready").await.expect(200);
        let log = server.log();
        log.lines()
            .any(|line| parts.iter().all(|part| line.matches(part).count() == 1))
    })
    .await;
    assert!(!server.log().contains(SECRET), "{}", server.log());
}

async fn ready_says(server: &TestServer, status: &str, redis: &str) {
    eventually(&format!("redis is {redis}"), async || {
        let ready = server.client().get("/ready").await;
        let answer = ready.expect(200).json();
        answer["status"] == status && answer["dependencies"]["redis"] == redis
    })
    .await;
}

/// Somebody who listens and never answers.
struct Listener {
    port: u16,
    /// What came over each connection.
    heard: Arc<Mutex<Vec<Vec<u8>>>>,
}

impl Listener {
    async fn start() -> Self {
        let listener = TcpListener::bind((HOST, 0)).await.expect("a port");
        let port = listener.local_addr().expect("a bound listener").port();
        let heard = Arc::new(Mutex::new(Vec::new()));
        let all = Arc::clone(&heard);
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let all = Arc::clone(&all);
                tokio::spawn(async move {
                    let mut bytes = Vec::new();
                    let _ = stream.read_to_end(&mut bytes).await;
                    all.lock().expect("nobody panicked").push(bytes);
                });
            }
        });
        Self { port, heard }
    }

    /// Waits until so many have tried, and panics if one did in plain text.
    async fn assert_hears_tls_alone(&self, count: usize) {
        let heard = || {
            let mut heard = self.heard.lock().expect("nobody panicked").clone();
            heard.retain(|bytes| !bytes.is_empty());
            heard
        };
        eventually("somebody tries to connect", async || heard().len() >= count).await;
        for bytes in heard() {
            let text = String::from_utf8_lossy(&bytes);
            assert_eq!(bytes[0], HANDSHAKE, "in plain text: {text}");
            assert!(!text.contains(SECRET), "{text}");
        }
    }
}

/// One that is right, one by the stranger and one for another host. Among themselves servers trust
/// both authorities.
fn encryptions(trusted: &Authority, stranger: &Authority) -> [Encryption; 3] {
    [(HOST, trusted), (HOST, stranger), ("localhost", trusted)]
        .map(|(host, authority)| Encryption::new(host, authority, &[trusted, stranger]))
}

#[tokio::test]
async fn a_node_with_a_wrong_certificate_is_gone_around_and_the_log_says_why() {
    let (trusted, stranger) = (Authority::new("trusted"), Authority::new("stranger"));
    let [right, unknown, misnamed] = encryptions(&trusted, &stranger);
    let cluster = cluster_of([&right, &unknown, &misnamed]).await;
    let database = TestDatabase::embedded();
    let url = |address: &str| url_of("cluster", address, &trusted);

    let server = start(&database, &url(&cluster.address_of(0))).await;
    ready_says(&server, "degraded", "down").await;
    for (node, reason) in [
        (1, "invalid peer certificate: UnknownIssuer"),
        (2, "certificate not valid for name"),
    ] {
        says(&server, &[&cluster.address_of(node), reason]).await;
    }
    let client = server.client();
    let mut is_seen = [false; RedisCluster::NODES];
    while is_seen.contains(&false) {
        let event_id = client.publish(5).await;
        let node = cluster.node_of(event_id).await;
        is_seen[node] = true;
        if node == 0 {
            eventually("its gate is open", async || {
                cluster.tokens(event_id).await.as_deref() == Some("5")
            })
            .await;
        } else {
            assert_eq!(cluster.tokens(event_id).await, None, "at node {node}");
        }
    }
    drop(server);

    // Nor is a cluster asked for its nodes by whom nobody vouches for.
    let strangers = [&cluster.address_of(1), &cluster.address_of(2)];
    let server = start(&database, &url(strangers[0])).await;
    ready_says(&server, "degraded", "down").await;
    says(&server, &[strangers[0], "invalid peer certificate"]).await;
    assert!(!server.log().contains(strangers[1]), "{}", server.log());
}

#[tokio::test]
async fn a_node_that_a_cluster_names_hears_nothing_in_plain_text() {
    let authority = Authority::new("trusted");
    let encryption = Encryption::new(HOST, &authority, &[&authority]);
    let cluster = cluster_of([&encryption; RedisCluster::NODES]).await;
    let listener = Listener::start().await;
    let port = listener.port.to_string();
    let words = ["CONFIG", "SET", "cluster-announce-tls-port", &port];
    let _: String = cluster.ask(1, &words).await;
    eventually("the first node names the listener", async || {
        let nodes: String = cluster.ask(0, &["CLUSTER", "NODES"]).await;
        nodes.contains(&format!("{HOST}:{port}@"))
    })
    .await;

    let database = TestDatabase::embedded();
    let url = url_of("cluster", &cluster.address_of(0), &authority);
    let server = start(&database, &url).await;
    ready_says(&server, "degraded", "down").await;
    says(&server, &[&port, "redis is lost"]).await;
    listener.assert_hears_tls_alone(1).await;
}

#[tokio::test]
async fn neither_a_sentinel_nor_a_primary_with_a_wrong_certificate_is_asked() {
    let (trusted, stranger) = (Authority::new("trusted"), Authority::new("stranger"));
    let [right, unknown, misnamed] = encryptions(&trusted, &stranger);
    let database = TestDatabase::embedded();
    // Its answer is waited for longest, and says nothing of the reason.
    let silent = Listener::start().await;
    let (unknown_is, misnamed_is) = ("UnknownIssuer", "certificate not valid for name");
    for (servers, sentinel, reason) in [
        (&right, &right, None),
        (&right, &unknown, Some(("sentinel", unknown_is))),
        (&right, &misnamed, Some(("sentinel", misnamed_is))),
        (&unknown, &right, Some(("primary", unknown_is))),
        (&misnamed, &right, Some(("primary", misnamed_is))),
    ] {
        let pair = RedisBehindSentinel::start_encrypted(servers, sentinel).await;
        let _: String = pair.ask(0, &USER).await;
        let (port, other) = (silent.port, pair.sentinel_address());
        let place = format!("{HOST}:{port},{other}/tickets");
        let url = url_of("sentinel", &place, &trusted);
        let server = start(&database, &url).await;
        let event_id = server.client().publish(5).await;
        let key = format!("event:{event_id}:tokens");
        let tokens = async || pair.ask::<Option<String>>(0, &["GET", &key]).await;
        let Some((who, reason)) = reason else {
            ready_says(&server, "ok", "up").await;
            eventually("its gate is open", async || {
                tokens().await.as_deref() == Some("5")
            })
            .await;
            continue;
        };
        let address = match who {
            "primary" => pair.address_of(0),
            _ => pair.sentinel_address(),
        };
        let refused = format!("the {who} at {address}: invalid peer certificate");
        says(&server, &[&refused, reason]).await;
        ready_says(&server, "degraded", "down").await;
        assert_eq!(tokens().await, None);
    }
    silent.assert_hears_tls_alone(1).await;
}

#[tokio::test]
async fn a_primary_that_a_sentinel_names_hears_nothing_in_plain_text() {
    let authority = Authority::new("trusted");
    let encryption = Encryption::new(HOST, &authority, &[&authority]);
    let pair = RedisBehindSentinel::start_encrypted(&encryption, &encryption).await;
    let listener = Listener::start().await;
    pair.watch(listener.port).await;
    let database = TestDatabase::embedded();
    let place = format!("{}/tickets", pair.sentinel_address());
    let url = url_of("sentinel", &place, &authority);
    let server = start(&database, &url).await;
    // Reconciliation tries again and again for its sake.
    server.client().publish(5).await;
    says(&server, &["redis is lost", &listener.port.to_string()]).await;
    ready_says(&server, "degraded", "down").await;
    // Two may be the Sentinel's own.
    listener.assert_hears_tls_alone(4).await;
}
