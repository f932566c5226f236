//! Computes distance and price for an address. Uses tables instead of a map service, so prices are the same
//! everywhere.
//!
//! An address can be reached if it contains a postcode of one of the districts in the table, for example `221B Baker
//! Street, London NW1 6XE`. The places of the sample customers are known exactly, those of other addresses by their
//! district.

use shop_events::{Cents, Estimate};

/// Latitude and longitude in degrees.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Place {
    latitude: f64,
    longitude: f64,
}

/// The warehouse: 60 Holborn Viaduct, London EC1A 2FD, UK.
const START: Place = Place { latitude: 51.5173, longitude: -0.1049 };

const PLACES: [(&str, Place); 4] = [
    ("London SW1A 1AA, UK", Place { latitude: 51.5014, longitude: -0.1419 }),
    ("Great Russell St, London WC1B 3DG, UK", Place { latitude: 51.5194, longitude: -0.1270 }),
    ("Trafalgar Square, London WC2N 5DN, UK", Place { latitude: 51.5089, longitude: -0.1283 }),
    ("St James's Palace, London SW1A 1BS, UK", Place { latitude: 51.5049, longitude: -0.1376 }),
];

/// Postcode districts and their centers.
const DISTRICTS: [(&str, f64, f64); 29] = [
    ("E1", 51.517, -0.058),
    ("E2", 51.529, -0.061),
    ("E8", 51.543, -0.062),
    ("E14", 51.507, -0.018),
    ("EC1", 51.5235, -0.103),
    ("EC2", 51.519, -0.086),
    ("EC3", 51.5125, -0.081),
    ("EC4", 51.5145, -0.1),
    ("N1", 51.538, -0.1),
    ("N7", 51.554, -0.117),
    ("NW1", 51.534, -0.144),
    ("NW3", 51.553, -0.172),
    ("NW5", 51.5535, -0.144),
    ("NW8", 51.532, -0.174),
    ("SE1", 51.498, -0.089),
    ("SE10", 51.484, 0.0),
    ("SE16", 51.495, -0.053),
    ("SW1", 51.497, -0.137),
    ("SW3", 51.49, -0.166),
    ("SW5", 51.4905, -0.189),
    ("SW7", 51.496, -0.176),
    ("SW10", 51.483, -0.182),
    ("SW11", 51.464, -0.166),
    ("W1", 51.516, -0.146),
    ("W2", 51.515, -0.178),
    ("W8", 51.501, -0.192),
    ("W11", 51.513, -0.206),
    ("WC1", 51.523, -0.123),
    ("WC2", 51.512, -0.1235),
];

const SECONDS_PER_KILOMETRE: f64 = 180.0;

/// Returns the route to `address`; `None` if it cannot be reached.
pub(crate) fn to(address: &str) -> Option<Estimate> {
    let known = PLACES.iter().find(|(known, _)| *known == address).map(|(_, place)| *place);
    let goal = known.or_else(|| place_of(address))?;
    let distance = kilometres(START, goal);
    let seconds = distance * SECONDS_PER_KILOMETRE;
    Some(Estimate {
        data_source: "table".to_owned(),
        distance,
        distance_unit: "Kilometers".to_owned(),
        duration_seconds: seconds,
        route_bbox: [
            START.longitude.min(goal.longitude),
            START.latitude.min(goal.latitude),
            START.longitude.max(goal.longitude),
            START.latitude.max(goal.latitude),
        ],
        price: price(seconds),
    })
}

/// Returns the center of the district of the first postcode in `address` that the table has.
fn place_of(address: &str) -> Option<Place> {
    let address = address.to_uppercase();
    let words: Vec<&str> = address.split([' ', ',']).filter(|word| !word.is_empty()).collect();
    words.windows(2).find_map(|pair| {
        let district = district(pair[0], pair[1])?;
        let (_, latitude, longitude) = DISTRICTS.iter().find(|(name, ..)| *name == district)?;
        Some(Place { latitude: *latitude, longitude: *longitude })
    })
}

/// Returns the district of a postcode, given as its two words: `SW1` of `SW1A 1AA`.
fn district<'a>(outward: &'a str, inward: &str) -> Option<&'a str> {
    let [digit, letters @ ..] = inward.as_bytes() else { return None };
    let postcode = digit.is_ascii_digit() && letters.len() == 2 && letters.iter().all(u8::is_ascii_uppercase);
    let district = outward.trim_end_matches(|c: char| c.is_ascii_uppercase());
    (postcode && outward.len() - district.len() <= 1 && !district.is_empty()).then_some(district)
}

/// One cent per second of travel time.
fn price(seconds: f64) -> Cents {
    #[allow(clippy::cast_possible_truncation, reason = "no way on Earth takes that long")]
    Cents(seconds.round() as i64)
}

/// The great-circle distance (haversine formula).
fn kilometres(from: Place, to: Place) -> f64 {
    const RADIUS: f64 = 6371.0;
    let half = |a: f64, b: f64| ((b - a).to_radians() / 2.0).sin().powi(2);
    let h = half(from.latitude, to.latitude)
        + from.latitude.to_radians().cos()
            * to.latitude.to_radians().cos()
            * half(from.longitude, to.longitude);
    2.0 * RADIUS * h.sqrt().asin()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prices_are_the_same_everywhere() {
        for (address, kilometres, price) in [
            ("London SW1A 1AA, UK", 3.11, Some(560)),
            ("Great Russell St, London WC1B 3DG, UK", 1.55, Some(278)),
            ("Trafalgar Square, London WC2N 5DN, UK", 1.87, Some(336)),
            ("St James's Palace, London SW1A 1BS, UK", 2.65, Some(477)),
            // By the postcode's district.
            ("221B Baker Street, London NW1 6XE", 3.28, Some(591)),
            ("10 Downing Street, London, SW1A 2AA, United Kingdom", 3.17, Some(570)),
            ("1 canada square, london e14 5ab", 6.12, Some(1102)),
            ("Royal Observatory, London SE10 8XJ", 8.15, Some(1467)),
            ("London", 0.0, None),
            ("London NW1", 0.0, None),
            ("The Shambles, York YO1 7LZ", 0.0, None),
            ("NW1AB 6XE", 0.0, None),
            ("", 0.0, None),
        ] {
            let found = to(address);
            assert_eq!(found.as_ref().map(|way| way.price), price.map(Cents), "{address}");
            let Some(way) = found else { continue };
            assert!((way.distance - kilometres).abs() < 0.01, "{address}: {}", way.distance);
            let [west, south, east, north] = way.route_bbox;
            assert!(west < east && south < north, "{address}");
        }
    }
}
