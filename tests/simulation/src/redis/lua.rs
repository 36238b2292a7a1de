//! Runs the scripts: Lua 5.1, as in Redis, and what Redis adds to it.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;
use std::str;

use mlua::{Function, Lua, Table, Value, Variadic};

use super::commands::{self, Reply};
use super::keyspace::Keyspace;

/// A Lua with the data that its scripts work on.
pub(super) struct Interpreter {
    lua: Lua,
    keyspace: Rc<RefCell<Keyspace>>,
    scripts: HashMap<String, Function>,
}

const SOUND: &str = "Lua has what is asked of it";

impl Interpreter {
    pub(super) fn new() -> Self {
        let lua = Lua::new();
        let keyspace = Rc::new(RefCell::new(Keyspace::default()));
        let redis = lua.create_table().expect(SOUND);
        for (name, is_protected) in [("call", false), ("pcall", true)] {
            let keyspace = Rc::clone(&keyspace);
            let function = lua.create_function(move |lua, words: Variadic<Value>| {
                match (call(&keyspace, &words), is_protected) {
                    (Reply::Error(text), false) => Err(mlua::Error::RuntimeError(text)),
                    (reply, _) => to_lua(lua, reply),
                }
            });
            redis.set(name, function.expect(SOUND)).expect(SOUND);
        }
        let status = lua.create_function(|lua, text: mlua::String| {
            let table = lua.create_table()?;
            table.raw_set("ok", text)?;
            Ok(table)
        });
        redis
            .set("status_reply", status.expect(SOUND))
            .expect(SOUND);
        lua.globals().set("redis", redis).expect(SOUND);
        Self {
            lua,
            keyspace,
            scripts: HashMap::new(),
        }
    }

    pub(super) fn keyspace<T>(&self, work: impl FnOnce(&mut Keyspace) -> T) -> T {
        work(&mut self.keyspace.borrow_mut())
    }

    /// Gets a script ready. Its first line is for Redis.
    pub(super) fn compile(&mut self, hash: &str, source: &str) {
        let body = match source.split_once('\n') {
            Some((first, rest)) if first.starts_with("#!") => rest,
            _ => source,
        };
        let script = self
            .lua
            .load(body)
            .into_function()
            .expect("a script of Lua");
        self.scripts.insert(hash.to_owned(), script);
    }

    pub(super) fn run(&self, hash: &str, keys_count: &[u8], words: &[&[u8]]) -> Reply {
        let count = str::from_utf8(keys_count).ok();
        let Some(count) = count.and_then(|count| count.parse().ok()) else {
            return Reply::error("ERR value is not an integer or out of range");
        };
        let (keys, arguments) = words.split_at(count);
        match self.try_run(&self.scripts[hash], keys, arguments) {
            Ok(reply) => reply,
            Err(mlua::Error::CallbackError { cause, .. }) => match cause.as_ref() {
                mlua::Error::RuntimeError(text) => Reply::Error(text.clone()),
                other => panic!("a script failed: {other}"),
            },
            Err(error) => panic!("a script failed: {error}"),
        }
    }

    fn try_run(
        &self,
        script: &Function,
        keys: &[&[u8]],
        arguments: &[&[u8]],
    ) -> mlua::Result<Reply> {
        let globals = self.lua.globals();
        for (name, words) in [("KEYS", keys), ("ARGV", arguments)] {
            let words = words.iter().map(|word| self.lua.create_string(word));
            let words = words.collect::<mlua::Result<Vec<_>>>()?;
            globals.raw_set(name, self.lua.create_sequence_from(words)?)?;
        }
        from_lua(script.call(())?)
    }
}

fn call(keyspace: &RefCell<Keyspace>, words: &[Value]) -> Reply {
    let texts: Vec<_> = words.iter().map(to_text).collect();
    let words: Vec<&[u8]> = texts.iter().map(AsRef::as_ref).collect();
    match words.split_first() {
        Some((name, arguments)) => commands::call(&mut keyspace.borrow_mut(), name, arguments),
        None => Reply::error("ERR Please specify at least one argument for this redis lib call"),
    }
}

/// A word of a command: text, or a number as Redis writes it.
enum Text<'a> {
    Lua(mlua::BorrowedBytes<'a>),
    Number(String),
}

impl AsRef<[u8]> for Text<'_> {
    fn as_ref(&self) -> &[u8] {
        match self {
            Self::Lua(text) => text,
            Self::Number(text) => text.as_bytes(),
        }
    }
}

fn to_text(word: &Value) -> Text<'_> {
    match word {
        Value::String(text) => Text::Lua(text.as_bytes()),
        Value::Integer(number) => Text::Number(number.to_string()),
        Value::Number(number) => Text::Number(number.to_string()),
        other => panic!("a script calls redis with {other:?}"),
    }
}

fn to_lua(lua: &Lua, reply: Reply) -> mlua::Result<Value> {
    let table = |name: &str, text: &str| {
        let table = lua.create_table()?;
        table.raw_set(name, text)?;
        Ok(Value::Table(table))
    };
    match reply {
        #[allow(
            clippy::cast_precision_loss,
            reason = "Redis makes it a number of Lua too"
        )]
        Reply::Int(number) => Ok(Value::Number(number as f64)),
        Reply::Bulk(text) => Ok(Value::String(lua.create_string(text)?)),
        Reply::Nil => Ok(Value::Boolean(false)),
        Reply::Status(text) => table("ok", text),
        Reply::Error(text) => table("err", &text),
        Reply::Array(replies) => {
            let values = replies.into_iter().map(|reply| to_lua(lua, reply));
            let values = values.collect::<mlua::Result<Vec<_>>>()?;
            Ok(Value::Table(lua.create_sequence_from(values)?))
        }
    }
}

fn from_lua(value: Value) -> mlua::Result<Reply> {
    Ok(match value {
        Value::Nil | Value::Boolean(false) => Reply::Nil,
        Value::Boolean(true) => Reply::Int(1),
        Value::Integer(number) => Reply::Int(number),
        #[allow(clippy::cast_possible_truncation, reason = "Redis cuts it off too")]
        Value::Number(number) => Reply::Int(number as i64),
        Value::String(text) => Reply::Bulk(text.as_bytes().to_vec()),
        Value::Table(table) => from_table(&table)?,
        other => panic!("a script answers {other:?}"),
    })
}

fn from_table(table: &Table) -> mlua::Result<Reply> {
    if let Value::String(text) = table.raw_get("ok")? {
        assert_eq!(&*text.as_bytes(), b"OK", "the only status");
        return Ok(Reply::Status("OK"));
    }
    if let Value::String(text) = table.raw_get("err")? {
        return Ok(Reply::Error(text.to_string_lossy()));
    }
    let mut replies = Vec::new();
    for number in 1.. {
        match table.raw_get(number)? {
            Value::Nil => break,
            value => replies.push(from_lua(value)?),
        }
    }
    Ok(Reply::Array(replies))
}
