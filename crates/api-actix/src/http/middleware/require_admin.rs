//! The door to the admin calls.

use actix_web::body::{EitherBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::middleware::Next;
use actix_web::{Error, web};

use crate::app::App;
use crate::http::status::admin_key_required;

/// The header that carries the key.
pub(crate) const HEADER: &str = "X-Admin-Key";

/// Lets only requests with the right key through.
pub(crate) async fn require<B: MessageBody>(
    request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<EitherBody<B>>, Error> {
    let app = request.app_data::<web::Data<App>>();
    let given = request.headers().get(HEADER);
    match (app, given) {
        (Some(app), Some(given)) if app.admin_key.is(given.as_bytes()) => {
            Ok(next.call(request).await?.map_into_left_body())
        }
        _ => {
            let refusal = admin_key_required().into_response();
            Ok(request.into_response(refusal).map_into_right_body())
        }
    }
}
