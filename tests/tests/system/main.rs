//! The program among its dependencies: the seat gate, races, outages, the life
//! of the process, databases that it takes over or carries elsewhere, and the
//! store that it brings along.

mod adoption;
mod adoption_refused;
mod archive;
mod archive_accounts;
mod archive_refused;
mod backup;
mod benchmark;
mod concurrency_program;
mod deployment;
mod distribution;
mod embedded;
mod embedded_kill;
mod examples;
mod gate;
mod gate_faults;
mod generated;
mod logs;
mod metrics;
mod mixed_traffic;
mod outages;
mod overload;
mod pauses;
mod poolers;
mod process;
mod races;
mod reconcile;
mod redis_layouts;
mod redis_layouts_tls;
mod secrets;
mod settings;
mod stopping;
mod tls;
mod top;
mod traces;
