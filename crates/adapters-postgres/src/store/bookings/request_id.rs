//! What tells a request from every other one, in the row that it makes.

use std::io::Write;

use diesel::pg::Pg;
use diesel::serialize::{IsNull, Output, Result, ToSql};
use diesel::sql_types;
use uuid::Uuid;

/// Drawn anew for each attempt to make a booking: a row that has it was made by
/// this attempt, whatever became of the connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, diesel::expression::AsExpression)]
#[diesel(sql_type = sql_types::Uuid)]
pub(super) struct RequestId(Uuid);

impl RequestId {
    /// One that nothing else has.
    pub(super) fn draw() -> Self {
        Self(Uuid::new_v4())
    }
}

impl ToSql<sql_types::Uuid, Pg> for RequestId {
    fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, Pg>) -> Result {
        out.write_all(self.0.as_bytes())?;
        Ok(IsNull::No)
    }
}
