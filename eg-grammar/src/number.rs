//! Decides which numbers of JSON can be compared without losing digits.

/// The largest whole number up to which each whole number is a 64-bit floating-point number: 2⁵³.
const EXACT: f64 = 9_007_199_254_740_992.0;

/// Returns whether a number of JSON keeps its digits when it is read: a whole number from −2⁶³ to 2⁶⁴ − 1, or one with a
/// fraction or an exponent whose size is at most 2⁵³.
///
/// ```
/// use eg_grammar::is_exact;
///
/// assert!(is_exact("18446744073709551615") && is_exact("-1.5e3"));
/// assert!(!is_exact("18446744073709551616") && !is_exact("1e16") && !is_exact("1e999"));
/// ```
#[must_use]
pub fn is_exact(number: &str) -> bool {
    number.parse::<i64>().is_ok()
        || number.parse::<u64>().is_ok()
        || number.parse::<f64>().is_ok_and(|number| number.abs() <= EXACT)
}
