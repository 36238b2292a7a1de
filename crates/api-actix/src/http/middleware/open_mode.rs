//! In open mode a server trusts whoever reaches it, because only its own
//! machine can. A proxy on that machine would let everybody in.

use actix_web::Error;
use actix_web::body::{EitherBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::middleware::Next;

use crate::http::status::forwarded_in_open_mode;

/// What proxies add to the requests that they pass on.
const FORWARDING: [&str; 6] = [
    "Forwarded",
    "X-Forwarded-For",
    "X-Forwarded-Host",
    "X-Forwarded-Proto",
    "X-Real-IP",
    "Via",
];

/// Refuses requests that somebody has passed on.
pub(crate) async fn refuse_forwarded<B: MessageBody>(
    request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<EitherBody<B>>, Error> {
    let headers = request.headers();
    let forwarding = FORWARDING.iter().find(|name| headers.contains_key(**name));
    match forwarding {
        None => Ok(next.call(request).await?.map_into_left_body()),
        Some(name) => {
            let refusal = forwarded_in_open_mode(name).into_response();
            Ok(request.into_response(refusal).map_into_right_body())
        }
    }
}
