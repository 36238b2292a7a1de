//! `GET /admin/analytics`: how events sell.

use actix_web::{HttpRequest, HttpResponse, web};
use domain::model::{EventSales, PageLimit};
use serde::Serialize;
use utoipa::ToSchema;

use crate::app::App;
use crate::http::cursor::SalesCursor;
use crate::http::extract::Query;
use crate::http::paging;
use crate::http::problem::Problem;

/// How events sell.
#[derive(Serialize, ToSchema)]
#[schema(example = json!({"total_confirmed_bookings": 3, "events": [{
    "event_id": 1, "name": "Indie Concert", "total_confirmed_bookings": 3, "confirmed_seats": 4,
    "capacity": 5, "seats_available": 1, "capacity_utilization_pct": 80.0
}]}))]
pub(crate) struct AnalyticsResponse {
    /// Confirmed bookings of all events that are not deleted.
    total_confirmed_bookings: i64,
    /// The events of this page, most booked first.
    events: Vec<EventFigures>,
}

/// How one event sells.
#[derive(Serialize, ToSchema)]
#[schema(example = json!({
    "event_id": 1, "name": "Indie Concert", "total_confirmed_bookings": 3, "confirmed_seats": 4,
    "capacity": 5, "seats_available": 1, "capacity_utilization_pct": 80.0
}))]
pub(crate) struct EventFigures {
    /// Its id.
    event_id: i64,
    /// What it is called.
    name: String,
    /// Its confirmed bookings.
    total_confirmed_bookings: i64,
    /// The seats that they hold.
    confirmed_seats: u32,
    /// Seats in all.
    capacity: u32,
    /// Seats that nobody has booked.
    seats_available: u32,
    /// Confirmed seats in per cent of the capacity, two decimals; 0 at capacity 0.
    capacity_utilization_pct: f64,
}

impl From<&EventSales> for EventFigures {
    fn from(sales: &EventSales) -> Self {
        Self {
            event_id: sales.event_id.get(),
            name: sales.name.as_str().to_owned(),
            total_confirmed_bookings: sales.confirmed_bookings,
            confirmed_seats: sales.confirmed_seats().get(),
            capacity: sales.capacity.get(),
            seats_available: sales.seats_available.get(),
            capacity_utilization_pct: sales.utilisation_percent(),
        }
    }
}

/// How do events sell?
///
/// Most confirmed bookings first. Deleted events are left out.
#[utoipa::path(
    get, path = "/admin/analytics", tag = "admin", operation_id = "analytics",
    params(
        ("limit" = Option<u8>, Query, description = "Events of a page, 1 to 100; 100 when absent", minimum = 1, maximum = 100, example = 100),
        ("cursor" = Option<String>, Query, description = "Where the page begins, from the `Link` of the page before"),
    ),
    responses((status = 200, description = "Figures", body = AnalyticsResponse,
        headers(("Link" = Option<String>, description = "`<…>; rel=\"next\"` when there are more")))),
)]
pub(crate) async fn analytics(
    app: web::Data<App>,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let page = Query::parse(&request)?.page::<SalesCursor>(PageLimit::MAX)?;
    let report = app
        .read(|services| async move { services.stores.sales.report(paging::to_store(page)).await })
        .await??;
    let body = AnalyticsResponse {
        total_confirmed_bookings: report.confirmed_bookings_total,
        events: report
            .events
            .entries
            .iter()
            .map(EventFigures::from)
            .collect(),
    };
    let (path, limit) = ("/admin/analytics", page.limit);
    Ok(paging::respond::<_, SalesCursor, _>(
        path,
        None,
        limit,
        &report.events,
        body,
    ))
}
