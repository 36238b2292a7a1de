//! `POST /bookings`: books seats.

use actix_web::http::header::LOCATION;
use actix_web::{HttpRequest, HttpResponse, web};
use domain::model::{
    BookSeats, Booked, BookingStatus, EventId, IdempotencyKey, Invalid, ReservationId, Scope,
    SeatCount, UserId,
};
use domain::ports::BookError;
use domain::usecases;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::app::App;
use crate::http::access::{Caller, name_object};
use crate::http::extract::{IdempotencyHeader, Json};
use crate::http::problem::{Fields, Problem, ProblemBody};

/// Who wants how many seats of which event.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"user_id": 1, "event_id": 1, "seats": 1}))]
pub(crate) struct BookRequest {
    /// Who wants them; a user who is logged in may leave it out.
    #[schema(minimum = 1)]
    user_id: Option<i64>,
    /// Of which event.
    #[schema(minimum = 1)]
    event_id: i64,
    /// How many, 1 when absent; at most what the server is configured for (100).
    #[serde(default = "one")]
    #[schema(minimum = 1, default = 1)]
    seats: i64,
    /// The caller's name for this booking: the same key again repeats the
    /// answer instead of booking again. May be given in the header instead.
    #[schema(
        min_length = 1,
        max_length = 255,
        pattern = r"^[^\x00-\x1F\x7F-\x9F]+$"
    )]
    idempotency_key: Option<String>,
}

fn one() -> i64 {
    1
}

/// A confirmed booking.
#[derive(Serialize, ToSchema)]
#[schema(example = json!({"booking_id": 1, "status": "CONFIRMED", "user_id": 1, "event_id": 1, "seats": 1}))]
pub(crate) struct BookResponse {
    /// Its id.
    booking_id: i64,
    /// `CONFIRMED`.
    status: &'static str,
    /// Whose it is.
    user_id: i64,
    /// What it is for.
    event_id: i64,
    /// How many seats.
    seats: u32,
}

impl From<&Booked> for BookResponse {
    fn from(booked: &Booked) -> Self {
        Self {
            booking_id: booked.booking_id.get(),
            status: BookingStatus::Confirmed.as_str(),
            user_id: booked.user_id.get(),
            event_id: booked.event_id.get(),
            seats: booked.seats.get(),
        }
    }
}

impl BookRequest {
    fn parse(self, caller: &Caller, header: IdempotencyHeader) -> Result<BookSeats, Problem> {
        let mut fields = Fields::default();
        let user_id = match (self.user_id, caller.user_id()) {
            (Some(user_id), _) => UserId::try_new(user_id),
            (None, Some(user_id)) => Ok(user_id),
            (None, None) => Err(Invalid::new("must be given: no user is calling")),
        };
        let user_id = fields.take("user_id", user_id);
        let event_id = fields.take("event_id", EventId::try_new(self.event_id));
        let seats = fields.take("seats", SeatCount::try_new(self.seats));
        let in_header = fields
            .take_option("Idempotency-Key", header.into_inner())
            .flatten();
        let in_body = self.idempotency_key.as_deref().map(IdempotencyKey::parse);
        let in_body = fields.take_option("idempotency_key", in_body).flatten();
        if let (Some(in_header), Some(in_body)) = (&in_header, &in_body)
            && in_header != in_body
        {
            fields.wrong(
                "idempotency_key",
                "must agree with the header Idempotency-Key",
            );
        }
        let parsed = user_id
            .zip(event_id)
            .zip(seats)
            .map(|((user_id, event_id), seats)| BookSeats {
                user_id,
                event_id,
                seats,
                idempotency_key: in_header.or(in_body),
            });
        fields.finish(parsed)
    }
}

/// Book seats.
///
/// Either all of the seats are the buyer's, or none. With an idempotency key
/// the request may be repeated, also at the same time: one booking is made,
/// and every repetition gets the same answer, with `Idempotency-Replayed: true`.
#[utoipa::path(
    post, path = "/bookings", tag = "bookings", operation_id = "book",
    request_body = BookRequest,
    params(("Idempotency-Key" = Option<String>, Header,
        description = "The caller's name for this booking, quoted or not; unique per user",
        min_length = 1, max_length = 255)),
    responses(
        (status = 201, description = "Booked", body = BookResponse, headers(
            ("Location" = String, description = "Path of the booking"),
            ("Idempotency-Replayed" = Option<String>, description = "`true` when an earlier request made the booking"),
        )),
        (status = 403, description = "An admin suspended the user (`user_suspended`)",
         body = ProblemBody, content_type = "application/problem+json"),
        (status = 404, description = "No such user or event (`user_not_found`, `event_not_found`)",
         body = ProblemBody, content_type = "application/problem+json"),
        (status = 409, description = "Not enough seats, or the event has started, or sales are paused (`not_enough_seats`, `event_started`, `sales_paused`)",
         body = ProblemBody, content_type = "application/problem+json"),
        (status = 422, description = "The key was used for another booking (`idempotency_key_reused`)",
         body = ProblemBody, content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn book(
    app: web::Data<App>,
    caller: Caller,
    request: HttpRequest,
    body: Json<BookRequest>,
) -> Result<HttpResponse, Problem> {
    let command = body.0.parse(&caller, IdempotencyHeader::of(&request))?;
    if !caller.may_act_for(command.user_id, Scope::BookingsWrite) {
        return Err(BookError::UserNotFound(command.user_id).into());
    }
    let event_id = command.event_id;
    let reservation = ReservationId::from_random_bits(Uuid::new_v4().as_u128());
    let booked = app
        .run(|services| async move {
            let (store, gate) = (&*services.stores.bookings, &*services.gate.port);
            let booked = usecases::book(store, gate, &services.policy, reservation, command).await;
            services.metrics.sales.decided(&booked);
            services.metrics.hottest.decided(event_id, &booked);
            booked
        })
        .await??;
    let mut response = HttpResponse::Created();
    response.insert_header((LOCATION, format!("/bookings/{}", booked.booking_id)));
    if booked.replayed {
        response.insert_header(("Idempotency-Replayed", "true"));
    }
    let mut response = response.json(BookResponse::from(&booked));
    name_object(&mut response, "booking", booked.booking_id.get());
    Ok(response)
}
