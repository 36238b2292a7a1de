//! Work on a worker of the HTTP server: one thread, many connections.

mod crowd;
mod mailbox;
mod to_the_end;
mod waiting;

pub(crate) use mailbox::WokenTogether;
pub(crate) use to_the_end::ToTheEnd;
pub(crate) use waiting::Waiting;

#[cfg(test)]
mod tests;
