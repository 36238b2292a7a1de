//! Registering and listing users.

use domain::model::{Listing, Page, Timeline, User};
use domain::ports::RegisterError;

use crate::Bench;
use crate::compare::assert_matches;
use crate::paging::assert_every_page_size;
use crate::parallel::{parallel, patiently};
use crate::values::{first_place, last_place, limit, new_user, odd_texts};

async fn page(bench: &Bench, page: Page<Timeline>) -> Listing<User> {
    bench.users().list(page).await.expect("the users")
}

async fn some_users(bench: &Bench, count: usize) -> Vec<User> {
    for _ in 0..count {
        bench.user().await;
    }
    let mut users = bench.user_list().await;
    users.sort_by_key(|user| std::cmp::Reverse((user.created_at, user.id)));
    users
}

pub async fn a_user_reads_back_as_registered(bench: Bench) {
    let named = new_user("alice@example.com", Some("Alice"));
    let nameless = new_user("bob@example.com", None);
    for user in [named, nameless] {
        let registered = bench.register(user.clone()).await;
        assert_eq!(
            (&registered.email, &registered.name),
            (&user.email, &user.name)
        );
        assert_eq!(bench.user_list().await.first(), Some(&registered));
    }
}

pub async fn an_address_that_is_in_use_is_refused_and_nothing_changes(bench: Bench) {
    let first = bench
        .register(new_user("alice@example.com", Some("Alice")))
        .await;
    // The model has trimmed and lower-cased it: in the store it is the same.
    let again = new_user("  ALICE@Example.com ", Some("Mallory"));
    for _ in 0..2 {
        let refused = bench.users().register(again.clone()).await;
        assert_matches!(&refused, Err(RegisterError::EmailTaken(email)) if *email == first.email);
    }
    assert_eq!(bench.user_list().await, [first]);
}

pub async fn parallel_registrations_of_one_address_make_one_user(bench: Bench) {
    let answers = parallel(16, |number| {
        let bench = bench.clone();
        async move {
            let user = new_user("alice@example.com", Some(&format!("Alice {number}")));
            patiently(|| bench.users().register(user.clone())).await
        }
    })
    .await;
    let mut registered = Vec::new();
    for answer in answers {
        match answer {
            Ok(user) => registered.push(user),
            Err(refused) => assert_matches!(refused, RegisterError::EmailTaken(_)),
        }
    }
    assert_eq!(registered.len(), 1);
    assert_eq!(bench.user_list().await, registered);
}

pub async fn parallel_registrations_of_different_addresses_all_succeed(bench: Bench) {
    let mut users = parallel(32, |number| {
        let bench = bench.clone();
        async move {
            let user = new_user(&format!("user{number}@example.com"), None);
            patiently(|| bench.users().register(user.clone()))
                .await
                .expect("registered")
        }
    })
    .await;
    users.sort_by_key(|user| std::cmp::Reverse((user.created_at, user.id)));
    assert_eq!(bench.user_list().await, users);
}

pub async fn names_of_every_script_are_kept(bench: Bench) {
    for (number, text) in odd_texts().iter().enumerate() {
        let user = new_user(&format!("user{number}@example.com"), Some(text));
        let registered = bench.register(user.clone()).await;
        assert_eq!(registered.name, user.name);
        assert_eq!(bench.user_list().await[0], registered, "{text:?}");
    }
}

pub async fn addresses_that_only_look_alike_are_different(bench: Bench) {
    let addresses = [
        "jose@example.com",
        "jos\u{e9}@example.com",
        "jose\u{301}@example.com",
        "strasse@example.com",
        "straße@example.com",
        "ı@example.com",
        "i@example.com",
        "jo_e@example.com",
        "जॉन@उदाहरण",
        "o'neil@example.ie",
    ];
    for address in addresses {
        let user = new_user(address, None);
        let registered = bench.register(user.clone()).await;
        assert_eq!(registered.email, user.email);
    }
    assert_eq!(bench.user_list().await.len(), addresses.len());
}

pub async fn users_are_listed_newest_first(bench: Bench) {
    assert_eq!(bench.user_list().await, []);
    let users = some_users(&bench, 6).await;
    assert_eq!(users.len(), 6);
    assert_every_page_size(&users, |wanted| page(&bench, wanted)).await;
}

pub async fn users_of_the_same_time_are_listed_by_falling_id(bench: Bench) {
    some_users(&bench, 6).await;
    bench.level_times().await;
    let users = some_users(&bench, 0).await;
    assert!(
        users
            .windows(2)
            .all(|two| two[0].created_at == two[1].created_at)
    );
    assert_eq!(users.len(), 6);
    assert_every_page_size(&users, |wanted| page(&bench, wanted)).await;
}

pub async fn a_walk_through_the_users_is_not_disturbed_by_new_ones(bench: Bench) {
    let users = some_users(&bench, 4).await;
    let first = page(&bench, Page::first(limit(2))).await;
    assert_eq!(first.entries, users[..2]);
    bench.user().await;
    let rest = Page {
        limit: limit(2),
        after: first.next,
    };
    let rest = page(&bench, rest).await;
    assert_eq!(rest.entries, users[2..]);
    assert_eq!(rest.next, None);
}

pub async fn any_place_in_the_list_of_users_is_accepted(bench: Bench) {
    let users = some_users(&bench, 3).await;
    for (after, expected) in [
        (last_place(), &users[..]),
        (first_place(), &[]),
        (
            Timeline {
                at: users[0].created_at,
                id: i64::MIN,
            },
            &users[1..],
        ),
        (
            Timeline {
                at: users[1].created_at,
                id: i64::MAX,
            },
            &users[1..],
        ),
    ] {
        let wanted = Page {
            limit: limit(100),
            after: Some(after),
        };
        let got = page(&bench, wanted).await;
        assert_eq!(
            (got.entries.as_slice(), got.next),
            (expected, None),
            "{after:?}"
        );
    }
}
