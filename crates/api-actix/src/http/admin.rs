//! The organisers' endpoints, one per file: for the admin, and for services
//! with the scope that `access` names.

pub(crate) mod analytics;
mod api_key_fields;
pub(crate) mod change_event;
pub(crate) mod create_api_key;
pub(crate) mod delete_event;
pub(crate) mod erase_user;
pub(crate) mod event_bookings;
mod event_fields;
pub(crate) mod issue_password_token;
pub(crate) mod list_api_keys;
pub(crate) mod list_audit;
pub(crate) mod list_users;
pub(crate) mod pause_all_sales;
pub(crate) mod pause_event;
mod pause_fields;
pub(crate) mod paused_sales;
pub(crate) mod publish_event;
pub(crate) mod reinstate_user;
pub(crate) mod resume_all_sales;
pub(crate) mod resume_event;
pub(crate) mod revoke_api_key;
pub(crate) mod rotate_api_key;
pub(crate) mod seed_demo_data;
pub(crate) mod suspend_user;
pub(crate) mod view_user;
