//! The Lua of `src/lua`: which keys and arguments each script gets and what its
//! answer means. How the scripts work is written beside their code.

use std::sync::{Arc, LazyLock};

use deadpool_redis::redis::aio::ConnectionLike;
use deadpool_redis::redis::{
    self, Arg, Cmd, ErrorKind, FromRedisValue, Pipeline, RedisError, RedisResult, RedisWrite,
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
pub(crate) const READ_AT_ONCE: usize = 64;

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

    /// The script that looks at a gate, and a call of it for each of these.
    pub(crate) fn reads(&self, event_ids: &[EventId]) -> (&Script, Vec<Cmd>) {
        let calls = event_ids.iter().map(|id| self.read.on(*id).by_hash());
        (&self.read, calls.collect())
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
        let mut answers = run_once(calls, redis).await?;
        let unknown = unknown_scripts(&answers);
        if !unknown.is_empty() {
            // As a transaction, so that the script is not forgotten in between.
            let mut lesson = Pipeline::new();
            lesson.atomic().ignore_errors();
            lesson.cmd("SCRIPT").arg("LOAD").arg(self.source).ignore();
            add_again(&mut lesson, calls, &unknown);
            let again: Vec<Value> = lesson.query_async(redis).await?;
            put(&mut answers, unknown, again);
        }
        Ok(answers)
    }

    /// As [`run_all`](Self::run_all), on a node of a cluster, where a transaction
    /// must not be about keys of several slots.
    pub(crate) async fn run_all_on_node(
        &self,
        calls: &Pipeline,
        redis: &mut impl ConnectionLike,
    ) -> RedisResult<Vec<Value>> {
        let mut answers = run_once(calls, redis).await?;
        let unknown = unknown_scripts(&answers);
        if !unknown.is_empty() {
            let mut lesson = self.lesson();
            add_again(&mut lesson, calls, &unknown);
            let mut again = run_once(&lesson, redis).await?;
            put(&mut answers, unknown, again.drain(1..));
        }
        Ok(answers)
    }

    /// Sends calls to the node to which their slots are being moved, which answers
    /// only if it is told so before each.
    pub(crate) async fn run_all_on_importing(
        &self,
        calls: &Pipeline,
        redis: &mut impl ConnectionLike,
    ) -> RedisResult<Vec<Value>> {
        let mut asking = self.lesson();
        for call in calls.cmd_iter() {
            asking.cmd("ASKING").add_command(call.clone());
        }
        let answers = run_once(&asking, redis).await?;
        Ok(answers.into_iter().skip(2).step_by(2).collect())
    }

    fn lesson(&self) -> Pipeline {
        let mut lesson = Pipeline::new();
        lesson.cmd("SCRIPT").arg("LOAD").arg(self.source);
        lesson
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

    /// The script and its call by hash, for a cluster.
    pub(crate) fn parts(&self) -> (&Script, Cmd) {
        (self.script, self.by_hash())
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

/// One answer for each, which may be an error.
async fn run_once(calls: &Pipeline, redis: &mut impl ConnectionLike) -> RedisResult<Vec<Value>> {
    let answers = redis.req_packed_commands(calls, 0, calls.len()).await?;
    // Who is not the primary any more has run nothing, and is to be left.
    match answers.iter().find(|answer| is_read_only(answer)) {
        Some(refusal) => Err(refusal.clone().extract_error().expect_err("an error")),
        None => Ok(answers),
    }
}

fn is_read_only(answer: &Value) -> bool {
    matches!(answer, Value::ServerError(error) if error.kind() == Some(ServerErrorKind::ReadOnly))
}

fn unknown_scripts(answers: &[Value]) -> Vec<usize> {
    (0..answers.len())
        .filter(|&call| is_unknown_script(&answers[call]))
        .collect()
}

/// Nothing was run there, so even what must not be repeated is asked again, and
/// only there.
fn add_again(lesson: &mut Pipeline, calls: &Pipeline, unknown: &[usize]) {
    for (call, command) in calls.cmd_iter().enumerate() {
        if unknown.binary_search(&call).is_ok() {
            lesson.add_command(command.clone());
        }
    }
}

fn put(answers: &mut [Value], calls: Vec<usize>, again: impl IntoIterator<Item = Value>) {
    for (call, answer) in calls.into_iter().zip(again) {
        answers[call] = answer;
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
type ReadingAnswer = (Option<i64>, u64, i64, u64);

fn readings(answers: Vec<ReadingAnswer>) -> Vec<GateReading> {
    answers.into_iter().map(reading).collect()
}

fn reading((tokens, leases, seats_leased, generation): ReadingAnswer) -> GateReading {
    GateReading {
        tokens,
        leases,
        seats_leased,
        generation: GateGeneration(generation),
    }
}

/// The same from an answer that may be missing or an error.
pub(crate) fn reading_of(answer: Value) -> Option<GateReading> {
    redis::from_redis_value(answer).ok().map(reading)
}

/// The first key of a call, by which a cluster knows where it belongs.
pub(crate) fn key_of(call: &Cmd) -> &[u8] {
    // EVALSHA, the hash, the number of keys.
    match call.args_iter().nth(3) {
        Some(Arg::Simple(key)) => key,
        _ => &[],
    }
}

/// The key by which the others of an event are named.
pub(crate) fn bucket(event_id: EventId) -> String {
    format!("event:{event_id}:tokens")
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
