//! What the machine tells the tracing crate (feature `tracing`); nothing without the feature.

use super::super::status::Problem;
use crate::bound::DisruptionReason;
use crate::bound::params::News;

pub(super) fn synchronized(_news: &News) {
    #[cfg(feature = "tracing")]
    tracing::info!(
        earliest_ns = _news.earliest_ns,
        latest_ns = _news.latest_ns,
        degraded = _news.degraded,
        "synchronized"
    );
}

pub(super) fn disrupted(_reason: DisruptionReason) {
    #[cfg(feature = "tracing")]
    tracing::warn!(reason = %_reason, "disrupted: no answer until later facts agree");
}

pub(super) fn failed(_source: &str, _problem: &Problem) {
    #[cfg(feature = "tracing")]
    tracing::debug!(source = _source, problem = %_problem, "an exchange gave no facts");
}
