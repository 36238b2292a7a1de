//! The organisers' endpoints, one per file. All need the admin key.

pub(crate) mod analytics;
pub(crate) mod change_event;
pub(crate) mod delete_event;
pub(crate) mod event_bookings;
mod event_fields;
pub(crate) mod list_users;
pub(crate) mod publish_event;
pub(crate) mod seed_demo_data;
