//! Tools of the end-to-end tests: real programs in temporary directories. Tests nothing itself.
