//! Who is calling.

use super::{ApiKeyId, Scope, Scopes, SessionId, UserId};

/// On whose authority a request acts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Principal {
    /// Nobody who is known.
    Anonymous,
    /// A user, for themselves.
    User {
        /// Who.
        user_id: UserId,
        /// By which login.
        session_id: SessionId,
    },
    /// A service, within its scopes.
    Service {
        /// Which key it showed.
        key_id: ApiKeyId,
        /// What it may do.
        scopes: Scopes,
    },
    /// Whoever knows an admin key: may do everything.
    Admin,
}

impl Principal {
    /// Whether this is the admin, or a service with this scope.
    pub fn has(&self, scope: Scope) -> bool {
        match self {
            Self::Admin => true,
            Self::Service { scopes, .. } => scopes.contain(scope),
            Self::Anonymous | Self::User { .. } => false,
        }
    }

    /// Whether this may act for that user: as themselves, or with this scope
    /// for anybody.
    pub fn may_act_for(&self, user: UserId, scope: Scope) -> bool {
        match self {
            Self::User { user_id, .. } => *user_id == user,
            other => other.has(scope),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_acts_for_nobody_else_and_a_service_within_its_scopes() {
        let user = |id| UserId::try_new(id).expect("positive");
        let alice = Principal::User {
            user_id: user(1),
            session_id: SessionId::try_new(1).expect("positive"),
        };
        let shop = Principal::Service {
            key_id: ApiKeyId::try_new(1).expect("positive"),
            scopes: Scopes::try_new(vec![Scope::BookingsRead]).expect("scopes"),
        };
        for (principal, own, others, write) in [
            (alice, true, false, false),
            (shop, true, true, false),
            (Principal::Admin, true, true, true),
            (Principal::Anonymous, false, false, false),
        ] {
            let reads = |id| principal.may_act_for(user(id), Scope::BookingsRead);
            assert_eq!(reads(1), own, "{principal:?}");
            assert_eq!(reads(2), others, "{principal:?}");
            assert_eq!(principal.has(Scope::BookingsWrite), write, "{principal:?}");
        }
    }
}
