//! Rate limits: who has asked for too much is told so before anything is done.
//!
//! `class` says which policy a request has, `client` where it comes from.

mod class;
mod client;

use std::fmt::Write;
use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use actix_web::body::{EitherBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::{HeaderMap, HeaderName, HeaderValue};
use actix_web::middleware::Next;
use actix_web::{Error, HttpMessage, web};
use domain::model::{Email, LimitSubject, RateDecision, RatePolicy};
use domain::ports::RateLimiter;
use futures::FutureExt;

use self::class::{RateClass, class_of};
use self::client::Proxies;
use super::problem::Problem;
use super::status::rate_limited;
use crate::app::App;
use crate::settings::{HttpSettings, RatePolicies};

/// What is left of a policy, for this client (draft-ietf-httpapi-ratelimit-headers-10).
pub(crate) const RATE_LIMIT: HeaderName = HeaderName::from_static("ratelimit");

/// The policy itself.
pub(crate) const RATE_LIMIT_POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");

/// The limiter, and what it is asked.
pub(crate) struct RateLimits {
    limiter: Arc<dyn RateLimiter>,
    proxies: Proxies,
    read: Limit,
    book: Limit,
    register: Limit,
    admin: Limit,
    login_account: Limit,
    login_address: Limit,
}

/// A policy and how it is shown.
struct Limit {
    policy: RatePolicy,
    shown: HeaderValue,
}

impl Limit {
    fn new(policy: RatePolicy) -> Self {
        let (name, quota, window) = (policy.name(), policy.quota(), policy.window().as_secs());
        let shown = format!("\"{name}\";q={quota};w={window}");
        Self {
            policy,
            shown: HeaderValue::try_from(shown).expect("a policy's name is plain ASCII"),
        }
    }

    fn refusal(&self, decision: &RateDecision) -> Problem {
        rate_limited(self.policy.name(), seconds(decision.retry_after).max(1))
    }

    fn show(&self, decision: &RateDecision, headers: &mut HeaderMap) {
        let mut left = String::with_capacity(48);
        let (name, remaining) = (self.policy.name(), decision.remaining);
        let reset_s = seconds(decision.reset_after);
        // A text takes everything.
        let _ = write!(left, "\"{name}\";r={remaining};t={reset_s}");
        if let Ok(left) = HeaderValue::try_from(left) {
            headers.insert(RATE_LIMIT, left);
        }
        headers.insert(RATE_LIMIT_POLICY, self.shown.clone());
    }
}

impl RateLimits {
    pub(crate) fn new(
        limiter: Arc<dyn RateLimiter>,
        policies: RatePolicies,
        settings: &HttpSettings,
    ) -> Self {
        Self {
            limiter,
            proxies: Proxies::new(settings),
            read: Limit::new(policies.read),
            book: Limit::new(policies.book),
            register: Limit::new(policies.register),
            admin: Limit::new(policies.admin),
            login_account: Limit::new(policies.login_account),
            login_address: Limit::new(policies.login_address),
        }
    }

    fn of(&self, class: RateClass) -> &Limit {
        match class {
            RateClass::Read => &self.read,
            RateClass::Book => &self.book,
            RateClass::Register => &self.register,
            RateClass::Admin => &self.admin,
        }
    }

    /// Whose tokens a request takes: those of the principal, if a layer further
    /// out has put one among the request's extensions, else those of its address;
    /// nobody's if it comes from a program on this machine.
    fn subject_of(&self, request: &ServiceRequest) -> Option<LimitSubject> {
        let principal = request.extensions().get::<LimitSubject>().cloned();
        principal.or_else(|| self.address_of(request.peer_addr(), request.headers()))
    }

    fn address_of(&self, peer: Option<SocketAddr>, headers: &HeaderMap) -> Option<LimitSubject> {
        let client = self.proxies.client(peer?, headers);
        (!client.is_local).then(|| LimitSubject::address(client.address))
    }

    /// To be called before a password is looked at: whether that may be, going by
    /// the account, whoever tries, and by the address, whichever account it tries.
    ///
    /// # Errors
    /// Too many tries, or too much work is under way.
    #[cfg_attr(not(test), expect(dead_code, reason = "there is no logging in yet"))]
    pub(crate) async fn log_in(
        &self,
        app: &App,
        peer: Option<SocketAddr>,
        headers: &HeaderMap,
        email: &Email,
    ) -> Result<(), Problem> {
        let address = self.address_of(peer, headers);
        let account = Some(LimitSubject::account(email));
        // By address first: who is refused there takes nothing from the account.
        for (limit, subject) in [
            (&self.login_address, address),
            (&self.login_account, account),
        ] {
            let Some(subject) = subject else { continue };
            let decision = self.take(app, limit, &subject).await?;
            if let Some(decision) = decision.filter(|decision| !decision.allowed) {
                return Err(limit.refusal(&decision));
            }
        }
        Ok(())
    }

    /// Takes a token, here and now if that can be decided here.
    ///
    /// # Errors
    /// Too much work is under way to wait for an answer from elsewhere.
    async fn take(
        &self,
        app: &App,
        limit: &Limit,
        subject: &LimitSubject,
    ) -> Result<Option<RateDecision>, Problem> {
        let mut taking = self.limiter.take(&limit.policy, subject, NonZeroU32::MIN);
        let taken = match (&mut taking).now_or_never() {
            Some(taken) => taken,
            None => app.read(|_| taking).await?,
        };
        // A limiter that does not answer is no reason to refuse anybody.
        Ok(taken.ok())
    }
}

/// Limits who asks for too much; shows everybody else what is left.
pub(crate) async fn limit<B: MessageBody>(
    request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<EitherBody<B>>, Error> {
    let app = request.app_data::<web::Data<App>>().cloned();
    let asked = app.as_ref().and_then(|app| {
        let limits = app.rate_limits.as_deref()?;
        // The path as routes see it.
        let class = class_of(request.method(), request.match_info().as_str())?;
        Some((app, limits, limits.of(class), limits.subject_of(&request)?))
    });
    let Some((app, limits, limit, subject)) = asked else {
        return Ok(next.call(request).await?.map_into_left_body());
    };
    let decision = match limits.take(app, limit, &subject).await {
        Ok(decision) => decision,
        Err(problem) => {
            let refusal = request.into_response(problem.into_response());
            return Ok(refusal.map_into_right_body());
        }
    };
    match decision {
        Some(decision) if !decision.allowed => {
            let mut refusal = limit.refusal(&decision).into_response();
            limit.show(&decision, refusal.headers_mut());
            Ok(request.into_response(refusal).map_into_right_body())
        }
        decision => {
            let mut response = next.call(request).await?;
            if let Some(decision) = decision {
                limit.show(&decision, response.headers_mut());
            }
            Ok(response.map_into_left_body())
        }
    }
}

/// Whole seconds, rounded up: who waits that long has waited long enough.
fn seconds(time: Duration) -> u64 {
    time.as_secs() + u64::from(time.subsec_nanos() > 0)
}

#[cfg(test)]
mod tests;
