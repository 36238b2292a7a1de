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
use actix_web::{Error, web};
use domain::model::{Email, LimitSubject, Principal, RateDecision, RatePolicy, UserId};
use domain::ports::RateLimiter;
use futures::FutureExt;
use prometheus::IntCounter;

use self::class::{RateClass, class_of};
use self::client::Proxies;
use super::problem::Problem;
use super::status::rate_limited;
use crate::app::App;
use crate::auth::Credential;
use crate::metrics::Metrics;
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
    refusals: IntCounter,
}

impl Limit {
    fn new(policy: RatePolicy, metrics: &Metrics) -> Self {
        let (name, quota, window) = (policy.name(), policy.quota(), policy.window().as_secs());
        let shown = format!("\"{name}\";q={quota};w={window}");
        Self {
            policy,
            refusals: metrics.refusals(&policy),
            shown: HeaderValue::try_from(shown).expect("a policy's name is plain ASCII"),
        }
    }

    fn refusal(&self, decision: &RateDecision) -> Problem {
        self.refusals.inc();
        rate_limited(self.policy.name(), seconds(decision.retry_after).max(1))
    }

    fn left(&self, decision: &RateDecision) -> [(HeaderName, HeaderValue); 2] {
        let mut left = String::with_capacity(48);
        let (name, remaining) = (self.policy.name(), decision.remaining);
        let reset_s = seconds(decision.reset_after);
        // A text takes everything.
        let _ = write!(left, "\"{name}\";r={remaining};t={reset_s}");
        let left = HeaderValue::try_from(left).expect("a policy's name is plain ASCII");
        [(RATE_LIMIT, left), (RATE_LIMIT_POLICY, self.shown.clone())]
    }
}

impl RateLimits {
    pub(crate) fn new(
        limiter: Arc<dyn RateLimiter>,
        policies: RatePolicies,
        settings: &HttpSettings,
        metrics: &Metrics,
    ) -> Self {
        let limit = |policy| Limit::new(policy, metrics);
        Self {
            limiter,
            proxies: Proxies::new(settings),
            read: limit(policies.read),
            book: limit(policies.book),
            register: limit(policies.register),
            admin: limit(policies.admin),
            login_account: limit(policies.login_account),
            login_address: limit(policies.login_address),
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

    /// Nobody if it comes from a program on this machine.
    fn address_of(&self, peer: Option<SocketAddr>, headers: &HeaderMap) -> Option<LimitSubject> {
        let client = self.proxies.client(peer?, headers);
        (!client.is_local).then(|| LimitSubject::address(client.address))
    }

    /// To be called before a password is looked at: whether that may be, going by
    /// the account, whoever tries, and by the address, whichever account it tries.
    ///
    /// # Errors
    /// Too many tries, or too much work is under way.
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

    /// As [`log_in`](Self::log_in), for a user who is logged in and shows the
    /// password once more.
    ///
    /// # Errors
    /// Too many tries, or too much work is under way.
    pub(crate) async fn try_password(&self, app: &App, user_id: UserId) -> Result<(), Problem> {
        let limit = &self.login_account;
        let subject = LimitSubject::user(user_id);
        match self.take(app, limit, &subject).await? {
            Some(decision) if !decision.allowed => Err(limit.refusal(&decision)),
            _ => Ok(()),
        }
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

/// Limits strangers who ask for too much, by their address; shows everybody else
/// what is left. Who shows a credential is let pass, to the guard of the route,
/// which finds out who it is.
pub(crate) async fn limit<B: MessageBody>(
    request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<EitherBody<B>>, Error> {
    let app = request.app_data::<web::Data<App>>().cloned();
    let is_stranger = |app: &web::Data<App>| {
        app.rate_limits.is_some() && !Credential::is_shown(request.headers())
    };
    let Some(app) = app.filter(is_stranger) else {
        return Ok(next.call(request).await?.map_into_left_body());
    };
    match admit(&app, &request, &Principal::Anonymous).await {
        Err(refusal) => {
            let refusal = request.into_response(refusal.into_response());
            Ok(refusal.map_into_right_body())
        }
        Ok(left) => {
            let mut response = next.call(request).await?;
            show(left, response.headers_mut());
            Ok(response.map_into_left_body())
        }
    }
}

/// What is left of a policy, as headers.
pub(crate) type Left = Option<[(HeaderName, HeaderValue); 2]>;

/// Adds what is left to an answer.
pub(crate) fn show(left: Left, headers: &mut HeaderMap) {
    for (name, value) in left.into_iter().flatten() {
        headers.insert(name, value);
    }
}

/// Whether this principal, or whoever calls from that address, may make one more
/// request.
///
/// # Errors
/// They have asked for too much, or too much work is under way.
pub(crate) async fn admit(
    app: &App,
    request: &ServiceRequest,
    principal: &Principal,
) -> Result<Left, Problem> {
    let Some(limits) = app.rate_limits.as_deref() else {
        return Ok(None);
    };
    // The path as routes see it.
    let Some(class) = class_of(request.method(), request.match_info().as_str()) else {
        return Ok(None);
    };
    let subject = match principal {
        Principal::Anonymous => limits.address_of(request.peer_addr(), request.headers()),
        Principal::User { user_id, .. } => Some(LimitSubject::user(*user_id)),
        Principal::Service { key_id, .. } => Some(LimitSubject::service(*key_id)),
        Principal::Admin => LimitSubject::principal("admin").ok(),
    };
    let Some(subject) = subject else {
        return Ok(None);
    };
    let limit = limits.of(class);
    match limits.take(app, limit, &subject).await? {
        None => Ok(None),
        Some(decision) if decision.allowed => Ok(Some(limit.left(&decision))),
        Some(decision) => {
            let refusal = limit.refusal(&decision);
            let [left, policy] = limit.left(&decision).map(|(_, value)| value);
            let text = |value: HeaderValue| value.to_str().unwrap_or_default().to_owned();
            Err(refusal
                .with_header("RateLimit", text(left))
                .with_header("RateLimit-Policy", text(policy)))
        }
    }
}

/// Whole seconds, rounded up: who waits that long has waited long enough.
fn seconds(time: Duration) -> u64 {
    time.as_secs() + u64::from(time.subsec_nanos() > 0)
}

#[cfg(test)]
mod tests;
