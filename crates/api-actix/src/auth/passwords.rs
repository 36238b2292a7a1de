//! Hashing passwords: slow on purpose, so off the workers and a few at a time.

use std::sync::{Arc, LazyLock};
use std::time::Duration;

use argon2::password_hash::{self, PasswordHasher, PasswordVerifier, phc};
use argon2::{Algorithm, Argon2, Params, Version};
use domain::model::{Password, PasswordHash};
use domain::ports::Cause;
use tokio::runtime::Handle;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// How long a password waits for its turn before its owner is told to come back.
const TURN_TIMEOUT: Duration = Duration::from_secs(5);

/// Argon2id with 19 MiB, two passes and one lane: the OWASP Password Storage
/// Cheat Sheet's minimum.
fn argon2() -> Argon2<'static> {
    Argon2::new(Algorithm::Argon2id, Version::V0x13, Params::default())
}

/// Why a password was neither hashed nor checked.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PasswordTrouble {
    /// Too many wait already.
    #[error("too many passwords are waiting to be hashed")]
    Busy,
    /// A defect.
    #[error("the password could not be hashed")]
    Failed(#[source] Cause),
}

/// How many wait for a turn; more are told at once to come back. Together they
/// take less time than [`TURN_TIMEOUT`].
const WAITING_MAX: usize = 64;

/// Lets people take turns at hashing.
#[derive(Clone)]
pub(crate) struct Passwords {
    turns: Arc<Semaphore>,
    waiting: Arc<Semaphore>,
    turn_timeout: Duration,
    runtime: Handle,
}

/// Somebody's turn, for as long as it is kept.
pub(crate) struct Turn {
    permit: Arc<OwnedSemaphorePermit>,
    runtime: Handle,
}

impl Passwords {
    /// Must be called on the main runtime, on whose threads for blocking work
    /// so many are hashed at a time; each takes 19 MiB.
    pub(crate) fn at_a_time(hashes_max: usize) -> Self {
        Self {
            turns: Arc::new(Semaphore::new(hashes_max)),
            waiting: Arc::new(Semaphore::new(WAITING_MAX)),
            turn_timeout: TURN_TIMEOUT,
            runtime: Handle::current(),
        }
    }

    /// Waits for a turn: before anything else is waited for, so that a crowd of
    /// logins takes the places of nobody else.
    ///
    /// # Errors
    /// Too many wait, or it takes too long.
    pub(crate) async fn turn(&self) -> Result<Turn, PasswordTrouble> {
        let Ok(_place) = self.waiting.try_acquire() else {
            return Err(PasswordTrouble::Busy);
        };
        let permit = self.turns.clone().acquire_owned();
        match tokio::time::timeout(self.turn_timeout, permit).await {
            Ok(Ok(permit)) => Ok(Turn {
                permit: Arc::new(permit),
                runtime: self.runtime.clone(),
            }),
            _ => Err(PasswordTrouble::Busy),
        }
    }
}

impl Turn {
    /// Hashes a password with a salt of its own.
    ///
    /// # Errors
    /// See [`PasswordTrouble`].
    pub(crate) async fn hash(&self, password: Password) -> Result<PasswordHash, PasswordTrouble> {
        self.take(move || hash(&password)).await
    }

    /// Whether the password is the one that was hashed. Takes as long when
    /// there is no hash, and says no.
    ///
    /// # Errors
    /// See [`PasswordTrouble`].
    pub(crate) async fn check(
        &self,
        password: String,
        hash: Option<PasswordHash>,
    ) -> Result<bool, PasswordTrouble> {
        self.take(move || match hash {
            Some(hash) => verify(&password, hash.as_phc()),
            None => verify(&password, &NOBODYS).map(|_| false),
        })
        .await
    }

    async fn take<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T, Cause> + Send + 'static,
    ) -> Result<T, PasswordTrouble> {
        let permit = self.permit.clone();
        let work = self.runtime.spawn_blocking(move || {
            let outcome = work();
            // Whoever stops waiting does not make room before it is there.
            drop(permit);
            outcome
        });
        match work.await {
            Ok(outcome) => outcome.map_err(PasswordTrouble::Failed),
            Err(panic) => Err(PasswordTrouble::Failed(Box::new(panic))),
        }
    }
}

/// The hash of a password that nobody has, made like all others.
static NOBODYS: LazyLock<String> = LazyLock::new(|| {
    let salt = [7; 16];
    argon2()
        .hash_password_with_salt(b"", &salt)
        .map(|hash: phc::PasswordHash| hash.to_string())
        .unwrap_or_default()
});

fn hash(password: &Password) -> Result<PasswordHash, Cause> {
    let mut salt = [0; 16];
    getrandom::fill(&mut salt)?;
    let hash: phc::PasswordHash =
        argon2().hash_password_with_salt(password.reveal().as_bytes(), &salt)?;
    Ok(PasswordHash::from_phc(hash.to_string()))
}

fn verify(password: &str, hash: &str) -> Result<bool, Cause> {
    let hash = phc::PasswordHash::new(hash)?;
    match argon2().verify_password(password.as_bytes(), &hash) {
        Ok(()) => Ok(true),
        Err(password_hash::Error::PasswordInvalid) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn only_the_password_that_was_hashed_is_right() {
        let passwords = Passwords::at_a_time(1).turn().await.expect("a turn");
        let password = Password::parse("correct horse").expect("long enough");
        let hash = passwords.hash(password.clone()).await.expect("a hash");
        assert!(hash.as_phc().starts_with("$argon2id$v=19$m=19456,t=2,p=1$"));
        assert_ne!(
            hash,
            passwords.hash(password).await.expect("a hash"),
            "salted"
        );
        for (tried, right) in [
            ("correct horse", true),
            ("correct hors", false),
            ("", false),
        ] {
            let answer = passwords.check(tried.to_owned(), Some(hash.clone())).await;
            assert_eq!(answer.expect("no trouble"), right, "{tried}");
        }
    }

    #[tokio::test]
    async fn without_a_hash_no_password_is_right() {
        let passwords = Passwords::at_a_time(1).turn().await.expect("a turn");
        for tried in ["", "correct horse"] {
            let answer = passwords.check(tried.to_owned(), None).await;
            assert!(!answer.expect("no trouble"));
        }
    }

    #[tokio::test]
    async fn a_hash_that_is_none_is_a_defect_and_no_answer() {
        let passwords = Passwords::at_a_time(1).turn().await.expect("a turn");
        let broken = PasswordHash::from_phc("plain text".to_owned());
        let answer = passwords.check("plain text".to_owned(), Some(broken)).await;
        assert!(matches!(answer, Err(PasswordTrouble::Failed(_))));
    }

    #[tokio::test]
    async fn whoever_waits_too_long_for_their_turn_is_told() {
        let mut passwords = Passwords::at_a_time(1);
        passwords.turn_timeout = Duration::from_millis(1);
        let turn = passwords.turn().await.expect("a turn");
        assert!(matches!(passwords.turn().await, Err(PasswordTrouble::Busy)));
        drop(turn);
        assert!(passwords.turn().await.is_ok());
    }

    #[tokio::test]
    async fn so_many_may_wait_and_no_more() {
        let passwords = Passwords::at_a_time(1);
        let turn = passwords.turn().await.expect("a turn");
        let mut waiting: Vec<_> = (0..WAITING_MAX)
            .map(|_| Box::pin(passwords.turn()))
            .collect();
        for waiting in &mut waiting {
            assert!(futures::poll!(waiting).is_pending());
        }
        assert!(matches!(passwords.turn().await, Err(PasswordTrouble::Busy)));
        drop(turn);
        for waiting in waiting {
            assert!(waiting.await.is_ok());
        }
    }
}
