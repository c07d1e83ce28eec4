//! The function's answer, as it is read from the stream of offers.

use serde::{Deserialize, Serialize};

/// What the function found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Status {
    /// There are plans for the place.
    Offered,
    /// The place cannot be served; the reason says why.
    Unserved,
    /// The sign-up makes no sense; the reason says why.
    Rejected,
}

/// The place as the function understood it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct OfferPlace {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) city: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) country: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) country_code: Option<String>,
    pub(crate) latitude: f64,
    pub(crate) longitude: f64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) distance_km: Option<f64>,
}

/// One bandwidth option.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Plan {
    #[serde(rename = "plan")]
    pub(crate) name: String,
    pub(crate) technology: String,
    pub(crate) down_mbps: f64,
    pub(crate) up_mbps: f64,
    pub(crate) price_usd_month: f64,
}

/// Why there are no options.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Reason {
    pub(crate) code: String,
    pub(crate) message: String,
}

/// The data of a record in the stream of offers. Fields that the application does not use are left out.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Offer {
    pub(crate) sign_up_id: Option<String>,
    pub(crate) status: Status,
    #[serde(default)]
    pub(crate) name: Option<String>,
    #[serde(default)]
    pub(crate) put_at_ms: Option<f64>,
    #[serde(default)]
    pub(crate) enriched_at_ms: Option<f64>,
    #[serde(default)]
    pub(crate) place: Option<OfferPlace>,
    #[serde(default)]
    pub(crate) options: Vec<Plan>,
    #[serde(default)]
    pub(crate) reason: Option<Reason>,
}
