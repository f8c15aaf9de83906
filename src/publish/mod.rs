//! The one way from the sync thread to every reader.
