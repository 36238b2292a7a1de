//! Users, keys of services and the audit log, as an archive reads and fills them.

use chrono::{DateTime, Utc};
use diesel::Queryable;
use diesel::sql_types::{Array, BigInt, Binary, Nullable, Text, Timestamptz};
use domain::model::{
    ApiKey, ApiKeyRecord, AuditRecord, Email, Invalid, PasswordHash, SecretDigest, User, UserId,
    UserName, UserRecord,
};

use crate::prepared::prepared;
use crate::rows::ApiKeyRow;

prepared!(
    /// Walks the primary key; erased users exist.
    UsersBehind { id: i64 as BigInt, rows_max: i64 as BigInt } -> (
        BigInt, Text, Nullable<Text>, Timestamptz,
        Nullable<Text>, Nullable<Timestamptz>, Nullable<Timestamptz>,
    ),
    "SELECT id, email, name, created_at, password_hash, suspended_at, erased_at
     FROM users WHERE id > ? ORDER BY id LIMIT ?"
);

prepared!(
    /// Walks the primary key; revoked keys exist.
    ApiKeysBehind { id: i64 as BigInt, rows_max: i64 as BigInt } -> (
        (
            BigInt, Text, Array<Text>, Timestamptz,
            Nullable<Timestamptz>, Nullable<Timestamptz>, Nullable<Timestamptz>,
        ),
        Binary,
    ),
    "SELECT id, name, scopes, created_at, rotated_at, last_used_at, revoked_at, secret_digest
     FROM api_keys WHERE id > ? ORDER BY id LIMIT ?"
);

prepared!(
    /// Walks the primary key.
    AuditBehind { id: i64 as BigInt, rows_max: i64 as BigInt } -> (
        BigInt, Timestamptz, Text, Nullable<BigInt>, Text,
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
    created_at: DateTime<Utc>,
    password_hash: Option<String>,
    suspended_at: Option<DateTime<Utc>>,
    erased_at: Option<DateTime<Utc>>,
}

impl TryFrom<ArchivedUserRow> for UserRecord {
    type Error = Invalid;

    fn try_from(row: ArchivedUserRow) -> Result<Self, Invalid> {
        let id = UserId::try_new(row.id)?;
        let created_at = row.created_at;
        // What stands in the place of their address is this store's own affair.
        if let Some(erased_at) = row.erased_at {
            return Ok(Self::Erased {
                id,
                created_at,
                erased_at,
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
            suspended_at: row.suspended_at,
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
    /// One array for each column. Erased users have no address: what stands in
    /// its place is what the constraint `users_erased_is_erased` asks for.
    #[derive(Default)]
    InsertUsers {
        ids: Vec<i64> as Array<BigInt>,
        emails: Vec<Option<String>> as Array<Nullable<Text>>,
        names: Vec<Option<String>> as Array<Nullable<Text>>,
        created_at: Vec<DateTime<Utc>> as Array<Timestamptz>,
        password_hashes: Vec<Option<String>> as Array<Nullable<Text>>,
        suspended_at: Vec<Option<DateTime<Utc>>> as Array<Nullable<Timestamptz>>,
        erased_at: Vec<Option<DateTime<Utc>>> as Array<Nullable<Timestamptz>>,
    } -> (BigInt,),
    "INSERT INTO users (id, email, name, created_at, password_hash, suspended_at, erased_at)
     SELECT id, coalesce(email, 'User-' || id || '@erased.invalid'), name, created_at,
            password_hash, suspended_at, erased_at
     FROM unnest(?, ?, ?, ?, ?, ?, ?)
         AS record (id, email, name, created_at, password_hash, suspended_at, erased_at)"
);

prepared!(
    /// One array for each column. Arrays of arrays have to be as long as each
    /// other, so scopes come as texts with a space between them.
    #[derive(Default)]
    InsertApiKeys {
        ids: Vec<i64> as Array<BigInt>,
        names: Vec<String> as Array<Text>,
        secrets: Vec<Vec<u8>> as Array<Binary>,
        scopes: Vec<String> as Array<Text>,
        created_at: Vec<DateTime<Utc>> as Array<Timestamptz>,
        rotated_at: Vec<Option<DateTime<Utc>>> as Array<Nullable<Timestamptz>>,
        last_used_at: Vec<Option<DateTime<Utc>>> as Array<Nullable<Timestamptz>>,
        revoked_at: Vec<Option<DateTime<Utc>>> as Array<Nullable<Timestamptz>>,
    } -> (BigInt,),
    "INSERT INTO api_keys (id, name, secret_digest, scopes, created_at, rotated_at, last_used_at,
                           revoked_at)
     SELECT id, name, secret, string_to_array(scopes, ' '), created_at, rotated_at, last_used_at,
            revoked_at
     FROM unnest(?, ?, ?, ?, ?, ?, ?, ?)
         AS record (id, name, secret, scopes, created_at, rotated_at, last_used_at, revoked_at)"
);

prepared!(
    /// One array for each column.
    #[derive(Default)]
    InsertAudit {
        ids: Vec<i64> as Array<BigInt>,
        at: Vec<DateTime<Utc>> as Array<Timestamptz>,
        actor_kinds: Vec<&'static str> as Array<Text>,
        actor_ids: Vec<Option<i64>> as Array<Nullable<BigInt>>,
        actions: Vec<String> as Array<Text>,
        object_kinds: Vec<Option<String>> as Array<Nullable<Text>>,
        object_ids: Vec<Option<i64>> as Array<Nullable<BigInt>>,
        refused: Vec<Option<String>> as Array<Nullable<Text>>,
        request_ids: Vec<String> as Array<Text>,
    } -> (BigInt,),
    "INSERT INTO audit_log (id, at, actor_kind, actor_id, action, object_kind, object_id, refused,
                            request_id)
     SELECT * FROM unnest(?, ?, ?, ?, ?, ?, ?, ?, ?)"
);

impl InsertUsers {
    pub(in crate::store::archive) fn push(&mut self, record: UserRecord) {
        match record {
            UserRecord::Registered {
                user,
                password,
                suspended_at,
            } => {
                self.ids.push(user.id.get());
                self.emails.push(Some(user.email.into()));
                self.names.push(user.name.map(String::from));
                self.created_at.push(user.created_at);
                self.password_hashes
                    .push(password.map(|password| password.as_phc().to_owned()));
                self.suspended_at.push(suspended_at);
                self.erased_at.push(None);
            }
            UserRecord::Erased {
                id,
                created_at,
                erased_at,
            } => {
                self.ids.push(id.get());
                self.emails.push(None);
                self.names.push(None);
                self.created_at.push(created_at);
                self.password_hashes.push(None);
                self.suspended_at.push(None);
                self.erased_at.push(Some(erased_at));
            }
        }
    }
}

impl InsertApiKeys {
    pub(in crate::store::archive) fn push(&mut self, record: ApiKeyRecord) {
        let ApiKeyRecord { key, secret } = record;
        let scopes: Vec<_> = key.scopes.iter().map(|scope| scope.as_str()).collect();
        self.ids.push(key.id.get());
        self.names.push(key.name.into());
        self.secrets.push(secret.as_bytes().to_vec());
        self.scopes.push(scopes.join(" "));
        self.created_at.push(key.created_at);
        self.rotated_at.push(key.rotated_at);
        self.last_used_at.push(key.last_used_at);
        self.revoked_at.push(key.revoked_at);
    }
}

impl InsertAudit {
    pub(in crate::store::archive) fn push(&mut self, record: AuditRecord) {
        let entry = record.entry;
        let (actor_kind, actor_id) = entry.actor.parts();
        let (object_kind, object_id) = entry.object.map(|object| (object.kind, object.id)).unzip();
        self.ids.push(record.id.get());
        self.at.push(record.at);
        self.actor_kinds.push(actor_kind);
        self.actor_ids.push(actor_id);
        self.actions.push(entry.action);
        self.object_kinds.push(object_kind);
        self.object_ids.push(object_id);
        self.refused.push(entry.refused);
        self.request_ids.push(entry.request_id);
    }
}
