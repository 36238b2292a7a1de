//! What the audit log is told of requests.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use actix_web::HttpResponse;
use actix_web::body::MessageBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::StatusCode;
use domain::model::{Actor, AuditEntry, AuditObject};

use super::{Access, Call};
use crate::app::App;
use crate::http::middleware::request_context::RequestContext;
use crate::http::problem::Problem;

/// Refusals that are recorded in a second: whoever hammers at the door must not
/// be able to fill the disk.
const REFUSALS_PER_SECOND: u64 = 50;

/// In a response's extensions: who it turned out to be, where the request
/// could not tell.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RecordedActor(pub(crate) Actor);

/// Says which thing a call has made, so that its record names it.
pub(crate) fn name_object(response: &mut HttpResponse, kind: &str, id: i64) {
    response.extensions_mut().insert(AuditObject {
        kind: kind.to_owned(),
        id,
    });
}

/// Counts refusals, so that they can be bounded.
#[derive(Debug)]
pub(crate) struct Auditor {
    began: Instant,
    /// Each kind has room of its own: who hammers at one door hides nobody at
    /// another.
    kinds: [Refusals; 3],
}

#[derive(Debug, Default)]
struct Refusals {
    second: AtomicU64,
    count: AtomicU64,
}

impl Auditor {
    pub(crate) fn new() -> Self {
        Self {
            began: Instant::now(),
            kinds: Default::default(),
        }
    }

    /// Whether one more refusal may be recorded in this second.
    fn has_room(&self, call: Call, actor: Actor) -> bool {
        let kind = match (actor, call.access) {
            (Actor::Anonymous, Access::Organiser(_) | Access::Admin) => 0,
            (Actor::Anonymous, _) => 1,
            _ => 2,
        };
        let Refusals { second, count } = &self.kinds[kind];
        let now = self.began.elapsed().as_secs();
        if second.swap(now, Ordering::Relaxed) != now {
            let refusals = count.swap(0, Ordering::Relaxed);
            let unrecorded = refusals.saturating_sub(REFUSALS_PER_SECOND);
            if unrecorded > 0 {
                tracing::warn!(unrecorded, "refusals are not in the audit log");
            }
        }
        count.fetch_add(1, Ordering::Relaxed) < REFUSALS_PER_SECOND
    }
}

/// Somebody was turned away at the door.
pub(super) async fn refused(
    app: &App,
    call: Call,
    actor: Actor,
    request: &ServiceRequest,
    problem: &Problem,
) {
    if problem.status.is_server_error() || !app.auditor.has_room(call, actor) {
        return;
    }
    let entry = AuditEntry {
        actor,
        action: call.operation.to_owned(),
        object: object_of(request.match_info()),
        refused: Some(problem.code.to_owned()),
        request_id: RequestContext::id_of(request.request()),
    };
    append(app, entry).await;
}

/// Somebody was let in, and has an answer. Trouble of ours is one, too: what they
/// wanted may have been done all the same.
pub(super) async fn answered<B: MessageBody>(
    app: &App,
    call: Call,
    actor: Actor,
    response: &ServiceResponse<B>,
) {
    let entry = entry_of(call, actor, response);
    if entry.refused.is_none() || app.auditor.has_room(call, actor) {
        append(app, entry).await;
    }
}

fn entry_of<B>(call: Call, actor: Actor, response: &ServiceResponse<B>) -> AuditEntry {
    let extensions = response.response().extensions();
    let known = extensions.get().map(|RecordedActor(actor)| *actor);
    let made = extensions.get::<AuditObject>().cloned();
    let problem = extensions.get::<Problem>();
    AuditEntry {
        actor: known.unwrap_or(actor),
        action: call.operation.to_owned(),
        object: made.or_else(|| object_of(response.request().match_info())),
        refused: problem.map(|problem| problem.code.to_owned()),
        request_id: RequestContext::id_of(response.request()),
    }
}

/// Whether an answer to a call whose successes are not recorded is a refusal that
/// is: somebody may not do that, or asks for what is not theirs.
pub(super) fn is_refusal(call: Call, status: StatusCode) -> bool {
    match status {
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => true,
        StatusCode::NOT_FOUND => matches!(call.access, Access::Owner(_)),
        _ => false,
    }
}

/// The thing that the path names: `event_id` is an event's id.
fn object_of(path: &actix_web::dev::Path<actix_web::dev::Url>) -> Option<AuditObject> {
    path.iter().find_map(|(name, value)| {
        Some(AuditObject {
            kind: name.strip_suffix("_id")?.to_owned(),
            id: value.parse().ok()?,
        })
    })
}

/// What cannot be recorded is in the log of the process, at least.
async fn append(app: &App, entry: AuditEntry) {
    let services = app.services();
    if let Err(error) = services.stores.audit.append(vec![entry.clone()]).await {
        tracing::error!(%error, ?entry, "not in the audit log");
    }
}
