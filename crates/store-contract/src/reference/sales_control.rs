//! Pauses of the model, and the port in front of them.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use domain::model::{EventId, Page, PausedEvent, PausedSales, Pointed, Timeline};
use domain::ports::{PauseError, SalesControl, StoreError};

use super::memory::listing;
use super::{MemoryStore, Model};

/// Since when what is paused.
#[derive(Debug, Clone, Default)]
pub(super) struct Pauses {
    all: Option<DateTime<Utc>>,
    events: BTreeMap<EventId, DateTime<Utc>>,
}

impl Pauses {
    /// Whether an event is paused, by itself or with all others.
    pub(super) fn stop(&self, event_id: EventId) -> bool {
        self.all.is_some() || self.events.contains_key(&event_id)
    }
}

impl Model {
    pub(crate) fn pause(
        &mut self,
        event_id: EventId,
        at: DateTime<Utc>,
    ) -> Result<DateTime<Utc>, PauseError> {
        let event = self.event(event_id);
        event.ok_or(PauseError::EventNotFound(event_id))?;
        Ok(*self.pauses.events.entry(event_id).or_insert(at))
    }

    pub(crate) fn resume(&mut self, event_id: EventId) -> Result<(), PauseError> {
        let event = self.event(event_id);
        event.ok_or(PauseError::EventNotFound(event_id))?;
        self.pauses.events.remove(&event_id);
        Ok(())
    }

    pub(crate) fn pause_all(&mut self, at: DateTime<Utc>) -> DateTime<Utc> {
        *self.pauses.all.get_or_insert(at)
    }

    pub(crate) fn resume_all(&mut self) {
        self.pauses.all = None;
    }

    pub(crate) fn all_paused_at(&self) -> Option<DateTime<Utc>> {
        self.pauses.all
    }

    /// Events that are paused by themselves, the latest pause first.
    pub(crate) fn paused(&self) -> Vec<PausedEvent> {
        let pauses = self.pauses.events.iter();
        let paused = pauses.filter_map(|(event_id, paused_at)| {
            Some(PausedEvent {
                event_id: *event_id,
                name: self.event(*event_id)?.name().clone(),
                paused_at: *paused_at,
            })
        });
        let mut paused: Vec<_> = paused.collect();
        paused.sort_by_key(|event| Reverse(event.cursor()));
        paused
    }
}

#[async_trait]
impl SalesControl for MemoryStore {
    async fn pause(&self, event_id: EventId) -> Result<DateTime<Utc>, PauseError> {
        let mut state = self.state();
        let now = state.now();
        state.model.pause(event_id, now)
    }

    async fn resume(&self, event_id: EventId) -> Result<(), PauseError> {
        self.state().model.resume(event_id)
    }

    async fn pause_all(&self) -> Result<DateTime<Utc>, StoreError> {
        let mut state = self.state();
        let now = state.now();
        Ok(state.model.pause_all(now))
    }

    async fn resume_all(&self) -> Result<(), StoreError> {
        self.state().model.resume_all();
        Ok(())
    }

    async fn paused(&self, page: Page<Timeline>) -> Result<PausedSales, StoreError> {
        let model = &self.state().model;
        Ok(PausedSales {
            all_paused_at: model.all_paused_at(),
            events: listing(model.paused(), page, |entry, after| entry < after),
        })
    }
}
