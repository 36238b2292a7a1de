//! Users, keys of services and the audit log, as an archive reads and fills them.

use diesel::prelude::*;
use diesel::sql_types::{BigInt, Binary, Nullable, Text};
use domain::model::{
    ApiKey, ApiKeyRecord, AuditRecord, Email, Invalid, PasswordHash, SecretDigest, User, UserId,
    UserName, UserRecord,
};

use crate::clock::{from_micros, micros};
use crate::prepared::prepared;
use crate::rows::ApiKeyRow;
use crate::store::accounts::erasing;
use crate::store::api_keys;

prepared!(
    /// Walks the primary key; erased users exist.
    UsersBehind { id: i64 as BigInt, rows_max: i64 as BigInt } -> (
        BigInt, Text, Nullable<Text>, BigInt,
        Nullable<Text>, Nullable<BigInt>, Nullable<BigInt>,
    ),
    "SELECT id, email, name, created_at, password_hash, suspended_at, erased_at
     FROM users WHERE id > ? ORDER BY id LIMIT ?"
);

prepared!(
    /// Walks the primary key; revoked keys exist.
    ApiKeysBehind { id: i64 as BigInt, rows_max: i64 as BigInt } -> (
        (
            BigInt, Text, Text, BigInt, Nullable<BigInt>, Nullable<BigInt>, Nullable<BigInt>,
        ),
        Binary,
    ),
    "SELECT id, name, scopes, created_at, rotated_at, last_used_at, revoked_at, secret
     FROM api_keys WHERE id > ? ORDER BY id LIMIT ?"
);

prepared!(
    /// Walks the primary key.
    AuditBehind { id: i64 as BigInt, rows_max: i64 as BigInt } -> (
        BigInt, BigInt, Text, Nullable<BigInt>, Text,
        Nullable<Text>, Nullable<BigInt>, Nullable<Text>, Text,
    ),
    "SELECT id, at, actor_kind, actor_id, action, object_kind, object_id, refused, request_id
     FROM audit_log WHERE id > ? ORDER BY id LIMIT ?"
);

#[derive(Queryable)]
pub(in crate::store::archive) struct ArchivedUserRow {
    id: i64,
    email: String,
    name: Option<String>,
    created_at: i64,
    password_hash: Option<String>,
    suspended_at: Option<i64>,
    erased_at: Option<i64>,
}

impl TryFrom<ArchivedUserRow> for UserRecord {
    type Error = Invalid;

    fn try_from(row: ArchivedUserRow) -> Result<Self, Invalid> {
        let id = UserId::try_new(row.id)?;
        let created_at = from_micros(row.created_at)?;
        // What stands in the place of their address is this store's own affair.
        if let Some(erased_at) = row.erased_at {
            return Ok(Self::Erased {
                id,
                created_at,
                erased_at: from_micros(erased_at)?,
            });
        }
        Ok(Self::Registered {
            user: User {
                id,
                email: Email::parse(&row.email)?,
                name: row.name.as_deref().map(UserName::parse).transpose()?,
                created_at,
            },
            password: row.password_hash.map(PasswordHash::from_phc),
            suspended_at: row.suspended_at.map(from_micros).transpose()?,
        })
    }
}

#[derive(Queryable)]
pub(in crate::store::archive) struct ArchivedApiKeyRow {
    key: ApiKeyRow,
    secret: Vec<u8>,
}

impl TryFrom<ArchivedApiKeyRow> for ApiKeyRecord {
    type Error = Invalid;

    fn try_from(row: ArchivedApiKeyRow) -> Result<Self, Invalid> {
        let secret: Result<[u8; 32], _> = row.secret.try_into();
        let secret = secret.map_err(|_| Invalid::new("must be a digest of 32 bytes"))?;
        Ok(Self {
            key: ApiKey::try_from(row.key)?,
            secret: SecretDigest::from_bytes(secret),
        })
    }
}

prepared!(
    /// With its id.
    PutUser {
        id: i64 as BigInt,
        email: String as Text,
        name: Option<String> as Nullable<Text>,
        created_at: i64 as BigInt,
        password_hash: Option<String> as Nullable<Text>,
        suspended_at: Option<i64> as Nullable<BigInt>,
        erased_at: Option<i64> as Nullable<BigInt>,
    } -> (BigInt,),
    "INSERT INTO users (id, email, name, created_at, password_hash, suspended_at, erased_at)
     VALUES (?, ?, ?, ?, ?, ?, ?)"
);

prepared!(
    /// With its id.
    PutApiKey {
        id: i64 as BigInt,
        name: String as Text,
        scopes: String as Text,
        secret: [u8; 32] as Binary,
        created_at: i64 as BigInt,
        rotated_at: Option<i64> as Nullable<BigInt>,
        last_used_at: Option<i64> as Nullable<BigInt>,
        revoked_at: Option<i64> as Nullable<BigInt>,
    } -> (BigInt,),
    "INSERT INTO api_keys (id, name, scopes, secret, created_at, rotated_at, last_used_at,
                           revoked_at)
     VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
);

prepared!(
    /// With its id.
    PutAudit {
        id: i64 as BigInt,
        at: i64 as BigInt,
        actor_kind: &'static str as Text,
        actor_id: Option<i64> as Nullable<BigInt>,
        action: String as Text,
        object_kind: Option<String> as Nullable<Text>,
        object_id: Option<i64> as Nullable<BigInt>,
        refused: Option<String> as Nullable<Text>,
        request_id: String as Text,
    } -> (BigInt,),
    "INSERT INTO audit_log (id, at, actor_kind, actor_id, action, object_kind, object_id, refused,
                            request_id)
     VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"
);

impl From<UserRecord> for PutUser {
    fn from(record: UserRecord) -> Self {
        match record {
            UserRecord::Registered {
                user,
                password,
                suspended_at,
            } => Self {
                id: user.id.get(),
                email: user.email.into(),
                name: user.name.map(String::from),
                created_at: micros(user.created_at),
                password_hash: password.map(|password| password.as_phc().to_owned()),
                suspended_at: suspended_at.map(micros),
                erased_at: None,
            },
            UserRecord::Erased {
                id,
                created_at,
                erased_at,
            } => Self {
                id: id.get(),
                email: erasing::placeholder(id),
                name: None,
                created_at: micros(created_at),
                password_hash: None,
                suspended_at: None,
                erased_at: Some(micros(erased_at)),
            },
        }
    }
}

impl From<ApiKeyRecord> for PutApiKey {
    fn from(record: ApiKeyRecord) -> Self {
        let ApiKeyRecord { key, secret } = record;
        Self {
            id: key.id.get(),
            scopes: api_keys::text_of(&key.scopes),
            name: key.name.into(),
            secret: *secret.as_bytes(),
            created_at: micros(key.created_at),
            rotated_at: key.rotated_at.map(micros),
            last_used_at: key.last_used_at.map(micros),
            revoked_at: key.revoked_at.map(micros),
        }
    }
}

impl From<AuditRecord> for PutAudit {
    fn from(record: AuditRecord) -> Self {
        let entry = record.entry;
        let (actor_kind, actor_id) = entry.actor.parts();
        let (object_kind, object_id) = entry.object.map(|object| (object.kind, object.id)).unzip();
        Self {
            id: record.id.get(),
            at: micros(record.at),
            actor_kind,
            actor_id,
            action: entry.action,
            object_kind,
            object_id,
            refused: entry.refused,
            request_id: entry.request_id,
        }
    }
}
