//! The audit log in memory. Nothing here changes or removes an entry.

use async_trait::async_trait;
use domain::model::{
    AuditEntry, AuditFilter, AuditId, AuditRecord, Listing, Page, Pointed, Timeline,
};
use domain::ports::{AuditLog, StoreError};

use super::memory::{MemoryStore, listing};

fn fits(entry: &AuditEntry, filter: &AuditFilter) -> bool {
    let AuditFilter {
        actor,
        action,
        object,
        refused,
    } = filter;
    actor.is_none_or(|actor| entry.actor == actor)
        && action.as_ref().is_none_or(|action| entry.action == *action)
        && (object.is_none() || entry.object == *object)
        && refused.is_none_or(|refused| entry.refused.is_some() == refused)
}

#[async_trait]
impl AuditLog for MemoryStore {
    async fn append(&self, entries: Vec<AuditEntry>) -> Result<(), StoreError> {
        let mut state = self.state();
        // One time for all of them, as in one transaction.
        let at = state.now();
        for entry in entries {
            let id = AuditId::try_new(state.stamp().id).expect("positive");
            state.audit.push(AuditRecord { id, at, entry });
        }
        Ok(())
    }

    async fn list(
        &self,
        filter: AuditFilter,
        page: Page<Timeline>,
    ) -> Result<Listing<AuditRecord>, StoreError> {
        let state = self.state();
        let records = state.audit.iter();
        let records = records.filter(|record| fits(&record.entry, &filter));
        let mut records: Vec<_> = records.cloned().collect();
        records.sort_by_key(|record| std::cmp::Reverse(record.cursor()));
        Ok(listing(records, page, |entry, after| entry < after))
    }
}
