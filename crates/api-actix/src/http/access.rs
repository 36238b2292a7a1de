//! Who may make which call, and what is recorded of it. Every route has a
//! [`Call`]; `routes` cannot register one without.

mod audit;
mod caller;
mod calls;
mod guard;

pub(crate) use audit::{Auditor, RecordedActor, name_object};
pub(crate) use caller::Caller;
pub(crate) use calls::*;
pub(crate) use guard::guard;

use domain::model::Scope;

/// What a call asks of whoever makes it. Admin keys open everything but what
/// is a user's own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Access {
    /// Nothing, and whoever calls is not asked who they are.
    Unasked,
    /// Nothing of users and strangers; of a service the scope.
    Everybody(Scope),
    /// A user who acts for themselves, which the handler sees to; or a service
    /// with the scope. In open mode also strangers.
    Owner(Scope),
    /// A user; it is about themselves.
    Myself,
    /// The admin, or a service with the scope.
    Organiser(Scope),
    /// The admin.
    Admin,
}

/// Which of a call's successes the audit log records. Refusals are recorded
/// of every call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Recorded {
    /// None: it changes nothing, or what it makes is a record itself.
    Never,
    /// Those of services and the admin.
    ForOthers,
    /// All.
    Always,
}

/// A call of the interface.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Call {
    /// As the interface's description names it.
    pub(crate) operation: &'static str,
    /// Who may make it.
    pub(crate) access: Access,
    /// What is recorded.
    pub(crate) recorded: Recorded,
}

/// Calls whose handlers read the query, and what nobody needs to be strict
/// about: probes, pages and what does not exist.
const WITH_QUERY: [Call; 13] = [
    LIST_EVENTS,
    BOOKING_HISTORY,
    MY_BOOKINGS,
    EVENT_BOOKINGS,
    ANALYTICS,
    PAUSED_SALES,
    LIST_USERS,
    LIST_API_KEYS,
    LIST_AUDIT,
    HEALTH,
    READY,
    DOCS,
    NO_ADMIN_CALL,
];

impl Call {
    /// Whether a query is somebody else's business.
    pub(crate) fn may_have_query(&self) -> bool {
        WITH_QUERY.contains(self)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::http::openapi;

    #[test]
    fn every_call_of_the_description_has_its_rule_and_every_rule_its_call() {
        let described: BTreeSet<String> = openapi::operation_ids().collect();
        let inner = [NO_ADMIN_CALL, DOCS];
        let ruled = ALL.iter().filter(|call| !inner.contains(call));
        let ruled: BTreeSet<String> = ruled.map(|call| call.operation.to_owned()).collect();
        assert_eq!(described, ruled);
    }
}
