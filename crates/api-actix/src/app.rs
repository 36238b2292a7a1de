//! What every handler shares: the services, and the way to them.

use std::sync::Arc;

use tokio::runtime::Handle;
use tokio::sync::Semaphore;

use crate::admin_key::AdminKey;
use crate::http::problem::Problem;
use crate::settings::{HttpSettings, Settings};
use crate::wiring::Services;

/// Shared by all workers of the server; cheap to clone.
#[derive(Clone)]
pub(crate) struct App {
    services: Arc<Services>,
    /// Each worker of actix has a small runtime of its own beside it.
    main_runtime: Handle,
    in_flight: Arc<Semaphore>,
    pub(crate) admin_key: AdminKey,
    pub(crate) limits: Arc<HttpSettings>,
}

impl App {
    /// Must be called on the main runtime.
    pub(crate) fn new(services: Services, settings: &Settings) -> Self {
        Self {
            services: Arc::new(services),
            main_runtime: Handle::current(),
            in_flight: Arc::new(Semaphore::new(settings.http.in_flight_max.get())),
            admin_key: AdminKey::new(&settings.admin.key),
            limits: Arc::new(settings.http.clone()),
        }
    }

    pub(crate) fn services(&self) -> Arc<Services> {
        self.services.clone()
    }

    /// Does work in a task of this worker and waits for its outcome. A client
    /// that disconnects ends the waiting, never the work. What has to outlive
    /// the worker, connections and transactions, the adapters keep on the main
    /// runtime themselves.
    ///
    /// # Errors
    /// Too much work is under way, or the work panicked.
    pub(crate) async fn run<T, W, F>(&self, work: W) -> Result<T, Problem>
    where
        T: 'static,
        W: FnOnce(Arc<Services>) -> F,
        F: Future<Output = T> + 'static,
    {
        let Ok(permit) = self.in_flight.clone().try_acquire_owned() else {
            return Err(Problem::overloaded());
        };
        let work = work(self.services.clone());
        let task = actix_web::rt::spawn(async move {
            let outcome = work.await;
            drop(permit);
            outcome
        });
        task.await
            .map_err(|panic| Problem::internal(Box::new(panic)))
    }

    /// Reads, here and now: whoever stops waiting for what is read may drop it.
    ///
    /// # Errors
    /// Too much work is under way.
    pub(crate) async fn read<T, W, F>(&self, work: W) -> Result<T, Problem>
    where
        W: FnOnce(Arc<Services>) -> F,
        F: Future<Output = T>,
    {
        let Ok(_permit) = self.in_flight.try_acquire() else {
            return Err(Problem::overloaded());
        };
        Ok(work(self.services.clone()).await)
    }

    /// Works on the main runtime, however much is under way: for the question
    /// whether this process is fit to serve. A probe may open connections, and
    /// those of a worker would die with it.
    ///
    /// # Errors
    /// The work panicked.
    pub(crate) async fn probe<T, W, F>(&self, work: W) -> Result<T, Problem>
    where
        T: Send + 'static,
        W: FnOnce(Arc<Services>) -> F,
        F: Future<Output = T> + Send + 'static,
    {
        let task = self.main_runtime.spawn(work(self.services.clone()));
        task.await
            .map_err(|panic| Problem::internal(Box::new(panic)))
    }
}
