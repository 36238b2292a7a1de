//! Accounts in memory: how users stand, and what they can log in with.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};
use domain::model::{
    Account, AccountFilter, BookingId, BookingStatus, Credentials, Email, Listing, Page,
    PasswordHash, SecretDigest, SessionId, Timeline, UserId, UserName,
};
use domain::ports::{AccountError, AccountStore, RedeemError, SetPasswordError, StoreError};

use super::memory::{MemoryStore, State, listing};
use super::model::Model;

/// What is known of users beside who they are. A user of whom nothing is here
/// has no password and is not suspended.
#[derive(Debug, Clone, Default)]
pub(crate) struct Standings {
    pub(super) passwords: BTreeMap<UserId, PasswordHash>,
    pub(super) suspended: BTreeMap<UserId, DateTime<Utc>>,
    tokens: BTreeMap<UserId, PasswordToken>,
}

#[derive(Debug, Clone)]
struct PasswordToken {
    secret: SecretDigest,
    good_until: DateTime<Utc>,
}

impl Model {
    fn account(&self, user_id: UserId) -> Result<Account, AccountError> {
        let user = self.users.get(&user_id);
        Ok(Account {
            user: user.ok_or(AccountError::UserNotFound(user_id))?.clone(),
            has_password: self.standings.passwords.contains_key(&user_id),
            suspended_at: self.standings.suspended.get(&user_id).copied(),
        })
    }

    /// The accounts that fit, newest first.
    fn accounts(&self, filter: &AccountFilter) -> Vec<Account> {
        let accounts = self.users.keys().filter_map(|id| self.account(*id).ok());
        let mut accounts: Vec<_> = accounts.collect();
        accounts.retain(|account| {
            let email = account.user.email.as_str();
            let is_suspended = account.suspended_at.is_some();
            filter.email.as_ref().is_none_or(|wanted| wanted == email)
                && filter.suspended.is_none_or(|wanted| wanted == is_suspended)
        });
        accounts.sort_by_key(|account| Reverse((account.user.created_at, account.user.id)));
        accounts
    }

    fn credentials(&self, user_id: UserId) -> Result<Credentials, AccountError> {
        self.account(user_id)?;
        Ok(Credentials {
            user_id,
            password: self.standings.passwords.get(&user_id).cloned(),
        })
    }

    /// Who can set a password with that token.
    fn holder(&self, secret: SecretDigest, now: DateTime<Utc>) -> Option<UserId> {
        let mut tokens = self.standings.tokens.iter();
        let (user_id, _) =
            tokens.find(|(_, token)| token.secret == secret && token.good_until > now)?;
        let is_suspended = self.standings.suspended.contains_key(user_id);
        (!is_suspended).then_some(*user_id)
    }

    fn bookings_of_erased(&self, now: DateTime<Utc>) -> Vec<BookingId> {
        let bookings = self.bookings.values().filter(|booking| {
            let event = self.event(booking.event_id);
            booking.status == BookingStatus::Confirmed
                && !self.users.contains_key(&booking.user_id)
                && event.is_some_and(|event| event.start_at() > now)
        });
        bookings.map(|booking| booking.id).collect()
    }
}

impl State {
    fn set_password(&mut self, user_id: UserId, password: PasswordHash, keep: Option<SessionId>) {
        let standings = &mut self.model.standings;
        standings.passwords.insert(user_id, password);
        standings.tokens.remove(&user_id);
        self.logins.end_all(user_id, keep);
    }
}

impl MemoryStore {
    /// Puts the times of sessions, their secrets and password tokens back.
    pub fn age(&self, by: Duration) {
        let by = TimeDelta::from_std(by).expect("less than 292 million years");
        let mut state = self.state();
        state.logins.age(by);
        for token in state.model.standings.tokens.values_mut() {
            token.good_until -= by;
        }
    }
}

#[async_trait]
impl AccountStore for MemoryStore {
    async fn find(&self, user_id: UserId) -> Result<Account, AccountError> {
        self.state().model.account(user_id)
    }

    async fn search(
        &self,
        filter: AccountFilter,
        page: Page<Timeline>,
    ) -> Result<Listing<Account>, StoreError> {
        let accounts = self.state().model.accounts(&filter);
        Ok(listing(accounts, page, |entry, after| entry < after))
    }

    async fn credentials(&self, email: &Email) -> Result<Option<Credentials>, StoreError> {
        let model = &self.state().model;
        let user = model.users.values().find(|user| user.email == *email);
        Ok(user.and_then(|user| model.credentials(user.id).ok()))
    }

    async fn credentials_of(&self, user_id: UserId) -> Result<Credentials, AccountError> {
        self.state().model.credentials(user_id)
    }

    async fn rename(
        &self,
        user_id: UserId,
        name: Option<UserName>,
    ) -> Result<Account, AccountError> {
        let model = &mut self.state().model;
        if let Some(user) = model.users.get_mut(&user_id) {
            user.name = name;
        }
        model.account(user_id)
    }

    async fn set_password(
        &self,
        user_id: UserId,
        expected: PasswordHash,
        password: PasswordHash,
        keep: SessionId,
    ) -> Result<(), SetPasswordError> {
        let mut state = self.state();
        let now = state.now();
        if !state.model.users.contains_key(&user_id) {
            return Err(SetPasswordError::UserNotFound(user_id));
        }
        // Sessions of suspended users have ended.
        if !state.logins.goes_on(keep, user_id, now) {
            return Err(SetPasswordError::SessionEnded(keep));
        }
        if state.model.standings.passwords.get(&user_id) != Some(&expected) {
            return Err(SetPasswordError::PasswordChanged(user_id));
        }
        state.set_password(user_id, password, Some(keep));
        Ok(())
    }

    async fn issue_password_token(
        &self,
        user_id: UserId,
        token: SecretDigest,
        lasts: Duration,
    ) -> Result<DateTime<Utc>, AccountError> {
        let mut state = self.state();
        state.model.account(user_id)?;
        let good_until = state.now() + lasts;
        let token = PasswordToken {
            secret: token,
            good_until,
        };
        state.model.standings.tokens.insert(user_id, token);
        Ok(good_until)
    }

    async fn redeem_password_token(
        &self,
        token: SecretDigest,
        password: PasswordHash,
    ) -> Result<UserId, RedeemError> {
        let mut state = self.state();
        let now = state.now();
        let user_id = state.model.holder(token, now).ok_or(RedeemError::Unknown)?;
        state.set_password(user_id, password, None);
        Ok(user_id)
    }

    async fn suspend(&self, user_id: UserId) -> Result<Account, AccountError> {
        let mut state = self.state();
        state.model.account(user_id)?;
        let now = state.now();
        let suspended = &mut state.model.standings.suspended;
        suspended.entry(user_id).or_insert(now);
        state.logins.end_all(user_id, None);
        state.model.account(user_id)
    }

    async fn reinstate(&self, user_id: UserId) -> Result<Account, AccountError> {
        let model = &mut self.state().model;
        model.standings.suspended.remove(&user_id);
        model.account(user_id)
    }

    async fn erase(&self, user_id: UserId) -> Result<(), AccountError> {
        let mut state = self.state();
        state.model.account(user_id)?;
        state.model.users.remove(&user_id);
        state.model.forget_keys_of(user_id);
        let standings = &mut state.model.standings;
        standings.passwords.remove(&user_id);
        standings.suspended.remove(&user_id);
        standings.tokens.remove(&user_id);
        state.logins.forget_all(user_id);
        Ok(())
    }

    async fn bookings_of_erased(&self, bookings_max: usize) -> Result<Vec<BookingId>, StoreError> {
        let mut state = self.state();
        let now = state.now();
        let mut bookings = state.model.bookings_of_erased(now);
        bookings.truncate(bookings_max);
        Ok(bookings)
    }
}
