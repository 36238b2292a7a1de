//! Whoever stops waiting for an answer about a user leaves all of the effect or
//! none.

use std::time::Duration;

use domain::model::{Actor, AuditEntry, AuditFilter, Page, PageLimit};
use domain::ports::{AccountError, RedeemError, RefreshError};

use super::dropped::abandon;
use crate::AccountsBench;
use crate::compare::assert_matches;
use crate::parallel::patiently;
use crate::seed::Seeded;
use crate::values::{new_user, password};

const AN_HOUR: Duration = Duration::from_secs(60 * 60);

pub async fn an_erasure_is_made_whole_or_not_at_all(bench: AccountsBench) {
    let seeded = Seeded::new();
    let mut chance = seeded.chance(0);
    for _ in 0..40 {
        let mut alice = new_user("alice@example.com", None);
        alice.password = Some(password("alice"));
        let alice = bench.register(alice).await;
        let (session, secrets) = bench.begin(alice.id).await;
        abandon(bench.accounts().erase(alice.id), &mut chance).await;
        // It may still be under way: the second one waits for it.
        let renamed = patiently(|| bench.accounts().rename(alice.id, None)).await;
        match renamed {
            Ok(account) => {
                assert!(account.has_password);
                let found = bench.session(secrets.access).await;
                // Or it has come meanwhile.
                assert!(found.is_none_or(|found| found == session));
                let again = patiently(|| bench.accounts().erase(alice.id)).await;
                assert_matches!(again, Ok(()) | Err(AccountError::UserNotFound(_)));
            }
            Err(refused) => assert_matches!(refused, AccountError::UserNotFound(_)),
        }
        bench.assert_ended(secrets).await;
        assert_eq!(bench.user_list().await, []);
    }
}

pub async fn a_refresh_is_made_whole_or_not_at_all(bench: AccountsBench) {
    let seeded = Seeded::new();
    let mut chance = seeded.chance(0);
    let user = bench.user().await;
    for _ in 0..40 {
        let (_, first) = bench.begin(user).await;
        let (lost, next) = (bench.secrets(), bench.secrets());
        abandon(bench.sessions().refresh(first.refresh, lost), &mut chance).await;
        match bench.try_refresh(first.refresh, next).await {
            Ok(session) => {
                bench.assert_ended(lost).await;
                // The first call may come late, with a secret that is used by then.
                let found = bench.session(next.access).await;
                assert!(found.is_none_or(|found| found == session));
            }
            Err(refused) => {
                assert_matches!(refused, RefreshError::Reused(id) if id == user);
                bench.assert_ended(lost).await;
                bench.assert_ended(next).await;
            }
        }
        assert_eq!(bench.session(first.access).await, None);
    }
}

pub async fn a_token_is_used_wholly_or_not_at_all(bench: AccountsBench) {
    let seeded = Seeded::new();
    let mut chance = seeded.chance(0);
    let user = bench.user().await;
    let email = bench.account(user).await.user.email;
    for turn in 0..40 {
        let (_, secrets) = bench.begin(user).await;
        let token = bench.token(user, AN_HOUR).await;
        let [first, second] = ["first", "second"].map(|text| password(&format!("{text}{turn}")));
        let redeem = bench.accounts().redeem_password_token(token, first.clone());
        abandon(redeem, &mut chance).await;
        let set = match bench.redeem(token, second.clone()).await {
            Ok(_) => second,
            Err(refused) => {
                assert_matches!(refused, RedeemError::Unknown);
                first
            }
        };
        assert_eq!(bench.password_of(&email).await, Some(set));
        bench.assert_ended(secrets).await;
    }
}

pub async fn entries_of_the_log_are_added_all_or_none(bench: AccountsBench) {
    const TOGETHER: usize = 7;
    let seeded = Seeded::new();
    let mut chance = seeded.chance(0);
    let entries = |turn: usize| {
        let entries = (0..TOGETHER).map(|number| AuditEntry {
            actor: Actor::System,
            action: format!("turn {turn}"),
            object: None,
            refused: None,
            request_id: number.to_string(),
        });
        entries.collect::<Vec<_>>()
    };
    for turn in 0..40 {
        abandon(bench.audit().append(entries(turn)), &mut chance).await;
    }
    for turn in 0..40 {
        let filter = AuditFilter {
            action: Some(format!("turn {turn}")),
            ..AuditFilter::default()
        };
        let page = Page::first(PageLimit::MAX);
        let listing = bench.audit().list(filter, page).await;
        let count = listing.expect("the log").entries.len();
        assert!([0, TOGETHER].contains(&count), "{count} of {TOGETHER}");
    }
}
