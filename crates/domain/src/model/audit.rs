//! Who did what: entries of the audit log. They name people by id only, so
//! that nothing in them has to be erased.

use chrono::{DateTime, Utc};

use super::{ApiKeyId, AuditId, Invalid, Principal, UserId};

/// Who did it. The credential is named, never shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Actor {
    /// Nobody who is known.
    Anonymous,
    /// A user.
    User(UserId),
    /// A service, by its key.
    Service(ApiKeyId),
    /// Whoever knows an admin key.
    Admin,
    /// The program itself, at its command line or in its housekeeping.
    System,
}

impl From<&Principal> for Actor {
    fn from(principal: &Principal) -> Self {
        match principal {
            Principal::Anonymous => Self::Anonymous,
            Principal::User { user_id, .. } => Self::User(*user_id),
            Principal::Service { key_id, .. } => Self::Service(*key_id),
            Principal::Admin => Self::Admin,
        }
    }
}

impl Actor {
    /// As it is stored: a kind, and an id for those that have one.
    pub fn parts(self) -> (&'static str, Option<i64>) {
        match self {
            Self::Anonymous => ("anonymous", None),
            Self::User(id) => ("user", Some(id.get())),
            Self::Service(id) => ("service", Some(id.get())),
            Self::Admin => ("admin", None),
            Self::System => ("system", None),
        }
    }

    /// The actor that is stored so.
    ///
    /// # Errors
    /// No actor is.
    pub fn from_parts(kind: &str, id: Option<i64>) -> Result<Self, Invalid> {
        match (kind, id) {
            ("anonymous", None) => Ok(Self::Anonymous),
            ("user", Some(id)) => UserId::try_new(id).map(Self::User),
            ("service", Some(id)) => ApiKeyId::try_new(id).map(Self::Service),
            ("admin", None) => Ok(Self::Admin),
            ("system", None) => Ok(Self::System),
            _ => Err(Invalid::new("must be the kind and id of an actor")),
        }
    }
}

/// What somebody did, or was refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditEntry {
    /// Who.
    pub actor: Actor,
    /// What: the operation's name, as in the API's description.
    pub action: String,
    /// With which: the kind of thing and its id, where there is one.
    pub object: Option<AuditObject>,
    /// How it ended: the code of the refusal, `None` when it was done.
    pub refused: Option<String>,
    /// The request, as its client and the log know it.
    pub request_id: String,
}

/// What an action was about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditObject {
    /// `event`, `user`, `booking`, `api_key`, …
    pub kind: String,
    /// Its id.
    pub id: i64,
}

/// An entry as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditRecord {
    /// Its id.
    pub id: AuditId,
    /// When, by the store's clock.
    pub at: DateTime<Utc>,
    /// What was done.
    pub entry: AuditEntry,
}

/// Which entries are looked for; everything that is named must fit.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AuditFilter {
    /// Who.
    pub actor: Option<Actor>,
    /// What.
    pub action: Option<String>,
    /// With which.
    pub object: Option<AuditObject>,
    /// Only refusals, or only what was done.
    pub refused: Option<bool>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn actors_are_read_as_they_are_stored() {
        for actor in [
            Actor::Anonymous,
            Actor::User(UserId::try_new(7).expect("positive")),
            Actor::Service(ApiKeyId::try_new(3).expect("positive")),
            Actor::Admin,
            Actor::System,
        ] {
            let (kind, id) = actor.parts();
            assert_eq!(Actor::from_parts(kind, id), Ok(actor));
        }
        for (kind, id) in [
            ("user", None),
            ("admin", Some(1)),
            ("user", Some(0)),
            ("", None),
        ] {
            assert!(Actor::from_parts(kind, id).is_err(), "{kind} {id:?}");
        }
    }
}
