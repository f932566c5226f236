use eg_runtime::subscribe;

#[subscribe(eventbridge(
    source = "aws.s3",
    detail_type = "Object Created",
    detail = {
        "a": [{"wildcard": "x**"}],
        "b": [{"cidr": "10.0.0.0"}],
        "c": [{"equals-ignore-case": 5}],
        "d": [{"prefix": {"suffix": "x"}}],
        "e": [{"anything-but": {"cidr": "10.0.0.0/8"}}],
        "f": [{"anything-but": {"wildcard": ["a", "**"]}}],
    },
))]
async fn check() {}

fn main() {}
