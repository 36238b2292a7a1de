//! The program behind `make concurrency`.

use std::process::Output;

use utsavam_tests::{ADMIN_KEY, Service};

async fn run(base: &str, settings: &[(&str, &str)]) -> Output {
    tokio::process::Command::new(env!("CARGO_BIN_EXE_concurrency"))
        .env_clear()
        .env("BASE", base)
        .env("ADMIN_KEY", ADMIN_KEY)
        .envs(settings.iter().copied())
        .kill_on_drop(true)
        .output()
        .await
        .expect("the program can be run")
}

fn base(service: &Service) -> String {
    format!("http://{}", service.server.address())
}

#[tokio::test]
async fn its_only_line_is_the_tally() {
    let service = Service::start().await;
    // Twice on the same server: nothing that it makes is in its own way.
    for settings in [
        &[][..],
        &[("CAPACITY", "5"), ("REQUESTS", "50"), ("CONCURRENCY", "7")],
    ] {
        let output = run(&base(&service), settings).await;
        assert!(output.status.success(), "{output:?}");
        let stdout = String::from_utf8_lossy(&output.stdout);
        assert_eq!(stdout, "total: 50 success: 5 conflict: 45 errors: 0\n");
    }
}

#[tokio::test]
async fn capacity_and_requests_can_be_set() {
    let service = Service::start().await;
    for (capacity, requests, expected) in [
        ("3", "2", "total: 2 success: 2 conflict: 0 errors: 0\n"),
        ("0", "4", "total: 4 success: 0 conflict: 4 errors: 0\n"),
        (
            "120",
            "130",
            "total: 130 success: 120 conflict: 10 errors: 0\n",
        ),
    ] {
        let settings = [("CAPACITY", capacity), ("REQUESTS", requests)];
        let output = run(&base(&service), &settings).await;
        assert!(output.status.success(), "{output:?}");
        assert_eq!(String::from_utf8_lossy(&output.stdout), expected);
    }
}

#[tokio::test]
async fn it_says_what_is_wrong_and_fails() {
    let service = Service::start().await;
    let base = base(&service);
    for (base, setting, word) in [
        ("http://127.0.0.1:1", ("CAPACITY", "5"), "not reachable"),
        (base.as_str(), ("ADMIN_KEY", "wrong"), "set ADMIN_KEY"),
        (base.as_str(), ("REQUESTS", "many"), "REQUESTS"),
        ("ftp://x", ("CAPACITY", "5"), "BASE"),
    ] {
        let output = run(base, &[setting]).await;
        assert!(!output.status.success(), "{output:?}");
        assert!(output.stdout.is_empty(), "{output:?}");
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(stderr.contains(word), "{stderr}");
        assert!(!stderr.contains("panicked"), "{stderr}");
    }
}
