//! The Lua of `src/lua`: which keys and arguments each script gets and what its
//! answer means. How the scripts work is written beside their code.

use std::sync::{Arc, LazyLock};

use deadpool_redis::redis::aio::ConnectionLike;
use deadpool_redis::redis::{
    self, Cmd, ErrorKind, FromRedisValue, Pipeline, RedisError, RedisResult, RedisWrite,
    ServerErrorKind, ToRedisArgs, Value,
};
use domain::model::{EventId, EventSeats};
use domain::ports::{GateGeneration, GateReading};

/// A script with the hash by which Redis knows it once it has seen it.
pub(crate) struct Script {
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

/// Gates that are read in one round trip. Redis runs all that it was sent on one
/// connection before it looks at another: a longer list would keep bookings
/// waiting for milliseconds, once a second.
const READ_AT_ONCE: usize = 64;

/// All scripts. Redis gets to know each of them when it first needs it, and
/// again after a restart or `SCRIPT FLUSH`.
pub(crate) struct Scripts {
    batch: Script,
    read: Script,
    raise: Script,
    rebuild: Script,
}

impl Scripts {
    /// Those of all gates. Their hashes are worked out once.
    pub(crate) fn shared() -> Arc<Self> {
        static SHARED: LazyLock<Arc<Scripts>> = LazyLock::new(|| Arc::new(Scripts::new()));
        Arc::clone(&SHARED)
    }

    pub(crate) fn new() -> Self {
        Self {
            batch: script!("batch"),
            read: script!("read"),
            raise: script!("raise"),
            rebuild: script!("rebuild"),
        }
    }

    /// A call of `batch.lua` that asks nothing yet: the words of its commands
    /// are to follow.
    pub(crate) fn batch(&self, event_id: EventId, lease_ttl_ms: u64) -> Cmd {
        let mut call = redis::cmd("EVALSHA");
        call.arg(&self.batch.hash).arg(KEYS_COUNT);
        write_keys(&mut call, event_id);
        call.arg(lease_ttl_ms);
        call
    }

    /// The script that [`batch`](Self::batch) calls.
    pub(crate) fn batch_script(&self) -> &Script {
        &self.batch
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

    /// Reads all these gates, [`READ_AT_ONCE`] in each round trip.
    pub(crate) async fn read(
        &self,
        event_ids: &[EventId],
        mut connection: impl ConnectionLike,
    ) -> RedisResult<Vec<GateReading>> {
        let mut readings = Vec::with_capacity(event_ids.len());
        for event_ids in event_ids.chunks(READ_AT_ONCE) {
            readings.extend(self.read_at_once(event_ids, &mut connection).await?);
        }
        Ok(readings)
    }

    async fn read_at_once(
        &self,
        event_ids: &[EventId],
        connection: &mut impl ConnectionLike,
    ) -> RedisResult<Vec<GateReading>> {
        let ask = |questions: &mut Pipeline| {
            for event_id in event_ids {
                questions.add_command(self.read.on(*event_id).by_hash());
            }
        };
        let mut questions = Pipeline::with_capacity(event_ids.len());
        ask(&mut questions);
        let answers = match questions.query_async(&mut *connection).await {
            // All are asked again, because reading can be repeated. As a
            // transaction, so that the script is not forgotten in between.
            Err(error) if is_no_script(&error) => {
                let mut lesson = Pipeline::with_capacity(event_ids.len() + 1);
                lesson.atomic();
                lesson
                    .cmd("SCRIPT")
                    .arg("LOAD")
                    .arg(self.read.source)
                    .ignore();
                ask(&mut lesson);
                lesson.query_async(&mut *connection).await
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

    /// The one of the rate limiter, which shares nothing with those of the gate.
    pub(crate) fn rate() -> Self {
        Self::new(include_str!("lua/rate.lua"))
    }

    /// A call to which the number of keys, keys and arguments are to be added.
    pub(crate) fn call(&self) -> Cmd {
        let mut call = redis::cmd("EVALSHA");
        call.arg(&self.hash);
        call
    }

    /// Sends calls of this script together: one answer for each, which may be an
    /// error. Those that Redis did not run because it does not know the script
    /// (any more) are sent once more.
    pub(crate) async fn run_all(
        &self,
        calls: &Pipeline,
        redis: &mut impl ConnectionLike,
    ) -> RedisResult<Vec<Value>> {
        let mut answers = redis.req_packed_commands(calls, 0, calls.len()).await?;
        let unknown: Vec<_> = (0..answers.len())
            .filter(|&call| is_unknown_script(&answers[call]))
            .collect();
        if !unknown.is_empty() {
            // Nothing was run there, so even what must not be repeated is asked
            // again, and only there.
            let again = calls
                .cmd_iter()
                .enumerate()
                .filter(|(call, _)| unknown.binary_search(call).is_ok())
                .map(|(_, command)| command.clone());
            let answers_again = self.teach_and_run(again, redis).await?;
            for (call, answer) in unknown.into_iter().zip(answers_again) {
                answers[call] = answer;
            }
        }
        Ok(answers)
    }

    /// Calls the script after Redis forgot it. As a transaction, so that it is
    /// not forgotten in between.
    async fn teach_and_run(
        &self,
        calls: impl IntoIterator<Item = Cmd>,
        redis: &mut impl ConnectionLike,
    ) -> RedisResult<Vec<Value>> {
        let mut lesson = Pipeline::new();
        lesson.atomic().ignore_errors();
        lesson.cmd("SCRIPT").arg("LOAD").arg(self.source).ignore();
        for call in calls {
            lesson.add_command(call);
        }
        lesson.query_async(redis).await
    }

    fn on(&self, event_id: EventId) -> Call<'_> {
        Call {
            script: self,
            event_id,
            arguments: Vec::new(),
        }
    }
}

/// One call of a script, on the keys of one event.
pub(crate) struct Call<'a> {
    script: &'a Script,
    event_id: EventId,
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
        connection: &mut impl ConnectionLike,
    ) -> RedisResult<T> {
        match self.by_hash().query_async(&mut *connection).await {
            // Nothing was run, so even a script that must not be repeated is
            // sent again. With its source, rather than loading it first: it
            // may be forgotten between loading and running.
            Err(error) if is_no_script(&error) => {
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
        command.arg(script).arg(KEYS_COUNT);
        write_keys(&mut command, self.event_id);
        command.arg(&self.arguments[..]);
        command
    }
}

fn is_no_script(error: &RedisError) -> bool {
    error.kind() == ErrorKind::Server(ServerErrorKind::NoScript)
}

/// Whether a call was not run because Redis does not know its script.
fn is_unknown_script(answer: &Value) -> bool {
    matches!(answer, Value::ServerError(error) if error.kind() == Some(ServerErrorKind::NoScript))
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

const KEYS_COUNT: usize = 4;

/// Writes the keys of an event, in the order of `prelude.lua`. Operators know
/// the first one; the braces put the others into its slot of a cluster.
fn write_keys(call: &mut Cmd, event_id: EventId) {
    call.write_arg_fmt(format_args!("event:{event_id}:tokens"));
    for part in ["leases", "leased_seats", "generation"] {
        call.write_arg_fmt(format_args!("{{event:{event_id}:tokens}}:{part}"));
    }
}

#[cfg(test)]
mod tests {
    use deadpool_redis::redis::Arg;

    use super::*;

    #[test]
    fn the_keys_of_an_event_share_a_slot() {
        let event_id = EventId::try_new(1).expect("positive");
        let mut call = Cmd::new();
        write_keys(&mut call, event_id);
        let keys: Vec<_> = call.args_iter().collect();
        assert_eq!(keys.len(), KEYS_COUNT);
        for (key, expected) in keys.iter().zip([
            "event:1:tokens",
            "{event:1:tokens}:leases",
            "{event:1:tokens}:leased_seats",
            "{event:1:tokens}:generation",
        ]) {
            assert!(matches!(key, Arg::Simple(key) if *key == expected.as_bytes()));
        }
    }
}
