//! The simulated Redis against the one at `REDIS_URL`: the same scripts with the same
//! arguments, and the same hands of operators between them, come to the same
//! answers and the same data.

use std::time::Duration;

use deadpool_redis::redis::aio::{ConnectionLike, MultiplexedConnection};
use deadpool_redis::redis::{self, AsyncConnectionConfig, Client, Cmd, Pipeline, Value};
use fastrand::Rng;
use utsavam_simulation::{GATE_SCRIPTS, SimulatedRedis};

const PATIENCE: Duration = Duration::from_secs(20);

const SEQUENCES: u64 = 100;
const STEPS: usize = 30;

/// Reservations, and a block.
const NAMES: [&str; 5] = ["1", "2", "3", "4", "b"];

/// Both of them, and the event on which they work.
struct Both {
    real: MultiplexedConnection,
    simulated: SimulatedRedis,
    keys: [String; 4],
    /// The generation that each was last seen to have.
    generations: [u64; 2],
}

impl Both {
    async fn new(event: u64) -> Self {
        let url = std::env::var("REDIS_URL").expect("REDIS_URL names a Redis");
        let client = Client::open(url).expect("a url");
        // A busy machine is no reason to fail.
        let patient = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(PATIENCE))
            .set_response_timeout(Some(PATIENCE));
        let real = client
            .get_multiplexed_async_connection_with_config(&patient)
            .await;
        let bucket = format!("event:{event}:tokens");
        let part = |part: &str| format!("{{{bucket}}}:{part}");
        Self {
            real: real.expect("redis is there"),
            simulated: SimulatedRedis::new(),
            keys: [
                bucket.clone(),
                part("leases"),
                part("leased_seats"),
                part("generation"),
            ],
            generations: [0; 2],
        }
    }

    async fn do_both(&mut self, command: &Cmd) -> [Value; 2] {
        self.set_clock().await;
        let simulated = self.simulated.execute(command);
        [self.ask(command).await, simulated]
    }

    /// Errors of the real one are values too.
    async fn ask(&mut self, command: &Cmd) -> Value {
        let answer = self.real.send_packed_command(command).await;
        answer.expect("redis answers")
    }

    async fn set_clock(&mut self) {
        let time: (u64, u64) = redis::cmd("TIME")
            .query_async(&mut self.real)
            .await
            .expect("the time");
        self.simulated.set_clock(time.0 * 1_000_000 + time.1);
    }

    fn script(&self, number: usize) -> Cmd {
        let mut command = redis::cmd("EVAL");
        command.arg(GATE_SCRIPTS[number]).arg(4).arg(&self.keys);
        command
    }

    async fn step(&mut self, rng: &mut Rng) -> String {
        let (shown, answers) = match rng.u32(..12) {
            0..6 => self.batch(rng).await,
            6 | 7 => self.read().await,
            8 => {
                let seats = rng.i64(-2..30);
                let mut command = self.script(2);
                command.arg(seats);
                (format!("raise {seats}"), self.do_both(&command).await)
            }
            9 => self.rebuild(rng).await,
            _ => self.operate(rng).await,
        };
        let [real, simulated] = answers.map(comparable);
        assert_eq!(real, simulated, "{shown}");
        shown
    }

    async fn batch(&mut self, rng: &mut Rng) -> (String, [Value; 2]) {
        let mut command = self.script(0);
        // A lease of the past has run out already.
        let lease_ms = [60_000, 60_000, -5_000][rng.usize(..3)];
        command.arg(lease_ms);
        let mut shown = format!("batch {lease_ms}");
        for _ in 0..rng.usize(1..6) {
            let name = NAMES[rng.usize(..NAMES.len())].to_owned();
            let [more, less] = [rng.i64(0..9), rng.i64(0..5)];
            let (what, whom) = match rng.u32(..12) {
                0..4 => (rng.i64(1..6).to_string(), name),
                4 => ("settle".to_owned(), name),
                5 | 6 => ("release".to_owned(), name),
                7 => ("adjust".to_owned(), rng.i64(-6..9).to_string()),
                8 => ("open".to_owned(), more.to_string()),
                9 => (format!("block 4 {more}"), "b".to_owned()),
                10 => (format!("trim 4 {less} {more}"), "b".to_owned()),
                _ if rng.u32(..4) == 0 => ("close".to_owned(), String::new()),
                _ => (format!("trim {less} 0 {less}"), "b".to_owned()),
            };
            shown += &format!(", {what} {whom}");
            command.arg(what).arg(whom);
        }
        (shown, self.do_both(&command).await)
    }

    async fn read(&mut self) -> (String, [Value; 2]) {
        let [real, simulated] = self.do_both(&self.script(1)).await;
        let (real, real_generation) = without_generation(real);
        let (simulated, simulated_generation) = without_generation(simulated);
        let moved = |before: u64, now: u64| match (before, now) {
            // Made anew, from the clock.
            (before, now) if before.abs_diff(now) > 1_000 => "anew".to_owned(),
            (before, now) => format!("{}", i128::from(now) - i128::from(before)),
        };
        assert_eq!(
            moved(self.generations[0], real_generation),
            moved(self.generations[1], simulated_generation),
            "the generation"
        );
        self.generations = [real_generation, simulated_generation];
        ("read".to_owned(), [real, simulated])
    }

    async fn rebuild(&mut self, rng: &mut Rng) -> (String, [Value; 2]) {
        let seats = rng.i64(0..30);
        self.set_clock().await;
        let mut commands = [self.script(3), self.script(3)];
        for (command, generation) in commands.iter_mut().zip(self.generations) {
            command.arg(seats).arg(generation);
        }
        let simulated = self.simulated.execute(&commands[1]);
        let real = self.ask(&commands[0]).await;
        (format!("rebuild {seats}"), [real, simulated])
    }

    async fn operate(&mut self, rng: &mut Rng) -> (String, [Value; 2]) {
        let [bucket, leases, leased_seats, generation] = self.keys.clone();
        let number = rng.i64(-3..40).to_string();
        let words: Vec<&str> = match rng.u32(..12) {
            0..3 => vec!["SET", &bucket, &number],
            3 => vec!["SET", &bucket, "+7"],
            4 => vec!["SET", &bucket, "1000000000000000"],
            5 => vec!["DEL", &bucket],
            6 => vec!["LPUSH", &bucket, "x"],
            7 => vec!["LPUSH", &leases, "x"],
            8 => vec!["DEL", &leased_seats],
            9 => vec!["SET", &leased_seats, "x"],
            10 => vec!["DEL", &generation],
            _ => vec!["PEXPIRE", &bucket, "100000"],
        };
        let mut command = redis::cmd(words[0]);
        command.arg(&words[1..]);
        (words.join(" "), self.do_both(&command).await)
    }

    /// Whether the same is stored.
    async fn compare_data(&mut self) {
        let keys = &self.keys;
        let mut lookups = vec![vec!["GET", &keys[0]], vec!["ZCARD", &keys[1]]];
        lookups.extend(NAMES.iter().map(|name| vec!["HGET", &keys[2], name]));
        lookups.extend(keys.iter().map(|key| vec!["TYPE", key]));
        lookups.extend(keys.iter().map(|key| vec!["PTTL", key]));
        let mut commands = Pipeline::with_capacity(lookups.len());
        for words in &lookups {
            commands.cmd(words[0]).arg(&words[1..]);
        }
        let real = self.real.req_packed_commands(&commands, 0, lookups.len());
        let real = real.await.expect("redis answers");
        for ((words, command), real) in lookups.iter().zip(commands.cmd_iter()).zip(real) {
            let simulated = self.simulated.execute(command);
            match (words[0], real, simulated) {
                ("PTTL", Value::Int(real), Value::Int(simulated)) => {
                    let is_alike = real.min(0) == simulated.min(0);
                    // Redis' clock went on meanwhile.
                    let is_near = real.abs_diff(simulated) < 30_000;
                    assert!(is_alike && is_near, "{words:?}: {real} and {simulated}");
                }
                (_, real, simulated) => {
                    assert_eq!(comparable(real), comparable(simulated), "{words:?}");
                }
            }
        }
    }
}

/// Of errors only the code: their texts name lines of scripts.
fn comparable(value: Value) -> Value {
    match value {
        Value::ServerError(error) => Value::SimpleString(format!("error {}", error.code())),
        value => value,
    }
}

fn without_generation(answer: Value) -> (Value, u64) {
    let Value::Array(mut parts) = answer else {
        panic!("{answer:?} is no reading");
    };
    let Some(Value::BulkString(generation)) = parts.pop() else {
        panic!("{parts:?} has no generation");
    };
    let generation = String::from_utf8_lossy(&generation).parse();
    (Value::Array(parts), generation.expect("a number"))
}

#[tokio::test]
async fn the_simulated_redis_does_what_redis_does() {
    let run: u64 = fastrand::u64(1 << 40..1 << 50);
    for sequence in 0..SEQUENCES {
        let mut both = Both::new(run + sequence).await;
        let mut rng = Rng::with_seed(sequence);
        let mut done = Vec::new();
        for _ in 0..STEPS {
            done.push(both.step(&mut rng).await);
            // Shown if the comparison fails.
            println!("sequence {sequence}: {}", done.last().expect("a step"));
            both.compare_data().await;
        }
        let mut sweep = redis::cmd("DEL");
        sweep.arg(&both.keys);
        both.ask(&sweep).await;
    }
}
