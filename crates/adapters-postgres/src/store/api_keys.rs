//! Keys of services in PostgreSQL.

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel::sql_types::{Array, BigInt, Binary, Nullable, Text, Timestamptz};
use diesel_async::RunQueryDsl;
use domain::model::{ApiKey, ApiKeyId, Listing, NewApiKey, Page, SecretDigest, Timeline};
use domain::ports::{ApiKeyError, ApiKeyStore, StoreError};
use futures::FutureExt;

use crate::one_row::OneRow;
use crate::prepared::prepared;
use crate::rows::{self, ApiKeyRow};

use super::NEWEST;

super::store!(
    /// [`ApiKeyStore`] on PostgreSQL.
    PgApiKeyStore
);

/// As [`ApiKeyRow`] reads it.
macro_rules! key_columns {
    () => {
        "id, name, scopes, created_at, rotated_at, last_used_at, revoked_at"
    };
}

type KeyColumns = (
    BigInt,
    Text,
    Array<Text>,
    Timestamptz,
    Nullable<Timestamptz>,
    Nullable<Timestamptz>,
    Nullable<Timestamptz>,
);

prepared!(
    /// A secret that another key has breaks the unique constraint.
    InsertKey {
        name: String as Text,
        scopes: Vec<&'static str> as Array<Text>,
        secret: Vec<u8> as Binary,
    } -> KeyColumns,
    concat!(
        "INSERT INTO api_keys (name, scopes, secret_digest) VALUES (?, ?, ?) RETURNING ",
        key_columns!()
    )
);

prepared!(
    /// Walks `api_keys_newest`.
    ListKeys { at: DateTime<Utc> as Timestamptz, id: i64 as BigInt, rows_max: i64 as BigInt }
        -> KeyColumns,
    concat!(
        "SELECT ", key_columns!(), " FROM api_keys WHERE (created_at, id) < (?, ?)
         ORDER BY created_at DESC, id DESC LIMIT ?"
    )
);

prepared!(
    /// By primary key.
    Rotate { secret: Vec<u8> as Binary, key_id: i64 as BigInt } -> KeyColumns,
    concat!(
        "UPDATE api_keys SET secret_digest = ?, rotated_at = clock_timestamp()
         WHERE id = ? AND revoked_at IS NULL RETURNING ",
        key_columns!()
    )
);

prepared!(
    /// By primary key. The first time stays.
    Revoke { key_id: i64 as BigInt } -> (BigInt,),
    "UPDATE api_keys SET revoked_at = coalesce(revoked_at, clock_timestamp()) WHERE id = ?"
);

prepared!(
    /// By the unique secret.
    FindKey { secret: Vec<u8> as Binary } -> KeyColumns,
    concat!(
        "SELECT ", key_columns!(), " FROM api_keys WHERE secret_digest = ? AND revoked_at IS NULL"
    )
);

prepared!(
    /// Locks the keys by id, so that processes which record the same ones do not
    /// wait for each other in a circle, and leaves out those that were used a
    /// moment ago: nobody needs to know it better.
    RecordUse { key_ids: Vec<i64> as Array<BigInt> } -> (BigInt,),
    "WITH used AS MATERIALIZED (
         SELECT id FROM api_keys
         WHERE id = ANY (?) AND (last_used_at IS NULL
             OR last_used_at < clock_timestamp() - interval '30 seconds')
         ORDER BY id FOR NO KEY UPDATE
     )
     UPDATE api_keys SET last_used_at = clock_timestamp() FROM used WHERE api_keys.id = used.id"
);

#[async_trait]
impl ApiKeyStore for PgApiKeyStore {
    async fn create(&self, key: NewApiKey) -> Result<ApiKey, StoreError> {
        let insert = InsertKey {
            name: key.name.into(),
            scopes: key.scopes.iter().map(|scope| scope.as_str()).collect(),
            secret: key.secret.as_bytes().to_vec(),
        };
        let row: ApiKeyRow = self
            .0
            .write("create_api_key", move |connection| {
                async move { insert.one_row(connection).await }.boxed()
            })
            .await?;
        rows::one(row)
    }

    async fn list(&self, page: Page<Timeline>) -> Result<Listing<ApiKey>, StoreError> {
        let Timeline { at, id } = page.after.unwrap_or(NEWEST);
        let query = ListKeys {
            at,
            id,
            rows_max: page.limit.get() as i64 + 1,
        };
        let found: Vec<ApiKeyRow> = self
            .0
            .read(move |connection| async move { query.load(connection).await }.boxed())
            .await?;
        Ok(Listing::from_one_more(rows::all(found)?, page.limit))
    }

    async fn rotate(&self, key_id: ApiKeyId, secret: SecretDigest) -> Result<ApiKey, ApiKeyError> {
        let rotate = Rotate {
            secret: secret.as_bytes().to_vec(),
            key_id: key_id.get(),
        };
        let row: Option<ApiKeyRow> = self
            .0
            .write("rotate_api_key", move |connection| {
                async move { rotate.one_row(connection).await.optional() }.boxed()
            })
            .await?;
        Ok(rows::one(row.ok_or(ApiKeyError::KeyNotFound(key_id))?)?)
    }

    async fn revoke(&self, key_id: ApiKeyId) -> Result<(), ApiKeyError> {
        let revoke = Revoke {
            key_id: key_id.get(),
        };
        let revoked = self
            .0
            .write("revoke_api_key", move |connection| {
                async move { revoke.execute(connection).await }.boxed()
            })
            .await?;
        if revoked == 0 {
            return Err(ApiKeyError::KeyNotFound(key_id));
        }
        Ok(())
    }

    async fn find(&self, secret: SecretDigest) -> Result<Option<ApiKey>, StoreError> {
        let query = FindKey {
            secret: secret.as_bytes().to_vec(),
        };
        let row: Option<ApiKeyRow> = self
            .0
            .read(move |connection| {
                async move { query.one_row(connection).await.optional() }.boxed()
            })
            .await?;
        row.map(rows::one).transpose()
    }

    async fn record_use(&self, key_ids: Vec<ApiKeyId>) -> Result<(), StoreError> {
        let record = RecordUse {
            key_ids: key_ids.into_iter().map(ApiKeyId::get).collect(),
        };
        self.0
            .write("record_api_key_use", move |connection| {
                async move { record.execute(connection).await }.boxed()
            })
            .await?;
        Ok(())
    }
}
