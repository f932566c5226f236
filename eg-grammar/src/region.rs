//! Derives from the name of an AWS region what its ARNs and URLs contain. Checking that a region exists is left to AWS.

/// Returns the partition of a region, as ARNs name it: `aws`, `aws-cn` or `aws-us-gov`.
#[must_use]
pub fn partition(region: &str) -> &'static str {
    match region {
        _ if region.starts_with("cn-") => "aws-cn",
        _ if region.starts_with("us-gov-") => "aws-us-gov",
        _ => "aws",
    }
}

/// Returns the domain of the public endpoints in a region, which follows the names of the service and of the region.
#[must_use]
pub fn domain(region: &str) -> &'static str {
    match partition(region) {
        "aws-cn" => "amazonaws.com.cn",
        _ => "amazonaws.com",
    }
}

/// Returns the URL of the public endpoint of a service: `https://<service>.<region>.<domain>`.
#[must_use]
pub fn endpoint(service: &str, region: &str) -> String {
    format!("https://{service}.{region}.{}", domain(region))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn regions_belong_to_partitions() {
        for (region, expected) in [
            ("eu-central-1", ("aws", "amazonaws.com")),
            ("us-gov-west-1", ("aws-us-gov", "amazonaws.com")),
            ("cn-north-1", ("aws-cn", "amazonaws.com.cn")),
        ] {
            assert_eq!((partition(region), domain(region)), expected, "{region}");
        }
    }
}
