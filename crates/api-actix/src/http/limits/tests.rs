use super::*;
use crate::settings::Settings;
use crate::wiring::{Plan, Schema};

async fn app(settings: &Settings) -> App {
    let opened = Plan::try_new(settings).expect("good settings");
    let opened = opened.open(Schema::Migrate).await.expect("a new store");
    App::new(opened.services, settings)
}

fn somewhere(number: u8) -> Option<SocketAddr> {
    Some(SocketAddr::from(([192, 0, 2, number], 4711)))
}

fn email(text: &str) -> Email {
    Email::parse(text).expect("an address")
}

#[actix_web::test]
async fn logging_in_is_limited_by_account_and_by_address() {
    let mut settings = Settings::in_memory();
    settings.rate_limit.login_account.quota = 2;
    settings.rate_limit.login_address.quota = 3;
    let app = app(&settings).await;
    let limits = app.rate_limits.clone().expect("on by default");
    let log_in = async |peer, account: &str| {
        let (headers, account) = (HeaderMap::new(), email(account));
        let tried = limits.log_in(&app, peer, &headers, &account);
        tried.await.map_err(|problem| problem.status.as_u16())
    };
    assert_eq!(log_in(somewhere(1), "a@example.com").await, Ok(()));
    assert_eq!(log_in(somewhere(2), "a@example.com").await, Ok(()));
    assert_eq!(log_in(somewhere(3), "a@example.com").await, Err(429));
    assert_eq!(log_in(somewhere(1), "b@example.com").await, Ok(()));
    assert_eq!(log_in(somewhere(1), "c@example.com").await, Ok(()));
    assert_eq!(log_in(somewhere(1), "d@example.com").await, Err(429));
    // Who was refused by address took nothing from the account.
    assert_eq!(log_in(somewhere(4), "d@example.com").await, Ok(()));
    assert_eq!(log_in(somewhere(5), "d@example.com").await, Ok(()));
    // On this machine by account alone.
    let local = Some(SocketAddr::from(([127, 0, 0, 1], 4711)));
    for account in ["e", "f", "g", "h"] {
        let account = format!("{account}@example.com");
        assert_eq!(log_in(local, &account).await, Ok(()));
    }
    assert_eq!(log_in(local, "a@example.com").await, Err(429));
}

#[test]
fn waiting_times_are_rounded_up() {
    for (millis, expected) in [(0, 0), (1, 1), (999, 1), (1_000, 1), (1_001, 2)] {
        assert_eq!(seconds(Duration::from_millis(millis)), expected);
    }
}
