//! Statements that are prepared once per connection and then reused.
//!
//! `diesel::sql_query` parses and plans its text each time. A type of its own
//! per statement has a static query id, so diesel prepares it once.

use diesel::connection::LoadConnection;
use diesel::prelude::*;
use diesel::query_dsl::LoadQuery;
use diesel::result::QueryResult;

/// Declares a statement: its parameters, the types of the columns it returns,
/// and its text, in which each `?` stands for the next parameter.
macro_rules! prepared {
    (
        $(#[$doc:meta])*
        $name:ident { $($field:ident: $rust:ty as $sql_type:ty),* $(,)? } -> $row:ty, $text:expr
    ) => {
        $(#[$doc])*
        #[derive(diesel::query_builder::QueryId)]
        pub(crate) struct $name {
            $(pub(crate) $field: $rust,)*
        }

        impl $name {
            /// The statement itself.
            #[allow(dead_code, reason = "read by the tests of plans, for lists")]
            pub(crate) const TEXT: &'static str = $text;
        }

        impl diesel::query_builder::QueryFragment<diesel::sqlite::Sqlite> for $name {
            fn walk_ast<'b>(
                &'b self,
                mut out: diesel::query_builder::AstPass<'_, 'b, diesel::sqlite::Sqlite>,
            ) -> diesel::QueryResult<()> {
                let mut pieces = Self::TEXT.split('?');
                out.push_sql(pieces.next().unwrap_or_default());
                $(
                    out.push_bind_param::<$sql_type, $rust>(&self.$field)?;
                    out.push_sql(pieces.next().unwrap_or_default());
                )*
                debug_assert!(pieces.next().is_none(), "a ? without a parameter");
                Ok(())
            }
        }

        impl diesel::query_builder::Query for $name {
            type SqlType = $row;
        }

        impl diesel::RunQueryDsl<diesel::SqliteConnection> for $name {}
    };
}

pub(crate) use prepared;

/// Runs a statement that returns a row or none.
pub(crate) fn at_most_one<'q, Q, R, C>(connection: &mut C, query: Q) -> QueryResult<Option<R>>
where
    C: LoadConnection,
    Q: LoadQuery<'q, C, R> + RunQueryDsl<C>,
{
    query.get_result(connection).optional()
}

/// As [`at_most_one`], for a statement that always returns a row.
///
/// # Errors
/// [`NotFound`](diesel::result::Error::NotFound) if it did not.
pub(crate) fn exactly_one<'q, Q, R, C>(connection: &mut C, query: Q) -> QueryResult<R>
where
    C: LoadConnection,
    Q: LoadQuery<'q, C, R> + RunQueryDsl<C>,
{
    query.get_result(connection)
}
