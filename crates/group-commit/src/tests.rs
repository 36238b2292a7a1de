//! Interleavings of threads, explored with shuttle.
