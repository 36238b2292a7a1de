//! Statements that are prepared once per connection and then reused.
//!
//! `diesel::sql_query` parses and plans its text each time. A type of its own
//! per statement has a static query id, so diesel-async prepares it once.

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

        impl diesel::query_builder::QueryFragment<diesel::pg::Pg> for $name {
            fn walk_ast<'b>(
                &'b self,
                mut out: diesel::query_builder::AstPass<'_, 'b, diesel::pg::Pg>,
            ) -> diesel::QueryResult<()> {
                let mut pieces = $text.split('?');
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

    };
}

pub(crate) use prepared;
