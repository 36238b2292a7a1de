//! Who may use the admin calls: whoever knows the key.

use actix_web::body::{EitherBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::middleware::Next;
use actix_web::{Error, web};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use crate::app::App;

use super::status::admin_key_required;

/// The header that carries the key.
pub(crate) const HEADER: &str = "X-Admin-Key";

/// The admin key, kept and compared as a digest: comparing takes as long for a
/// wrong key of any length as for the right one.
#[derive(Clone)]
pub(crate) struct AdminKey([u8; 32]);

impl AdminKey {
    pub(crate) fn new(key: &str) -> Self {
        Self(Sha256::digest(key).into())
    }

    fn is(&self, key: &[u8]) -> bool {
        let digest: [u8; 32] = Sha256::digest(key).into();
        self.0.ct_eq(&digest).into()
    }
}

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
