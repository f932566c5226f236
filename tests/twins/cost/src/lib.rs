//! Measures the twins: see `benches/cost.rs`.
