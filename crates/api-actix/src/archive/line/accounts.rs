//! Lines of users, of keys of services and of the audit log.

use argon2::password_hash::phc;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use domain::model::{
    Actor, ApiKey, ApiKeyId, ApiKeyName, ApiKeyRecord, AuditEntry, AuditId, AuditObject,
    AuditRecord, Email, Invalid, PasswordHash, Scope, Scopes, SecretDigest, User, UserId, UserName,
    UserRecord,
};
use serde::{Deserialize, Serialize};

use super::{member, optional_time, optional_time_text, present, time, time_text, unaltered};

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::archive) struct UserLine {
    pub(super) id: i64,
    #[serde(deserialize_with = "present")]
    pub(super) email: Option<String>,
    #[serde(deserialize_with = "present")]
    pub(super) name: Option<String>,
    #[serde(deserialize_with = "present")]
    pub(super) password_hash: Option<String>,
    pub(super) created_at: String,
    #[serde(deserialize_with = "present")]
    pub(super) suspended_at: Option<String>,
    #[serde(deserialize_with = "present")]
    pub(super) erased_at: Option<String>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::archive) struct ApiKeyLine {
    id: i64,
    name: String,
    scopes: Vec<String>,
    secret_digest: String,
    created_at: String,
    #[serde(deserialize_with = "present")]
    rotated_at: Option<String>,
    #[serde(deserialize_with = "present")]
    last_used_at: Option<String>,
    #[serde(deserialize_with = "present")]
    revoked_at: Option<String>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::archive) struct AuditLine {
    id: i64,
    at: String,
    actor_kind: String,
    #[serde(deserialize_with = "present")]
    actor_id: Option<i64>,
    action: String,
    #[serde(deserialize_with = "present")]
    object_kind: Option<String>,
    #[serde(deserialize_with = "present")]
    object_id: Option<i64>,
    #[serde(deserialize_with = "present")]
    refused: Option<String>,
    request_id: String,
}

impl TryFrom<&UserRecord> for UserLine {
    type Error = Invalid;

    fn try_from(record: &UserRecord) -> Result<Self, Invalid> {
        match record {
            UserRecord::Registered {
                user,
                password,
                suspended_at,
            } => {
                let password = password.as_ref().map(PasswordHash::as_phc);
                Ok(Self {
                    id: user.id.get(),
                    email: Some(user.email.as_str().to_owned()),
                    name: user.name.as_ref().map(|name| name.as_str().to_owned()),
                    password_hash: password.map(phc_text).transpose()?,
                    created_at: time_text(user.created_at)?,
                    suspended_at: optional_time_text(*suspended_at)?,
                    erased_at: None,
                })
            }
            UserRecord::Erased {
                id,
                created_at,
                erased_at,
            } => Ok(Self {
                id: id.get(),
                email: None,
                name: None,
                password_hash: None,
                created_at: time_text(*created_at)?,
                suspended_at: None,
                erased_at: Some(time_text(*erased_at)?),
            }),
        }
    }
}

impl TryFrom<UserLine> for UserRecord {
    type Error = Invalid;

    fn try_from(line: UserLine) -> Result<Self, Invalid> {
        let id = member("id", UserId::try_new(line.id))?;
        let created_at = time("created_at", &line.created_at)?;
        if let Some(erased_at) = optional_time("erased_at", line.erased_at.as_deref())? {
            let left = [line.email, line.name, line.password_hash, line.suspended_at];
            if left.iter().any(Option::is_some) {
                return Err(Invalid::new(
                    "email, name, password_hash and suspended_at must be null, because erased_at \
                     is not",
                ));
            }
            return Ok(Self::Erased {
                id,
                created_at,
                erased_at,
            });
        }
        let Some(email) = line.email else {
            return Err(Invalid::new("email must not be null, because erased_at is"));
        };
        let name = line.name.as_deref().map(|name| {
            let parsed = member("name", UserName::parse(name))?;
            unaltered("name", name, parsed.as_str())?;
            Ok(parsed)
        });
        let parsed = member("email", Email::parse(&email))?;
        unaltered("email", &email, parsed.as_str())?;
        let password = line.password_hash.as_deref().map(phc_text).transpose()?;
        Ok(Self::Registered {
            user: User {
                id,
                email: parsed,
                name: name.transpose()?,
                created_at,
            },
            password: password.map(PasswordHash::from_phc),
            suspended_at: optional_time("suspended_at", line.suspended_at.as_deref())?,
        })
    }
}

/// A hash that no password can be checked against would only show at a login.
/// The refusal does not repeat it.
fn phc_text(text: &str) -> Result<String, Invalid> {
    match phc::PasswordHash::new(text) {
        Ok(hash) if hash.hash.is_some() => Ok(text.to_owned()),
        _ => Err(Invalid::new(
            "password_hash must be a hash in the PHC format",
        )),
    }
}

impl TryFrom<&ApiKeyRecord> for ApiKeyLine {
    type Error = Invalid;

    fn try_from(record: &ApiKeyRecord) -> Result<Self, Invalid> {
        let ApiKeyRecord { key, secret } = record;
        let scopes = key.scopes.iter().map(|scope| scope.as_str().to_owned());
        Ok(Self {
            id: key.id.get(),
            name: key.name.as_str().to_owned(),
            scopes: scopes.collect(),
            secret_digest: URL_SAFE_NO_PAD.encode(secret.as_bytes()),
            created_at: time_text(key.created_at)?,
            rotated_at: optional_time_text(key.rotated_at)?,
            last_used_at: optional_time_text(key.last_used_at)?,
            revoked_at: optional_time_text(key.revoked_at)?,
        })
    }
}

impl TryFrom<ApiKeyLine> for ApiKeyRecord {
    type Error = Invalid;

    fn try_from(line: ApiKeyLine) -> Result<Self, Invalid> {
        let name = member("name", ApiKeyName::parse(&line.name))?;
        unaltered("name", &line.name, name.as_str())?;
        Ok(Self {
            key: ApiKey {
                id: member("id", ApiKeyId::try_new(line.id))?,
                name,
                scopes: scopes(&line.scopes)?,
                created_at: time("created_at", &line.created_at)?,
                rotated_at: optional_time("rotated_at", line.rotated_at.as_deref())?,
                last_used_at: optional_time("last_used_at", line.last_used_at.as_deref())?,
                revoked_at: optional_time("revoked_at", line.revoked_at.as_deref())?,
            },
            secret: digest(&line.secret_digest)?,
        })
    }
}

fn scopes(texts: &[String]) -> Result<Scopes, Invalid> {
    let all: Result<Vec<_>, _> = texts.iter().map(|text| Scope::parse(text)).collect();
    let scopes = member("scopes", all.and_then(Scopes::try_new))?;
    if !scopes.iter().map(Scope::as_str).eq(texts) {
        return Err(Invalid::new(
            "scopes must be in the order of the alphabet, each once",
        ));
    }
    Ok(scopes)
}

fn digest(text: &str) -> Result<SecretDigest, Invalid> {
    let bytes = URL_SAFE_NO_PAD.decode(text).ok();
    let bytes: Option<[u8; 32]> = bytes.and_then(|bytes| bytes.try_into().ok());
    bytes
        .map(SecretDigest::from_bytes)
        .ok_or_else(|| Invalid::new("secret_digest must be 32 bytes in base64url without padding"))
}

impl TryFrom<&AuditRecord> for AuditLine {
    type Error = Invalid;

    fn try_from(record: &AuditRecord) -> Result<Self, Invalid> {
        let AuditRecord { id, at, entry } = record;
        let (actor_kind, actor_id) = entry.actor.parts();
        let object = entry.object.as_ref();
        let object_kind = object.map(|object| plain("object_kind", &object.kind));
        let refused = entry.refused.as_deref().map(|code| plain("refused", code));
        Ok(Self {
            id: id.get(),
            at: time_text(*at)?,
            actor_kind: actor_kind.to_owned(),
            actor_id,
            action: plain("action", &entry.action)?,
            object_kind: object_kind.transpose()?,
            object_id: object.map(|object| object.id),
            refused: refused.transpose()?,
            request_id: plain("request_id", &entry.request_id)?,
        })
    }
}

impl TryFrom<AuditLine> for AuditRecord {
    type Error = Invalid;

    fn try_from(line: AuditLine) -> Result<Self, Invalid> {
        let object = match (line.object_kind.as_deref(), line.object_id) {
            (Some(kind), Some(id)) => Some(AuditObject {
                kind: plain("object_kind", kind)?,
                id,
            }),
            (None, None) => None,
            _ => {
                return Err(Invalid::new(
                    "object_kind and object_id must both be null, or neither",
                ));
            }
        };
        let actor = Actor::from_parts(&line.actor_kind, line.actor_id);
        let refused = line.refused.as_deref().map(|code| plain("refused", code));
        Ok(Self {
            id: member("id", AuditId::try_new(line.id))?,
            at: time("at", &line.at)?,
            entry: AuditEntry {
                actor: member("actor_kind and actor_id", actor)?,
                action: plain("action", &line.action)?,
                object,
                refused: refused.transpose()?,
                request_id: plain("request_id", &line.request_id)?,
            },
        })
    }
}

/// Texts of the audit log are the program's own words, short and plain. Others
/// may be more than a store takes: PostgreSQL refuses U+0000.
fn plain(name: &str, text: &str) -> Result<String, Invalid> {
    if text.chars().count() > 255 || text.chars().any(char::is_control) {
        return Err(Invalid::new(format!(
            "{name} must have at most 255 characters, none of them a control character"
        )));
    }
    Ok(text.to_owned())
}
