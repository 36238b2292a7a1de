//! All calls there are.

use domain::model::Scope;

use super::{Access, Call, Recorded};

macro_rules! calls {
    ($($(#[$doc:meta])* $name:ident = $operation:literal, $access:expr, $recorded:ident;)*) => {
        $(
            $(#[$doc])*
            pub(crate) const $name: Call = Call {
                operation: $operation,
                access: $access,
                recorded: Recorded::$recorded,
            };
        )*

        /// Every call, for the interface's description.
        pub(crate) const ALL: &[Call] = &[$($name,)*];
    };
}

calls! {
    LIST_EVENTS = "list_events", Access::Everybody(Scope::EventsRead), Never;
    VIEW_EVENT = "view_event", Access::Everybody(Scope::EventsRead), Never;
    BOOK = "book", Access::Owner(Scope::BookingsWrite), ForOthers;
    CANCEL_BOOKING = "cancel_booking", Access::Owner(Scope::BookingsWrite), ForOthers;
    VIEW_BOOKING = "view_booking", Access::Owner(Scope::BookingsRead), Never;
    BOOKING_HISTORY = "booking_history", Access::Owner(Scope::BookingsRead), Never;

    REGISTER_USER = "register_user", Access::Everybody(Scope::UsersWrite), Always;
    VIEW_ME = "view_me", Access::Myself, Never;
    CHANGE_ME = "change_me", Access::Myself, Always;
    MY_BOOKINGS = "my_bookings", Access::Myself, Never;
    EXPORT_ME = "export_me", Access::Myself, Always;
    ERASE_ME = "erase_me", Access::Myself, Always;

    LOGIN = "login", Access::Unasked, Always;
    REFRESH = "refresh", Access::Unasked, Never;
    SET_PASSWORD = "set_password", Access::Unasked, Always;
    LOGOUT = "logout", Access::Myself, Always;

    PUBLISH_EVENT = "publish_event", Access::Organiser(Scope::AdminEvents), Always;
    CHANGE_EVENT = "change_event", Access::Organiser(Scope::AdminEvents), Always;
    DELETE_EVENT = "delete_event", Access::Organiser(Scope::AdminEvents), Always;
    EVENT_BOOKINGS = "event_bookings", Access::Organiser(Scope::AdminEvents), Always;
    PAUSE_EVENT = "pause_event", Access::Organiser(Scope::AdminEvents), Always;
    RESUME_EVENT = "resume_event", Access::Organiser(Scope::AdminEvents), Always;
    PAUSE_ALL_SALES = "pause_all_sales", Access::Organiser(Scope::AdminEvents), Always;
    RESUME_ALL_SALES = "resume_all_sales", Access::Organiser(Scope::AdminEvents), Always;
    PAUSED_SALES = "paused_sales", Access::Organiser(Scope::AdminEvents), Always;
    ANALYTICS = "analytics", Access::Organiser(Scope::AdminEvents), Always;
    SEED_DEMO_DATA = "seed_demo_data", Access::Admin, Always;

    LIST_USERS = "list_users", Access::Organiser(Scope::UsersRead), Always;
    VIEW_USER = "view_user", Access::Organiser(Scope::UsersRead), Always;
    SUSPEND_USER = "suspend_user", Access::Organiser(Scope::AdminUsers), Always;
    REINSTATE_USER = "reinstate_user", Access::Organiser(Scope::AdminUsers), Always;
    ERASE_USER = "erase_user", Access::Organiser(Scope::AdminUsers), Always;
    ISSUE_PASSWORD_TOKEN = "issue_password_token", Access::Organiser(Scope::UsersWrite), Always;

    CREATE_API_KEY = "create_api_key", Access::Admin, Always;
    LIST_API_KEYS = "list_api_keys", Access::Admin, Always;
    ROTATE_API_KEY = "rotate_api_key", Access::Admin, Always;
    REVOKE_API_KEY = "revoke_api_key", Access::Admin, Always;
    LIST_AUDIT = "list_audit", Access::Organiser(Scope::AdminAudit), Always;

    /// What does not exist below `/admin`: strangers do not learn that it does not.
    NO_ADMIN_CALL = "no_admin_call", Access::Admin, Never;
    HEALTH = "health", Access::Unasked, Never;
    READY = "ready", Access::Unasked, Never;
    DOCS = "docs", Access::Unasked, Never;
}
