//! The embedded store on a disk that is full.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, Stdio};

use fastrand::Rng;
use tempfile::TempDir;

use crate::faults::books::Books;
use crate::faults::check::check;
use crate::faults::clock::Clock;
use crate::faults::crowd::{Crowd, Habits, Offered};
use crate::faults::history::History;
use crate::faults::report::{Plan, Report};
use crate::faults::stage::{Address, Users};
use crate::server::TestServer;
use crate::sql::Sql;

/// All that the disk takes.
const BYTES: usize = 128 * 1024 * 1024;

/// Users of one round: more than can have asked by its end.
const USERS: i64 = 4_000;

/// A disk of its own, in memory, as small as one likes. Only root may make one.
struct SmallDisk {
    folder: TempDir,
}

impl SmallDisk {
    fn new() -> Option<Self> {
        let folder = TempDir::with_prefix("utsavam_disk_").ok()?;
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &format!("size={BYTES}"), "tmpfs"])
            .arg(folder.path())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status();
        mounted.ok()?.success().then_some(Self { folder })
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Leaves no byte free.
    fn fill(&self) {
        let ballast = vec![0_u8; 64 * 1024];
        let mut file = std::fs::File::create(self.ballast()).expect("a file");
        let mut piece = ballast.len();
        while piece > 0 {
            // At the end byte by byte.
            if std::io::Write::write_all(&mut file, &ballast[..piece]).is_err() {
                piece /= 2;
            }
        }
    }

    fn free(&self) {
        std::fs::remove_file(self.ballast()).expect("it was filled");
    }

    fn ballast(&self) -> std::path::PathBuf {
        self.path().join("ballast")
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // Lazily: the server may still have its file open.
        let _ = Command::new("umount").arg("-l").arg(self.path()).status();
    }
}

/// The disk fills up while everybody buys, and has room again.
pub(super) async fn disk_full(plan: Plan) -> Report {
    let Some(disk) = SmallDisk::new() else {
        return Report::skipped("only root may make a small disk");
    };
    let file = disk.path().join("utsavam.db");
    let mut server = TestServer::builder(&format!("sqlite://{}", file.display()))
        .without("REDIS_URL")
        .start()
        .await;
    let clock = Clock::default();
    let mut rng = Rng::with_seed(plan.seed);
    let mut report = Report::default();
    let mut users = 0;
    while report.rounds < plan.rounds && plan.goes_on() {
        let mut rng = rng.fork();
        let client = server.client();
        let mut published = BTreeMap::new();
        for capacity in [300, 12, 30] {
            published.insert(client.publish(capacity).await, capacity);
        }
        let hot = published.keys().next().copied();
        add_users(&Sql::open(&file), users).await;
        let offered: Vec<_> = published
            .keys()
            .map(|&event| Offered {
                event,
                // However long it takes to fill the disk, somebody still asks.
                calls_max: if Some(event) == hot { usize::MAX } else { 150 },
                is_resized: false,
            })
            .collect();
        let crowd = Crowd::send(
            vec![Address::of(&server)],
            clock,
            Users::new(users + 1..users + USERS + 1),
            &offered,
            &Habits::default(),
            &mut rng,
        );
        users += USERS;
        crowd.wait_calls(60).await;
        disk.fill();
        crowd.wait_calls(60).await;
        disk.free();
        let back = clock.now();
        let served = crowd.wait_served(back).await;
        report
            .recoveries
            .push(std::time::Duration::from_nanos(served - back));
        crowd.wait_calls(60).await;
        let history = History {
            calls: crowd.end().await,
            published,
            gate_troubles: Vec::new(),
        };
        let first = *history.published.keys().next().expect("an event");
        let books = Books::read_embedded(&Sql::open(&file), first).await;
        let verdict = check(&history, &books);
        crate::faults::play::show(&history, &verdict);
        report.faults += 1;
        report.add(&history, &verdict);
    }
    let status = server.terminate().await;
    assert!(status.success(), "the server ended with {status}");
    server.assert_no_panic();
    report
}

async fn add_users(sql: &Sql, after: i64) {
    sql.run(&format!(
        "WITH RECURSIVE n (id) AS (SELECT {after} + 1 UNION ALL SELECT id + 1 FROM n LIMIT {USERS}) \
         INSERT INTO users (id, email) SELECT id, 'user' || id || '@example.com' FROM n"
    ))
    .await;
}
