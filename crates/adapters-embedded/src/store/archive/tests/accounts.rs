use domain::model::{
    Actor, ApiKey, ApiKeyId, ApiKeyName, ApiKeyRecord, AuditEntry, AuditFilter, AuditId,
    AuditObject, AuditRecord, NewApiKey, Scope, Scopes, SecretDigest,
};
use domain::ports::{AccountError, AccountStore, ApiKeyStore, AuditLog};

use super::*;
use crate::store::{SqliteAccountStore, SqliteApiKeyStore, SqliteAuditLog};

pub(super) fn erased(id: i64) -> Record {
    Record::User(UserRecord::Erased {
        id: UserId::try_new(id).expect("positive"),
        created_at: at(id),
        erased_at: at(id + 1),
    })
}

pub(super) fn api_key(id: i64, secret: u8) -> Record {
    let scopes = &Scope::ALL[..usize::from(secret) % Scope::ALL.len() + 1];
    Record::ApiKey(ApiKeyRecord {
        key: ApiKey {
            id: ApiKeyId::try_new(id).expect("positive"),
            name: ApiKeyName::parse(&format!("till {id}")).expect("a name"),
            scopes: Scopes::try_new(scopes.to_vec()).expect("one at least"),
            created_at: at(id),
            rotated_at: (id % 2 > 0).then(|| at(id + 1)),
            last_used_at: (id % 5 > 0).then(|| at(id + 2)),
            revoked_at: (id % 4 > 2).then(|| at(id + 3)),
        },
        secret: SecretDigest::from_bytes([secret; 32]),
    })
}

/// Times that fall while ids rise: they come in the order of their ids.
pub(super) fn audit(id: i64) -> Record {
    Record::Audit(AuditRecord {
        id: AuditId::try_new(id).expect("positive"),
        at: at(1_000_000 - id),
        entry: AuditEntry {
            actor: match id / 2 % 5 {
                0 => Actor::Admin,
                1 => Actor::Anonymous,
                2 => Actor::System,
                3 => Actor::Service(ApiKeyId::try_new(id).expect("positive")),
                _ => Actor::User(user_id(id)),
            },
            action: "cancel_booking".to_owned(),
            object: (id % 3 > 0).then(|| AuditObject {
                kind: "booking".to_owned(),
                id: 7 - id,
            }),
            refused: (id % 5 == 0).then(|| "forbidden".to_owned()),
            request_id: format!("request {id}"),
        },
    })
}

fn user_id(id: i64) -> UserId {
    UserId::try_new(id).expect("positive")
}

#[test]
fn what_erased_users_booked_is_cancelled_in_the_store_that_they_came_to() {
    use BookingStatus::{Cancelled, Confirmed};
    let database = memory();
    let records = vec![
        erased(1),
        erased(2),
        user(3),
        event(1, 10, 6, false),
        event(2, 10, 10, true),
        booking(1, 1, 1, Confirmed),
        booking(2, 1, 1, Cancelled),
        // Of a deleted event: marked by the housekeeping.
        booking(3, 2, 2, Confirmed),
        booking(4, 3, 1, Confirmed),
    ];
    import(&database, records).expect("imported");
    let accounts = SqliteAccountStore::new(database.clone());
    let found = block_on(accounts.bookings_of_erased(10)).expect("looked for");
    let first = BookingId::try_new(1).expect("positive");
    assert_eq!(found, [first]);

    // Nobody knows them, and nobody's address is in anybody's way.
    let refusal = block_on(accounts.find(user_id(1))).expect_err("erased");
    assert!(matches!(refusal, AccountError::UserNotFound(_)));
    let users = SqliteUserStore::new(database);
    let registered = block_on(users.register(NewUser {
        email: Email::of_erased(user_id(1)),
        name: None,
        password: None,
    }));
    assert_eq!(registered.expect("nobody's").id, user_id(4));
}

#[test]
fn accounts_and_keys_are_good_where_they_were_imported_and_ids_go_on() {
    let database = memory();
    let records = vec![
        user(49),
        user(50),
        api_key(4, 1),
        api_key(7, 2),
        audit(7),
        audit(9),
    ];
    import(&database, records).expect("imported");
    let accounts = SqliteAccountStore::new(database.clone());
    let credentials = block_on(accounts.credentials_of(user_id(49))).expect("registered");
    let password = credentials.password.expect("a password");
    assert_eq!(password.as_phc(), "$hash$49");
    let suspended = block_on(accounts.find(user_id(50))).expect("registered");
    assert_eq!(suspended.suspended_at, Some(at(51)));

    let keys = SqliteApiKeyStore::new(database.clone());
    let found = block_on(keys.find(SecretDigest::from_bytes([1; 32]))).expect("looked for");
    assert_eq!(found.expect("good").id.get(), 4);
    let revoked = block_on(keys.find(SecretDigest::from_bytes([2; 32]))).expect("looked for");
    assert_eq!(revoked, None);
    let key = block_on(keys.create(NewApiKey {
        name: ApiKeyName::parse("new").expect("a name"),
        scopes: Scopes::try_new(vec![Scope::UsersRead]).expect("one"),
        secret: SecretDigest::from_bytes([3; 32]),
    }));
    assert_eq!(key.expect("made").id.get(), 8);

    let log = SqliteAuditLog::new(database);
    let entry = AuditEntry {
        actor: Actor::System,
        action: "look".to_owned(),
        object: None,
        refused: None,
        request_id: "r".to_owned(),
    };
    block_on(log.append(vec![entry])).expect("appended");
    let page = Page {
        limit: PageLimit::try_new(10).expect("in range"),
        after: None,
    };
    let listed = block_on(log.list(AuditFilter::default(), page)).expect("listed");
    let ids: Vec<_> = listed.entries.iter().map(|entry| entry.id.get()).collect();
    assert_eq!(ids, [10, 7, 9], "newest first");
}
