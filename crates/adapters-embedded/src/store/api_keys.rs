//! Keys of services in SQLite.

use async_trait::async_trait;
use chrono::TimeDelta;
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Binary, Nullable, Text};
use domain::model::{
    ApiKey, ApiKeyId, Listing, NewApiKey, Page, Scope, Scopes, SecretDigest, Timeline,
};
use domain::ports::{ApiKeyError, ApiKeyStore, StoreError};

use crate::clock::{self, Place};
use crate::error::before_commit;
use crate::prepared::{at_most_one, exactly_one, prepared};
use crate::rows::{self, ApiKeyRow};

super::store!(
    /// [`ApiKeyStore`] on SQLite.
    SqliteApiKeyStore
);

/// A use that follows one within this time is not written: a service calls many
/// times a second, and a write is a flush to disk.
const USE_KEPT_FOR: TimeDelta = TimeDelta::minutes(1);

prepared!(
    /// With its scopes as one text.
    InsertKey {
        name: String as Text,
        scopes: String as Text,
        secret: [u8; 32] as Binary,
        now: i64 as BigInt,
    } -> (
        BigInt, Text, Text, BigInt, Nullable<BigInt>, Nullable<BigInt>, Nullable<BigInt>,
    ),
    "INSERT INTO api_keys (name, scopes, secret, created_at) VALUES (?, ?, ?, ?)
     RETURNING id, name, scopes, created_at, rotated_at, last_used_at, revoked_at"
);

prepared!(
    /// Walks `api_keys_newest`.
    ListKeys { at: i64 as BigInt, id: i64 as BigInt, rows_max: i64 as BigInt } -> (
        BigInt, Text, Text, BigInt, Nullable<BigInt>, Nullable<BigInt>, Nullable<BigInt>,
    ),
    "SELECT id, name, scopes, created_at, rotated_at, last_used_at, revoked_at FROM api_keys
     WHERE (created_at, id) < (?, ? COLLATE BINARY)
     ORDER BY created_at DESC, id DESC LIMIT ?"
);

prepared!(
    /// In the place of the secret before.
    RotateKey { secret: [u8; 32] as Binary, now: i64 as BigInt, key_id: i64 as BigInt } -> (
        BigInt, Text, Text, BigInt, Nullable<BigInt>, Nullable<BigInt>, Nullable<BigInt>,
    ),
    "UPDATE api_keys SET secret = ?, rotated_at = ? WHERE id = ? AND revoked_at IS NULL
     RETURNING id, name, scopes, created_at, rotated_at, last_used_at, revoked_at"
);

prepared!(
    /// Leaves the time of an earlier revocation.
    RevokeKey { now: i64 as BigInt, key_id: i64 as BigInt } -> (BigInt,),
    "UPDATE api_keys SET revoked_at = coalesce(revoked_at, ?) WHERE id = ?"
);

prepared!(
    /// By the unique digest, if it is good.
    FindKeyBySecret { secret: [u8; 32] as Binary } -> (
        BigInt, Text, Text, BigInt, Nullable<BigInt>, Nullable<BigInt>, Nullable<BigInt>,
    ),
    "SELECT id, name, scopes, created_at, rotated_at, last_used_at, revoked_at FROM api_keys
     WHERE secret = ? AND revoked_at IS NULL"
);

prepared!(
    /// Of a JSON array of ids, those that were not used for a while.
    RecordUse { now: i64 as BigInt, key_ids: String as Text, used_before: i64 as BigInt }
        -> (BigInt,),
    "UPDATE api_keys SET last_used_at = ?
     WHERE id IN (SELECT value FROM json_each(?))
       AND (last_used_at IS NULL OR last_used_at < ?)"
);

#[async_trait]
impl ApiKeyStore for SqliteApiKeyStore {
    async fn create(&self, key: NewApiKey) -> Result<ApiKey, StoreError> {
        self.0
            .write("create_api_key", move |connection| {
                let insert = InsertKey {
                    name: key.name.into(),
                    scopes: text_of(&key.scopes),
                    secret: *key.secret.as_bytes(),
                    now: clock::micros(clock::now()),
                };
                let row: ApiKeyRow = exactly_one(connection, insert).map_err(before_commit)?;
                rows::one(row)
            })
            .await
    }

    async fn list(&self, page: Page<Timeline>) -> Result<Listing<ApiKey>, StoreError> {
        let Place { at, id } = page.after.map_or(Place::NEWEST, Place::from);
        let query = ListKeys {
            at,
            id,
            rows_max: super::one_more(page.limit),
        };
        let found: Vec<ApiKeyRow> = self
            .0
            .read(move |connection| query.load(connection))
            .await?;
        Ok(Listing::from_one_more(rows::all(found)?, page.limit))
    }

    async fn rotate(&self, key_id: ApiKeyId, secret: SecretDigest) -> Result<ApiKey, ApiKeyError> {
        self.0
            .write("rotate_api_key", move |connection| {
                let rotate = RotateKey {
                    secret: *secret.as_bytes(),
                    now: clock::micros(clock::now()),
                    key_id: key_id.get(),
                };
                let row: Option<ApiKeyRow> =
                    at_most_one(connection, rotate).map_err(before_commit)?;
                Ok(rows::one(row.ok_or(ApiKeyError::KeyNotFound(key_id))?)?)
            })
            .await
    }

    async fn revoke(&self, key_id: ApiKeyId) -> Result<(), ApiKeyError> {
        self.0
            .write("revoke_api_key", move |connection| {
                let revoke = RevokeKey {
                    now: clock::micros(clock::now()),
                    key_id: key_id.get(),
                };
                match revoke.execute(connection).map_err(before_commit)? {
                    0 => Err(ApiKeyError::KeyNotFound(key_id)),
                    _ => Ok(()),
                }
            })
            .await
    }

    async fn find(&self, secret: SecretDigest) -> Result<Option<ApiKey>, StoreError> {
        let query = FindKeyBySecret {
            secret: *secret.as_bytes(),
        };
        let row: Option<ApiKeyRow> = self
            .0
            .read(move |connection| at_most_one(connection, query))
            .await?;
        row.map(rows::one).transpose()
    }

    async fn record_use(&self, key_ids: Vec<ApiKeyId>) -> Result<(), StoreError> {
        self.0
            .write("record_api_key_use", move |connection| {
                let now = clock::now();
                let record = RecordUse {
                    now: clock::micros(now),
                    key_ids: super::json_array(key_ids.into_iter().map(ApiKeyId::get)),
                    used_before: clock::micros(now - USE_KEPT_FOR),
                };
                record.execute(connection).map_err(before_commit)?;
                Ok(())
            })
            .await
    }
}

/// As `ApiKeyRow` reads them: with a space between them.
pub(super) fn text_of(scopes: &Scopes) -> String {
    let scopes: Vec<_> = scopes.iter().map(Scope::as_str).collect();
    scopes.join(" ")
}
