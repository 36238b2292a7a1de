//! `POST /auth/logout`: ends the session.

use actix_web::{HttpResponse, web};

use crate::app::App;
use crate::http::access::Caller;
use crate::http::problem::Problem;

/// Log out.
///
/// The session of the access token ends, and its refresh token with it.
#[utoipa::path(
    post, path = "/auth/logout", tag = "accounts", operation_id = "logout",
    responses((status = 204, description = "The session has ended")),
)]
pub(crate) async fn logout(app: web::Data<App>, caller: Caller) -> Result<HttpResponse, Problem> {
    let (_, session_id) = caller.myself()?;
    app.run(|services| async move { services.stores.sessions.end(session_id).await })
        .await??;
    app.identities.forget_sessions();
    Ok(HttpResponse::NoContent().finish())
}
