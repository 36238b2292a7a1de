//! What is asked of the gate together: the commands of a batch, put into one
//! call of `batch.lua` per event, and its answers, given to who asked.

use std::collections::HashMap;
use std::time::Duration;

use deadpool_redis::redis::{Cmd, Pipeline, RedisWrite, Value};
use domain::model::{EventId, EventSeats, ReservationId, SeatCount};
use domain::ports::GateAnswer;
use group_commit::Reply;

use crate::blocks::Trim;
use crate::scripts::{Script, Scripts};

/// Commands of one batch: few enough for what `batch.lua` unpacks at once, with
/// as many trims of earlier batches before them, and for Redis to be done in a
/// millisecond or two.
pub(crate) const COMMANDS_MAX: usize = 1_000;

/// A command to the gate of one event, or to none.
#[derive(Debug, Clone, Copy)]
pub(crate) enum GateCommand {
    Take {
        event_id: EventId,
        reservation: ReservationId,
        seats: SeatCount,
    },
    Settle {
        event_id: EventId,
        reservation: ReservationId,
    },
    Release {
        event_id: EventId,
        reservation: ReservationId,
    },
    Adjust {
        event_id: EventId,
        seats: i64,
    },
    Open(EventSeats),
    Close(EventId),
    /// Leases a block if plenty is left after it. Answered like a take.
    Block {
        event_id: EventId,
        block: ReservationId,
        seats: i64,
        plenty: i64,
    },
    Trim(Trim),
    /// Asks nothing; it is done when everything before it is that is asked of the
    /// same node.
    Catch(Option<EventId>),
}

impl GateCommand {
    /// The event that it is about.
    pub(crate) fn event_id(&self) -> Option<EventId> {
        match *self {
            Self::Take { event_id, .. }
            | Self::Settle { event_id, .. }
            | Self::Release { event_id, .. }
            | Self::Adjust { event_id, .. }
            | Self::Open(EventSeats { event_id, .. })
            | Self::Close(event_id)
            | Self::Block { event_id, .. }
            | Self::Trim(Trim { event_id, .. }) => Some(event_id),
            Self::Catch(event_id) => event_id,
        }
    }
}

/// What becomes of a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    Taken(GateAnswer),
    Done,
    /// Redis was not asked, or nobody knows what it did.
    Failed,
}

/// The calls of one batch, each with who waits for its answers.
pub(crate) struct Plan<'a> {
    scripts: &'a Scripts,
    lease_ttl_ms: u64,
    calls: Vec<EventCall>,
    by_event: HashMap<EventId, usize>,
    catching: Vec<Reply<Outcome>>,
}

/// All that is asked of one event, in its order.
struct EventCall {
    event_id: EventId,
    command: Cmd,
    audience: EventAudience,
}

/// Who waits for the answer of one event, and what is not to be forgotten if
/// there is none.
#[derive(Default)]
struct EventAudience {
    waiting: Vec<Waiting>,
    trims: Vec<Trim>,
}

struct Waiting {
    reply: Reply<Outcome>,
    is_take: bool,
}

impl<'a> Plan<'a> {
    pub(crate) fn new(scripts: &'a Scripts, lease_ttl: Duration) -> Self {
        Self {
            scripts,
            lease_ttl_ms: u64::try_from(lease_ttl.as_millis()).unwrap_or(u64::MAX),
            calls: Vec::new(),
            by_event: HashMap::new(),
            catching: Vec::new(),
        }
    }

    /// Adds a command behind those that are there.
    pub(crate) fn add(&mut self, command: GateCommand, reply: Reply<Outcome>) {
        let event_id = match (command, command.event_id()) {
            (GateCommand::Catch(_), _) | (_, None) => return self.catching.push(reply),
            (_, Some(event_id)) => event_id,
        };
        let audience = self.write(event_id, command);
        audience.waiting.push(Waiting {
            reply,
            is_take: matches!(
                command,
                GateCommand::Take { .. } | GateCommand::Block { .. }
            ),
        });
    }

    /// Adds a trim that an earlier batch could not tell. It has been answered.
    pub(crate) fn repeat(&mut self, trim: Trim) {
        self.write(trim.event_id, GateCommand::Trim(trim));
    }

    fn write(&mut self, event_id: EventId, command: GateCommand) -> &mut EventAudience {
        let call = self.call_for(event_id);
        write_words(&mut call.command, command);
        if let GateCommand::Trim(trim) = command {
            call.audience.trims.push(trim);
        }
        &mut call.audience
    }

    fn call_for(&mut self, event_id: EventId) -> &mut EventCall {
        let next = self.calls.len();
        let index = match self.calls.last() {
            // A crowd wants the same event.
            Some(last) if last.event_id == event_id => next - 1,
            _ => *self.by_event.entry(event_id).or_insert(next),
        };
        if index == next {
            self.calls.push(EventCall {
                event_id,
                command: self.scripts.batch(event_id, self.lease_ttl_ms),
                audience: EventAudience::default(),
            });
        }
        &mut self.calls[index]
    }

    /// Whether Redis need not be asked.
    pub(crate) fn is_empty(&self) -> bool {
        self.calls.is_empty()
    }

    /// The question to Redis and, apart from it, who waits for the answers.
    pub(crate) fn split(self) -> (Question<'a>, Audience) {
        let mut commands = Pipeline::with_capacity(self.calls.len());
        let mut events = Vec::with_capacity(self.calls.len());
        for call in self.calls {
            commands.add_command(call.command);
            events.push(call.audience);
        }
        let question = Question {
            script: self.scripts.batch_script(),
            commands,
        };
        let audience = Audience {
            events,
            catching: self.catching,
        };
        (question, audience)
    }
}

/// Two words per command, as `batch.lua` reads them.
fn write_words(call: &mut Cmd, command: GateCommand) {
    let call_to = |call: &mut Cmd, verb: &str, reservation: ReservationId| {
        call.write_arg(verb.as_bytes());
        call.write_arg_fmt(reservation);
    };
    match command {
        GateCommand::Take {
            reservation, seats, ..
        } => {
            call.arg(seats.get());
            call.write_arg_fmt(reservation);
        }
        GateCommand::Settle { reservation, .. } => call_to(call, "settle", reservation),
        GateCommand::Release { reservation, .. } => call_to(call, "release", reservation),
        GateCommand::Adjust { seats, .. } => {
            call.arg("adjust").arg(seats);
        }
        GateCommand::Open(event) => {
            call.arg("open").arg(event.seats_available.get());
        }
        GateCommand::Close(_) => {
            call.arg("close").arg("");
        }
        GateCommand::Block {
            block,
            seats,
            plenty,
            ..
        } => {
            call.write_arg_fmt(format_args!("block {seats} {plenty}"));
            call.write_arg_fmt(block);
        }
        GateCommand::Trim(Trim {
            block,
            from,
            to,
            back,
            ..
        }) => {
            call.write_arg_fmt(format_args!("trim {from} {to} {back}"));
            call.write_arg_fmt(block);
        }
        GateCommand::Catch(_) => {}
    }
}

/// What is asked of Redis in one round trip.
pub(crate) struct Question<'a> {
    pub(crate) script: &'a Script,
    pub(crate) commands: Pipeline,
}

/// Who waits for the answers to a [`Question`].
pub(crate) struct Audience {
    events: Vec<EventAudience>,
    catching: Vec<Reply<Outcome>>,
}

impl Audience {
    /// The trims, in their order, that Redis has not heard or of which nobody
    /// knows: those of events without an answer, or with an error for one.
    pub(crate) fn untold(&self, answers: &[Value]) -> Vec<Trim> {
        let is_told = |event: usize| matches!(answers.get(event), Some(Value::Array(_)));
        self.events
            .iter()
            .enumerate()
            .filter(|(event, _)| !is_told(*event))
            .flat_map(|(_, audience)| audience.trims.iter().copied())
            .collect()
    }

    /// Tells everybody, one answer per event.
    pub(crate) fn tell(self, answers: Vec<Value>) {
        let mut answers = answers.into_iter();
        for event in self.events {
            tell_event(event.waiting, answers.next().unwrap_or(Value::Nil));
        }
        Self::let_go(self.catching);
    }

    /// Tells everybody that Redis gave no answer.
    pub(crate) fn fail(self) {
        for Waiting { reply, .. } in self.events.into_iter().flat_map(|event| event.waiting) {
            reply.send(Outcome::Failed);
        }
        Self::let_go(self.catching);
    }

    fn let_go(catching: Vec<Reply<Outcome>>) {
        for reply in catching {
            reply.send(Outcome::Done);
        }
    }
}

fn tell_event(waiting: Vec<Waiting>, answer: Value) {
    let mut answers = match answer {
        Value::Array(answers) => answers.into_iter(),
        answer => {
            tracing::debug!(?answer, "redis refuses what was asked of an event");
            for Waiting { reply, .. } in waiting {
                reply.send(Outcome::Failed);
            }
            return;
        }
    };
    for Waiting { reply, is_take } in waiting {
        reply.send(if is_take {
            answers
                .next()
                .as_ref()
                .and_then(gate_answer)
                .map_or(Outcome::Failed, Outcome::Taken)
        } else {
            Outcome::Done
        });
    }
}

/// What `batch.lua` answers to a `take`.
fn gate_answer(answer: &Value) -> Option<GateAnswer> {
    match answer {
        Value::Okay => Some(GateAnswer::Granted),
        Value::Int(tokens_left) => Some(GateAnswer::Refused {
            tokens_left: *tokens_left,
        }),
        Value::Nil => Some(GateAnswer::Unknown),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use deadpool_redis::redis::aio::ConnectionLike;
    use deadpool_redis::redis::{RedisFuture, parse_redis_value};

    use super::*;

    /// A Redis that forgets the script in the middle of a question.
    struct Forgetful {
        asked: Vec<String>,
    }

    impl ConnectionLike for Forgetful {
        fn req_packed_command<'a>(&'a mut self, _: &'a Cmd) -> RedisFuture<'a, Value> {
            unimplemented!("everything is asked together")
        }

        fn req_packed_commands<'a>(
            &'a mut self,
            question: &'a Pipeline,
            _: usize,
            _: usize,
        ) -> RedisFuture<'a, Vec<Value>> {
            let text = String::from_utf8_lossy(&question.get_packed_pipeline()).into_owned();
            self.asked.push(text);
            let answer: &[u8] = match self.asked.len() {
                1 => b"*3\r\n*0\r\n-NOSCRIPT No matching script\r\n*0\r\n",
                _ => b"*1\r\n*2\r\n+x\r\n*1\r\n:7\r\n",
            };
            let Ok(Value::Array(answers)) = parse_redis_value(answer) else {
                panic!("not an array");
            };
            Box::pin(async move { Ok(answers) })
        }

        fn get_db(&self) -> i64 {
            0
        }
    }

    #[tokio::test]
    async fn only_what_was_not_run_is_asked_again() {
        let scripts = Scripts::new();
        let mut commands = Pipeline::new();
        for id in 1..=3 {
            commands.add_command(scripts.batch(EventId::try_new(id).expect("positive"), 1));
        }
        let question = Question {
            script: scripts.batch_script(),
            commands,
        };
        let mut redis = Forgetful { asked: Vec::new() };
        let answers = question.script.run_all(&question.commands, &mut redis);
        let answers = answers.await.expect("answers");
        let [_, again] = &redis.asked[..] else {
            panic!("asked {} times", redis.asked.len());
        };
        for (id, is_asked) in [(1, false), (2, true), (3, false)] {
            assert_eq!(again.contains(&format!("event:{id}:tokens")), is_asked);
        }
        let nothing = || Value::Array(Vec::new());
        let seven = Value::Array(vec![Value::Int(7)]);
        assert_eq!(answers, [nothing(), seven, nothing()]);
    }

    #[test]
    fn an_answer_that_no_script_gives_is_none() {
        assert_eq!(gate_answer(&Value::Okay), Some(GateAnswer::Granted));
        assert_eq!(
            gate_answer(&Value::Int(-2)),
            Some(GateAnswer::Refused { tokens_left: -2 })
        );
        assert_eq!(gate_answer(&Value::Nil), Some(GateAnswer::Unknown));
        assert_eq!(gate_answer(&Value::SimpleString("perhaps".into())), None);
    }
}
