//! What is promised of several processes behind the load balancer whose
//! configuration is shipped, `deploy/haproxy/haproxy.cfg`. `make cluster-test`
//! runs this, and the tests of the HTTP interface by way of it.

mod configuration;
mod faults;
