//! For tests: a scripted source, and the checks that every connector must pass.
