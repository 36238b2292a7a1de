//! Who is calling, as handlers see it.

use actix_web::{FromRequest, HttpMessage, HttpRequest, dev};
use domain::model::{Principal, Scope, SessionId, UserId};

use crate::http::problem::Problem;

/// Who makes this request; the call's [`Access`](super::Access) is checked.
#[derive(Debug, Clone)]
pub(crate) struct Caller {
    pub(crate) principal: Principal,
    /// Whether strangers may act for anybody.
    pub(crate) open: bool,
}

impl Caller {
    /// Whether they may act for that user.
    pub(crate) fn may_act_for(&self, user_id: UserId, scope: Scope) -> bool {
        match self.principal {
            Principal::Anonymous => self.open,
            _ => self.principal.may_act_for(user_id, scope),
        }
    }

    /// Whether it is a user, who acts for themselves and nobody else.
    pub(crate) fn is_a_user(&self) -> bool {
        self.user_id().is_some()
    }

    /// The user who is calling, if it is one.
    pub(crate) fn user_id(&self) -> Option<UserId> {
        self.myself().ok().map(|(user_id, _)| user_id)
    }

    /// The user who is calling, and their session.
    ///
    /// # Errors
    /// A defect: the call is not for users only.
    pub(crate) fn myself(&self) -> Result<(UserId, SessionId), Problem> {
        match self.principal {
            Principal::User {
                user_id,
                session_id,
            } => Ok((user_id, session_id)),
            _ => Err(Problem::internal("no user is calling".into())),
        }
    }
}

impl FromRequest for Caller {
    type Error = Problem;
    type Future = std::future::Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _: &mut dev::Payload) -> Self::Future {
        let caller = request.extensions().get::<Self>().cloned();
        std::future::ready(
            caller.ok_or_else(|| Problem::internal("a route without a guard".into())),
        )
    }
}
