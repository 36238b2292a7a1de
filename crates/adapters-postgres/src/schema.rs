//! The tables as diesel sees them; `migrations/postgres` makes them.

diesel::table! {
    users (id) {
        id -> BigInt,
        email -> Text,
        name -> Nullable<Text>,
        created_at -> Timestamptz,
        password_hash -> Nullable<Text>,
        suspended_at -> Nullable<Timestamptz>,
        erased_at -> Nullable<Timestamptz>,
    }
}

diesel::table! {
    events (id) {
        id -> BigInt,
        name -> Text,
        venue -> Nullable<Text>,
        start_at -> Timestamptz,
        capacity -> Integer,
        seats_available -> Integer,
        version -> BigInt,
        updated_at -> Timestamptz,
        deleted_at -> Nullable<Timestamptz>,
    }
}

diesel::table! {
    event_sales (event_id) {
        event_id -> BigInt,
        confirmed_bookings -> BigInt,
    }
}

diesel::table! {
    deletions_pending (event_id) {
        event_id -> BigInt,
        marked_created_at -> Nullable<Timestamptz>,
        marked_id -> Nullable<BigInt>,
    }
}
