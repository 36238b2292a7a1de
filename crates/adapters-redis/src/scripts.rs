//! The Lua of `src/lua`: which keys and arguments each script gets and what its
//! answer means. How the scripts work is written beside their code.

use std::time::Duration;

use deadpool_redis::Connection;
use deadpool_redis::redis::{
    self, Cmd, ErrorKind, FromRedisValue, Pipeline, RedisError, RedisResult, ServerErrorKind,
    ToRedisArgs,
};
use domain::model::{EventId, EventSeats, ReservationId, SeatCount};
use domain::ports::{GateAnswer, GateGeneration, GateReading};

/// A script with the hash by which Redis knows it once it has seen it.
struct Script {
    source: &'static str,
    hash: String,
}

/// Puts together what all scripts share and the script of that name.
macro_rules! script {
    ($name:literal) => {
        Script::new(concat!(
            include_str!("lua/prelude.lua"),
            include_str!(concat!("lua/", $name, ".lua")),
        ))
    };
}

/// All scripts. Redis gets to know each of them when it first needs it, and
/// again after a restart or `SCRIPT FLUSH`.
pub(crate) struct Scripts {
    take: Script,
    settle: Script,
    release: Script,
    adjust: Script,
    open: Script,
    close: Script,
    read: Script,
    raise: Script,
    rebuild: Script,
}

impl Scripts {
    pub(crate) fn new() -> Self {
        Self {
            take: script!("take"),
            settle: script!("settle"),
            release: script!("release"),
            adjust: script!("adjust"),
            open: script!("open"),
            close: script!("close"),
            read: script!("read"),
            raise: script!("raise"),
            rebuild: script!("rebuild"),
        }
    }

    pub(crate) fn take(
        &self,
        event_id: EventId,
        reservation: ReservationId,
        seats: SeatCount,
        lease_ttl: Duration,
    ) -> Call<'_> {
        self.take
            .on(event_id)
            .with(reservation.to_string())
            .with(seats.get())
            .with(u64::try_from(lease_ttl.as_millis()).unwrap_or(u64::MAX))
    }

    pub(crate) fn settle(&self, event_id: EventId, reservation: ReservationId) -> Call<'_> {
        self.settle.on(event_id).with(reservation.to_string())
    }

    pub(crate) fn release(&self, event_id: EventId, reservation: ReservationId) -> Call<'_> {
        self.release.on(event_id).with(reservation.to_string())
    }

    pub(crate) fn adjust(&self, event_id: EventId, seats: i64) -> Call<'_> {
        self.adjust.on(event_id).with(seats)
    }

    pub(crate) fn open(&self, event: EventSeats) -> Call<'_> {
        self.open
            .on(event.event_id)
            .with(event.seats_available.get())
    }

    pub(crate) fn close(&self, event_id: EventId) -> Call<'_> {
        self.close.on(event_id)
    }

    pub(crate) fn raise(&self, event: EventSeats) -> Call<'_> {
        self.raise
            .on(event.event_id)
            .with(event.seats_available.get())
    }

    pub(crate) fn rebuild(&self, event: EventSeats, generation: GateGeneration) -> Call<'_> {
        self.rebuild
            .on(event.event_id)
            .with(event.seats_available.get())
            .with(generation.0)
    }

    /// Reads all these gates in one round trip.
    pub(crate) async fn read(
        &self,
        event_ids: &[EventId],
        mut connection: Connection,
    ) -> RedisResult<Vec<GateReading>> {
        let ask = |questions: &mut Pipeline| {
            for event_id in event_ids {
                questions.add_command(self.read.on(*event_id).by_hash());
            }
        };
        let mut questions = Pipeline::with_capacity(event_ids.len());
        ask(&mut questions);
        let answers = match questions.query_async(&mut connection).await {
            // All are asked again, because reading can be repeated. As a
            // transaction, so that the script is not forgotten in between.
            Err(error) if is_unknown_script(&error) => {
                let mut lesson = Pipeline::with_capacity(event_ids.len() + 1);
                lesson.atomic();
                lesson
                    .cmd("SCRIPT")
                    .arg("LOAD")
                    .arg(self.read.source)
                    .ignore();
                ask(&mut lesson);
                lesson.query_async(&mut connection).await
            }
            answers => answers,
        }?;
        Ok(readings(answers))
    }
}

impl Script {
    fn new(source: &'static str) -> Self {
        Self {
            source,
            hash: redis::Script::new(source).get_hash().to_owned(),
        }
    }

    fn on(&self, event_id: EventId) -> Call<'_> {
        Call {
            script: self,
            keys: keys(event_id),
            arguments: Vec::new(),
        }
    }
}

/// One call of a script, on the keys of one event.
pub(crate) struct Call<'a> {
    script: &'a Script,
    keys: [String; 4],
    arguments: Vec<Vec<u8>>,
}

impl Call<'_> {
    fn with(mut self, argument: impl ToRedisArgs) -> Self {
        argument.write_redis_args(&mut self.arguments);
        self
    }

    /// Runs the script, which takes one round trip if Redis knows it and two
    /// if it does not (yet, or any more).
    pub(crate) async fn run<T: FromRedisValue>(
        self,
        connection: &mut Connection,
    ) -> RedisResult<T> {
        match self.by_hash().query_async(connection).await {
            // Nothing was run, so even a script that must not be repeated is
            // sent again. With its source, rather than loading it first: it
            // may be forgotten between loading and running.
            Err(error) if is_unknown_script(&error) => {
                self.command("EVAL", self.script.source)
                    .query_async(connection)
                    .await
            }
            answer => answer,
        }
    }

    fn by_hash(&self) -> Cmd {
        self.command("EVALSHA", &self.script.hash)
    }

    fn command(&self, verb: &str, script: &str) -> Cmd {
        let mut command = redis::cmd(verb);
        command
            .arg(script)
            .arg(self.keys.len())
            .arg(&self.keys[..])
            .arg(&self.arguments[..]);
        command
    }
}

fn is_unknown_script(error: &RedisError) -> bool {
    error.kind() == ErrorKind::Server(ServerErrorKind::NoScript)
}

/// What `take.lua` answers: a word, and how many tokens are left.
pub(crate) fn gate_answer((word, tokens_left): (String, i64)) -> RedisResult<GateAnswer> {
    match word.as_str() {
        "granted" => Ok(GateAnswer::Granted),
        "refused" => Ok(GateAnswer::Refused { tokens_left }),
        "unknown" => Ok(GateAnswer::Unknown),
        _ => Err(RedisError::from((
            ErrorKind::UnexpectedReturnType,
            "take.lua answers granted, refused or unknown",
        ))),
    }
}

/// What `read.lua` answers for each event: tokens, leases, seats leased,
/// generation.
fn readings(answers: Vec<(Option<i64>, u64, i64, u64)>) -> Vec<GateReading> {
    answers
        .into_iter()
        .map(|(tokens, leases, seats_leased, generation)| GateReading {
            tokens,
            leases,
            seats_leased,
            generation: GateGeneration(generation),
        })
        .collect()
}

/// The keys of an event, in the order of `prelude.lua`. Operators know the
/// first one; the braces put the others into its slot of a cluster.
fn keys(event_id: EventId) -> [String; 4] {
    let bucket = format!("event:{event_id}:tokens");
    let [leases, leased_seats, generation] =
        ["leases", "leased_seats", "generation"].map(|part| format!("{{{bucket}}}:{part}"));
    [bucket, leases, leased_seats, generation]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_keys_of_an_event_share_a_slot() {
        let event_id = EventId::try_new(1).expect("positive");
        assert_eq!(
            keys(event_id),
            [
                "event:1:tokens",
                "{event:1:tokens}:leases",
                "{event:1:tokens}:leased_seats",
                "{event:1:tokens}:generation",
            ]
        );
    }

    #[test]
    fn an_answer_that_no_script_gives_is_an_error() {
        assert!(gate_answer(("perhaps".to_owned(), 1)).is_err());
    }
}
