//! Accounts: finding, looking for, renaming, and what a login is checked
//! against.

use domain::model::{Account, AccountFilter, Email, Page, Timeline, UserName};
use domain::ports::{AccountError, SetPasswordError};

use crate::AccountsBench;
use crate::accounts_bench::REFRESH_LASTS;
use crate::compare::assert_matches;
use crate::paging::assert_every_page_size;
use crate::values::{
    first_password, first_place, last_place, limit, new_user, nobody, odd_texts, password,
};

/// Everybody, in the order that a list must have.
async fn everybody(bench: &AccountsBench) -> Vec<Account> {
    let mut accounts = bench.search(&AccountFilter::default()).await;
    accounts.sort_by_key(|account| std::cmp::Reverse((account.user.created_at, account.user.id)));
    accounts
}

/// Registers so many, suspends every third of them, and gives everybody.
async fn some_accounts(bench: &AccountsBench, count: usize) -> Vec<Account> {
    for number in 0..count {
        let user = bench.user().await;
        if number % 3 == 1 {
            bench.suspend(user).await;
        }
    }
    let accounts = everybody(bench).await;
    assert_eq!(accounts.len(), count);
    accounts
}

fn suspended(suspended: bool) -> AccountFilter {
    AccountFilter {
        suspended: Some(suspended),
        ..AccountFilter::default()
    }
}

fn with_email(email: &str) -> AccountFilter {
    AccountFilter {
        email: Some(email.to_owned()),
        ..AccountFilter::default()
    }
}

pub async fn whoever_is_registered_has_an_account(bench: AccountsBench) {
    for (number, chosen) in [None, Some(password("alice"))].into_iter().enumerate() {
        let mut user = new_user(&format!("alice{number}@example.com"), Some("Alice"));
        user.password = chosen.clone();
        let user = bench.register(user).await;
        let account = bench.account(user.id).await;
        assert_eq!(account.user, user);
        assert_eq!(account.has_password, chosen.is_some());
        assert_eq!(account.suspended_at, None);
        assert_eq!(everybody(&bench).await[0], account);
        assert_eq!(bench.password_of(&user.email).await, chosen);
    }
}

pub async fn nothing_is_done_to_an_account_that_never_was(bench: AccountsBench) {
    let (session, _) = bench.begin(bench.user().await).await;
    let before = everybody(&bench).await;
    let (accounts, nobody) = (bench.accounts(), nobody());
    let token = bench.secret();
    for refused in [
        accounts.find(nobody).await.err(),
        accounts.credentials_of(nobody).await.err(),
        accounts.rename(nobody, None).await.err(),
        accounts
            .issue_password_token(nobody, token, REFRESH_LASTS)
            .await
            .err(),
        accounts.suspend(nobody).await.err(),
        accounts.reinstate(nobody).await.err(),
        accounts.erase(nobody).await.err(),
    ] {
        assert_matches!(&refused, Some(AccountError::UserNotFound(id)) if *id == nobody);
    }
    let set = bench.try_set_password(nobody, first_password(), password("x"), session.id);
    assert_matches!(set.await, Err(SetPasswordError::UserNotFound(id)) if id == nobody);
    assert_eq!(everybody(&bench).await, before);
}

pub async fn credentials_are_found_by_address_and_by_id(bench: AccountsBench) {
    let mut alice = new_user("alice@example.com", None);
    alice.password = Some(password("alice"));
    let alice = bench.register(alice).await;
    let bob = bench.register(new_user("bob@example.com", None)).await;
    for (user, expected) in [(&alice, Some(password("alice"))), (&bob, None)] {
        let by_email = bench.accounts().credentials(&user.email).await;
        let by_email = by_email.expect("an answer").expect("credentials");
        assert_eq!((by_email.user_id, &by_email.password), (user.id, &expected));
        let by_id = bench.accounts().credentials_of(user.id).await;
        assert_eq!(by_id.expect("credentials"), by_email);
    }
    for stranger in ["alic@example.com", "alice@example.co", "al_ce@example.com"] {
        let stranger = Email::parse(stranger).expect("an address");
        let credentials = bench.accounts().credentials(&stranger).await;
        assert_eq!(credentials.expect("an answer"), None, "{stranger}");
    }
}

pub async fn a_password_is_set_and_set_again(bench: AccountsBench) {
    let mut alice = new_user("alice@example.com", None);
    alice.password = Some(password("alice"));
    let alice = bench.register(alice).await;
    let bob = bench.register(new_user("bob@example.com", None)).await;
    // The PHC format sets no limit that matters here.
    let long = "x".repeat(400);
    for text in ["first", "second", "second", long.as_str()] {
        bench.set_password(alice.id, password(text)).await;
        assert_eq!(bench.password_of(&alice.email).await, Some(password(text)));
        assert!(bench.account(alice.id).await.has_password);
    }
    assert!(!bench.account(bob.id).await.has_password);
    assert_eq!(bench.password_of(&bob.email).await, None);
}

pub async fn a_user_is_renamed_wherever_they_are_shown(bench: AccountsBench) {
    let alice = new_user("alice@example.com", Some("Alice"));
    let alice = bench.register(alice).await;
    let other = bench.user().await;
    let other = bench.account(other).await;
    let event = bench.event(5).await;
    bench.book(alice.id, event, 1).await;
    let names = odd_texts().into_iter().map(Some).chain([None, None]);
    for name in names {
        let name = name.map(|name| UserName::parse(&name).expect("a name"));
        let renamed = bench.accounts().rename(alice.id, name.clone()).await;
        let renamed = renamed.expect("renamed");
        assert_eq!(renamed.user.name, name);
        assert_eq!(
            (&renamed.user.email, renamed.user.created_at),
            (&alice.email, alice.created_at)
        );
        assert_eq!(bench.account(alice.id).await, renamed);
        assert_eq!(bench.user_list().await[1], renamed.user);
        assert_eq!(bench.attendance(event).await[0].user_name, name);
    }
    assert_eq!(bench.account(other.user.id).await, other);
}

pub async fn accounts_are_listed_newest_first(bench: AccountsBench) {
    let all = AccountFilter::default();
    assert_eq!(bench.search(&all).await, []);
    let accounts = some_accounts(&bench, 7).await;
    assert_every_page_size(&accounts, |page| bench.account_page(&all, page)).await;
}

pub async fn accounts_of_the_same_time_are_listed_by_falling_id(bench: AccountsBench) {
    some_accounts(&bench, 7).await;
    bench.level_times().await;
    let accounts = everybody(&bench).await;
    let all = AccountFilter::default();
    assert_every_page_size(&accounts, |page| bench.account_page(&all, page)).await;
    for wanted in [true, false] {
        let mut accounts = accounts.clone();
        accounts.retain(|account| account.suspended_at.is_some() == wanted);
        let filter = suspended(wanted);
        assert_every_page_size(&accounts, |page| bench.account_page(&filter, page)).await;
    }
}

pub async fn accounts_are_told_apart_by_their_suspension(bench: AccountsBench) {
    let accounts = some_accounts(&bench, 9).await;
    for wanted in [true, false] {
        let filter = suspended(wanted);
        let mut expected = accounts.clone();
        expected.retain(|account| account.suspended_at.is_some() == wanted);
        assert_every_page_size(&expected, |page| bench.account_page(&filter, page)).await;
        for account in &accounts {
            let filter = AccountFilter {
                email: Some(account.user.email.as_str().to_owned()),
                ..filter.clone()
            };
            let is_wanted = account.suspended_at.is_some() == wanted;
            let expected = is_wanted.then(|| account.clone());
            assert_eq!(bench.search(&filter).await, Vec::from_iter(expected));
        }
    }
    let was_suspended = bench.search(&suspended(true)).await;
    for account in &was_suspended {
        bench.reinstate(account.user.id).await;
    }
    assert_eq!(bench.search(&suspended(true)).await, []);
    assert_eq!(bench.search(&suspended(false)).await.len(), 9);
}

pub async fn an_account_is_found_by_its_whole_address_only(bench: AccountsBench) {
    for email in ["alice@example.com", "o'neil@example.ie", "जॉन@उदाहरण"] {
        let user = bench.register(new_user(email, None)).await;
        let found = bench.search(&with_email(email)).await;
        assert_eq!(found, [bench.account(user.id).await]);
    }
    for stranger in [
        "",
        "%",
        "alice",
        "alice@example.co",
        "lice@example.com",
        "al_ce@example.com",
        "%@example.com",
        "*",
        "alice@example.com' OR 1=1 --",
    ] {
        let found = bench.search(&with_email(stranger)).await;
        assert_eq!(found, [], "{stranger:?}");
    }
}

pub async fn a_walk_through_the_accounts_is_not_disturbed_by_changes(bench: AccountsBench) {
    let accounts = some_accounts(&bench, 6).await;
    let all = AccountFilter::default();
    let first = bench.account_page(&all, Page::first(limit(2))).await;
    assert_eq!(first.entries, accounts[..2]);
    bench.user().await;
    bench.erase(accounts[0].user.id).await;
    bench.erase(accounts[1].user.id).await;
    bench.erase(accounts[3].user.id).await;
    let rest = Page {
        limit: limit(5),
        after: first.next,
    };
    let rest = bench.account_page(&all, rest).await;
    let left = [&accounts[2..3], &accounts[4..]].concat();
    assert_eq!((rest.entries, rest.next), (left, None));
}

pub async fn any_place_in_the_list_of_accounts_is_accepted(bench: AccountsBench) {
    let accounts = some_accounts(&bench, 3).await;
    let all = AccountFilter::default();
    for (after, expected) in [
        (last_place(), &accounts[..]),
        (first_place(), &[]),
        (
            Timeline {
                at: accounts[0].user.created_at,
                id: i64::MIN,
            },
            &accounts[1..],
        ),
        (
            Timeline {
                at: accounts[1].user.created_at,
                id: i64::MAX,
            },
            &accounts[1..],
        ),
    ] {
        let wanted = Page {
            limit: limit(100),
            after: Some(after),
        };
        let got = bench.account_page(&all, wanted).await;
        assert_eq!(
            (got.entries.as_slice(), got.next),
            (expected, None),
            "{after:?}"
        );
    }
}
