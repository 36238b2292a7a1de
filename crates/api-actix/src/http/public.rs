//! The public endpoints, one per file.

pub(crate) mod book;
pub(crate) mod booking_history;
pub(crate) mod cancel_booking;
pub(crate) mod health;
pub(crate) mod list_events;
pub(crate) mod ready;
pub(crate) mod register_user;
pub(crate) mod view_booking;
pub(crate) mod view_event;
