//! The commands that the scripts and the operators of a history use.

use std::str;

use deadpool_redis::redis::{Value, parse_redis_value};

use super::keyspace::{Keyspace, Stored};

/// An answer.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Reply {
    Int(i64),
    Bulk(Vec<u8>),
    Nil,
    Status(&'static str),
    Array(Vec<Reply>),
    Error(String),
}

const WRONG_TYPE: &str = "WRONGTYPE Operation against a key holding the wrong kind of value";
const NO_INTEGER: &str = "ERR value is not an integer or out of range";

impl Reply {
    pub(super) fn error(text: &str) -> Self {
        Self::Error(text.to_owned())
    }

    /// As the client of Redis has it.
    pub(super) fn into_value(self) -> Value {
        match self {
            Self::Int(number) => Value::Int(number),
            Self::Bulk(text) => Value::BulkString(text),
            Self::Nil => Value::Nil,
            Self::Status("OK") => Value::Okay,
            Self::Status(text) => Value::SimpleString(text.to_owned()),
            Self::Array(replies) => {
                Value::Array(replies.into_iter().map(Self::into_value).collect())
            }
            Self::Error(text) => {
                let line = format!("*1\r\n-{}\r\n", text.replace(['\r', '\n'], " "));
                match parse_redis_value(line.as_bytes()) {
                    Ok(Value::Array(mut errors)) if errors.len() == 1 => errors.remove(0),
                    other => panic!("an error is not read as one: {other:?}"),
                }
            }
        }
    }
}

/// Does a command.
pub(super) fn call(keys: &mut Keyspace, name: &[u8], arguments: &[&[u8]]) -> Reply {
    attempt(keys, name, arguments).unwrap_or_else(Reply::error)
}

type Answer = Result<Reply, &'static str>;

fn attempt(keys: &mut Keyspace, name: &[u8], arguments: &[&[u8]]) -> Answer {
    match (name, arguments) {
        (b"GET", [key]) => match keys.get(key) {
            None => Ok(Reply::Nil),
            Some(Stored::Text(text)) => Ok(Reply::Bulk(text.clone())),
            Some(_) => Err(WRONG_TYPE),
        },
        (b"SET", [key, text, options @ ..]) => set(keys, key, text, options),
        (b"INCR", [key]) => add(keys, key, 1),
        (b"INCRBY", [key, more]) => add(keys, key, integer(more)?),
        (b"DEL", names) => Ok(count(names.iter().filter(|key| keys.remove(key)))),
        (b"EXISTS", names) => Ok(count(names.iter().filter(|key| keys.get(key).is_some()))),
        (b"TYPE", [key]) => Ok(Reply::Status(match keys.get(key) {
            None => "none",
            Some(Stored::Text(_)) => "string",
            Some(Stored::Sorted(_)) => "zset",
            Some(Stored::Hash(_)) => "hash",
            Some(Stored::List(_)) => "list",
        })),
        (b"TIME", []) => {
            let [seconds, micros] = [keys.now_us / 1_000_000, keys.now_us % 1_000_000];
            let text = |number: u64| Reply::Bulk(number.to_string().into_bytes());
            Ok(Reply::Array(vec![text(seconds), text(micros)]))
        }
        (b"PEXPIRE", [key, ms]) => Ok(expire(keys, key, integer(ms)?)),
        (b"PTTL", [key]) => {
            let now_ms = keys.now_ms();
            Ok(Reply::Int(match keys.leaves_at_ms(key) {
                None => -2,
                Some(None) => -1,
                Some(Some(at_ms)) => at_ms.saturating_sub(now_ms).cast_signed(),
            }))
        }
        (b"LPUSH", [key, text]) => match keys.get_or_put(key, || Stored::List(Vec::new())) {
            Stored::List(texts) => {
                texts.insert(0, text.to_vec());
                Ok(count(texts.iter()))
            }
            _ => Err(WRONG_TYPE),
        },
        (name, [key, arguments @ ..]) if name.starts_with(b"Z") => {
            sorted(keys, name, key, arguments)
        }
        (name, [key, arguments @ ..]) if name.starts_with(b"H") => hash(keys, name, key, arguments),
        _ => panic!("{:?} is not simulated", String::from_utf8_lossy(name)),
    }
}

fn count<T>(things: impl Iterator<Item = T>) -> Reply {
    Reply::Int(i64::try_from(things.count()).unwrap_or(i64::MAX))
}

/// An integer written as Redis writes them.
fn integer(text: &[u8]) -> Result<i64, &'static str> {
    let text = str::from_utf8(text).map_err(|_| NO_INTEGER)?;
    let number: i64 = text.parse().map_err(|_| NO_INTEGER)?;
    if number.to_string() == text {
        Ok(number)
    } else {
        Err(NO_INTEGER)
    }
}

fn set(keys: &mut Keyspace, key: &[u8], text: &[u8], options: &[&[u8]]) -> Answer {
    let (ttl_ms, only_new) = match options {
        [] => (None, false),
        [b"PX", ms] => (Some(integer(ms)?), false),
        [b"PX", ms, b"NX"] => (Some(integer(ms)?), true),
        _ => panic!("options of SET that are not simulated"),
    };
    if only_new && keys.get(key).is_some() {
        return Ok(Reply::Nil);
    }
    keys.put(key, Stored::Text(text.to_vec()));
    if let Some(ttl_ms) = ttl_ms {
        expire(keys, key, ttl_ms);
    }
    Ok(Reply::Status("OK"))
}

fn add(keys: &mut Keyspace, key: &[u8], more: i64) -> Answer {
    match keys.get_or_put(key, || Stored::Text(b"0".to_vec())) {
        Stored::Text(text) => {
            let sum = integer(text)?.checked_add(more);
            let sum = sum.ok_or("ERR increment or decrement would overflow")?;
            *text = sum.to_string().into_bytes();
            Ok(Reply::Int(sum))
        }
        _ => Err(WRONG_TYPE),
    }
}

fn expire(keys: &mut Keyspace, key: &[u8], ttl_ms: i64) -> Reply {
    let at_ms = keys.now_ms().checked_add_signed(ttl_ms);
    Reply::Int(keys.leave_at_ms(key, at_ms).into())
}

fn sorted(keys: &mut Keyspace, name: &[u8], key: &[u8], arguments: &[&[u8]]) -> Answer {
    if name == b"ZADD" {
        return add_sorted(keys, key, arguments);
    }
    let mut nothing = Vec::new();
    let members = match keys.get(key) {
        None => &mut nothing,
        Some(Stored::Sorted(members)) => members,
        Some(_) => return Err(WRONG_TYPE),
    };
    let names = |members: &[(f64, Vec<u8>)], is_in: &dyn Fn(f64) -> bool| {
        let members = members.iter().filter(|(score, _)| is_in(*score));
        Reply::Array(members.map(|(_, name)| Reply::Bulk(name.clone())).collect())
    };
    let answer = match (name, arguments) {
        (b"ZCARD", []) => count(members.iter()),
        (b"ZRANGE", [b"0", b"-1"]) => names(members, &|_| true),
        (b"ZRANGEBYSCORE", [b"-inf", most]) => {
            let most = float(most)?;
            names(members, &|score| score <= most)
        }
        (b"ZMSCORE", asked) => {
            let score = |asked: &&[u8]| {
                let found = members.iter().find(|(_, name)| name == asked);
                found.map_or(Reply::Nil, |(score, _)| {
                    Reply::Bulk(score.to_string().into_bytes())
                })
            };
            Reply::Array(asked.iter().map(score).collect())
        }
        (b"ZREM", gone) => {
            let before = members.len();
            members.retain(|(_, name)| !gone.contains(&name.as_slice()));
            let removed = before - members.len();
            if members.is_empty() {
                keys.remove(key);
            }
            Reply::Int(i64::try_from(removed).unwrap_or(i64::MAX))
        }
        _ => panic!("{:?} is not simulated", String::from_utf8_lossy(name)),
    };
    Ok(answer)
}

fn float(text: &[u8]) -> Result<f64, &'static str> {
    let number = str::from_utf8(text).ok().and_then(|text| text.parse().ok());
    number.ok_or("ERR value is not a valid float")
}

fn add_sorted(keys: &mut Keyspace, key: &[u8], pairs: &[&[u8]]) -> Answer {
    let Stored::Sorted(members) = keys.get_or_put(key, || Stored::Sorted(Vec::new())) else {
        return Err(WRONG_TYPE);
    };
    let before = members.len();
    for pair in pairs.chunks_exact(2) {
        let score = float(pair[0])?;
        members.retain(|(_, name)| name != pair[1]);
        let place =
            members.partition_point(|(other, name)| (*other, name.as_slice()) < (score, pair[1]));
        members.insert(place, (score, pair[1].to_vec()));
    }
    Ok(Reply::Int(
        i64::try_from(members.len() - before).unwrap_or(i64::MAX),
    ))
}

fn hash(keys: &mut Keyspace, name: &[u8], key: &[u8], arguments: &[&[u8]]) -> Answer {
    if name == b"HSET" {
        let Stored::Hash(fields) = keys.get_or_put(key, || Stored::Hash(Vec::new())) else {
            return Err(WRONG_TYPE);
        };
        let before = fields.len();
        for pair in arguments.chunks_exact(2) {
            match fields.iter_mut().find(|(field, _)| field == pair[0]) {
                Some((_, text)) => *text = pair[1].to_vec(),
                None => fields.push((pair[0].to_vec(), pair[1].to_vec())),
            }
        }
        let added = fields.len() - before;
        return Ok(Reply::Int(i64::try_from(added).unwrap_or(i64::MAX)));
    }
    let mut nothing = Vec::new();
    let fields = match keys.get(key) {
        None => &mut nothing,
        Some(Stored::Hash(fields)) => fields,
        Some(_) => return Err(WRONG_TYPE),
    };
    let answer = match (name, arguments) {
        (b"HLEN", []) => count(fields.iter()),
        (b"HGET", [asked]) => {
            let found = fields.iter().find(|(field, _)| field == asked);
            found.map_or(Reply::Nil, |(_, text)| Reply::Bulk(text.clone()))
        }
        (b"HDEL", gone) => {
            let before = fields.len();
            fields.retain(|(field, _)| !gone.contains(&field.as_slice()));
            let removed = before - fields.len();
            if fields.is_empty() {
                keys.remove(key);
            }
            Reply::Int(i64::try_from(removed).unwrap_or(i64::MAX))
        }
        _ => panic!("{:?} is not simulated", String::from_utf8_lossy(name)),
    };
    Ok(answer)
}
