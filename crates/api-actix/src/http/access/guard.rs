//! The door of every route.

use actix_web::body::{BoxBody, EitherBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::StatusCode;
use actix_web::middleware::Next;
use actix_web::{Error, HttpMessage, web};
use domain::model::{Actor, Principal};
use tracing::Instrument;

use super::{Access, Call, Caller, Recorded, audit};
use crate::app::App;
use crate::auth::{Credential, NotIdentified};
use crate::http::limits::{self, Left};
use crate::http::problem::Problem;
use crate::http::status;

/// Finds out who is calling, lets them through if they may make this call, and
/// records what is to be recorded.
pub(crate) async fn guard<B: MessageBody + 'static>(
    call: Call,
    request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<EitherBody<B>>, Error> {
    let Some(app) = request.app_data::<web::Data<App>>().cloned() else {
        return refuse(request, Problem::internal("no app data".into()));
    };
    let principal = match identify(&app, call, &request).await {
        Ok(principal) => principal,
        Err(problem) => {
            // Who guesses is limited by the address.
            let admitted = limits::admit(&app, &request, &Principal::Anonymous).await;
            let problem = admitted.err().unwrap_or(problem);
            audit::refused(&app, call, Actor::Anonymous, &request, &problem).await;
            return refuse(request, problem);
        }
    };
    let actor = Actor::from(&principal);
    let left = match admit(&app, call, &request, &principal).await {
        Ok(left) => left,
        Err(problem) => {
            audit::refused(&app, call, actor, &request, &problem).await;
            return refuse(request, problem);
        }
    };
    if let Some(problem) = unknown_parameter(call, &request) {
        return refuse(request, problem);
    }
    let is_recorded = match call.recorded {
        Recorded::Never => false,
        Recorded::ForOthers => matches!(principal, Principal::Service { .. } | Principal::Admin),
        Recorded::Always => true,
    };
    request.extensions_mut().insert(Caller {
        principal,
        open: app.is_open(),
    });
    if !is_recorded {
        let mut response = next.call(request).await?;
        limits::show(left, response.headers_mut());
        // In open mode strangers ask for whatever they like.
        if actor != Actor::Anonymous && audit::is_refusal(call, response.status())
            || call.access == Access::Unasked && response.status() == StatusCode::UNAUTHORIZED
        {
            audit::answered(&app, call, actor, &response).await;
        }
        return Ok(response.map_into_left_body());
    }
    // What is done is recorded, whether its client waits for it or not.
    let work = async move {
        let mut response = next.call(request).await?;
        limits::show(left, response.headers_mut());
        audit::answered(&app, call, actor, &response).await;
        Ok(response.map_into_left_body())
    };
    let work = actix_web::rt::spawn(work.in_current_span());
    match work.await {
        Ok(outcome) => outcome,
        Err(panic) => Err(Problem::internal(Box::new(panic)).into()),
    }
}

/// Refuses a query where none is read; the others refuse what they do not know.
fn unknown_parameter(call: Call, request: &ServiceRequest) -> Option<Problem> {
    let query = request.query_string();
    if query.is_empty() || call.may_have_query() {
        return None;
    }
    let name = query.split(['=', '&']).next().unwrap_or_default();
    Some(Problem::invalid_field(
        name,
        "is not a parameter of this call",
    ))
}

/// Whether they may make the call at all, and one more of its kind now. Strangers
/// were counted further out.
async fn admit(
    app: &App,
    call: Call,
    request: &ServiceRequest,
    principal: &Principal,
) -> Result<Left, Problem> {
    let left = match principal {
        Principal::Anonymous => None,
        known => limits::admit(app, request, known).await?,
    };
    check(call.access, principal, app.is_open())?;
    Ok(left)
}

async fn identify(app: &App, call: Call, request: &ServiceRequest) -> Result<Principal, Problem> {
    if call.access == Access::Unasked {
        return Ok(Principal::Anonymous);
    }
    let credential = Credential::find(request.headers())
        .map_err(|header| Problem::invalid_field(header, "is one credential too many"))?;
    let Some(credential) = credential else {
        return Ok(Principal::Anonymous);
    };
    let services = app.services();
    let principal = app.identities.identify(&services.stores, credential).await;
    principal.map_err(|error| match error {
        NotIdentified::AccessToken => status::invalid_token(),
        NotIdentified::ApiKey => status::invalid_api_key(),
        NotIdentified::AdminKey => status::admin_key_required(),
        NotIdentified::Store(error) => error.into(),
    })
}

/// Whether they may make the call at all.
fn check(access: Access, principal: &Principal, open: bool) -> Result<(), Problem> {
    let missing = |scope| Err(status::missing_scope(scope));
    match (access, principal) {
        (Access::Unasked, _) => Ok(()),
        (Access::Myself, Principal::User { .. }) => Ok(()),
        (Access::Myself, Principal::Anonymous) => Err(status::authentication_required()),
        (Access::Myself, _) => Err(status::for_users_only()),
        (_, Principal::Admin) => Ok(()),
        (
            Access::Everybody(scope) | Access::Owner(scope) | Access::Organiser(scope),
            Principal::Service { scopes, .. },
        ) => match scopes.contain(scope) {
            true => Ok(()),
            false => missing(scope),
        },
        (Access::Everybody(_), _) | (Access::Owner(_), Principal::User { .. }) => Ok(()),
        (Access::Owner(_), Principal::Anonymous) => match open {
            true => Ok(()),
            false => Err(status::authentication_required()),
        },
        (Access::Organiser(_) | Access::Admin, Principal::Anonymous) => {
            Err(status::admin_key_required())
        }
        (Access::Organiser(_) | Access::Admin, _) => Err(status::admins_only()),
    }
}

fn refuse<B: MessageBody>(
    request: ServiceRequest,
    problem: Problem,
) -> Result<ServiceResponse<EitherBody<B, BoxBody>>, Error> {
    let response = problem.into_response();
    Ok(request.into_response(response).map_into_right_body())
}
