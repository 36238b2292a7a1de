//! `DELETE /users/me`: erases the caller.

use actix_web::{HttpResponse, web};
use domain::usecases;

use crate::app::App;
use crate::http::access::Caller;
use crate::http::problem::Problem;

/// Erase me.
///
/// Address, name and password are gone, all sessions end, and bookings of
/// events that are yet to come are cancelled. Bookings of the past stay, with
/// an id for an owner.
#[utoipa::path(
    delete, path = "/users/me", tag = "accounts", operation_id = "erase_me",
    responses((status = 204, description = "Erased")),
)]
pub(crate) async fn erase_me(app: web::Data<App>, caller: Caller) -> Result<HttpResponse, Problem> {
    let (user_id, _) = caller.myself()?;
    app.run(|services| async move {
        let (stores, gate) = (&services.stores, &*services.gate.port);
        usecases::erase_user(&*stores.accounts, &*stores.bookings, gate, user_id).await
    })
    .await??;
    app.identities.forget_sessions();
    Ok(HttpResponse::NoContent().finish())
}
