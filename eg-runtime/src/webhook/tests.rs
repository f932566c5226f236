use http::HeaderName;

use super::*;

/// Verifies a request at a time in seconds since 1970, as vectors of the senders have it.
fn verified<P: Provider>(
    given: &[(&'static str, &str)],
    url: &str,
    body: &str,
    secrets: &[&str],
    now: i64,
) -> Result<Verified, Refused> {
    let headers: HeaderMap =
        given.iter().map(|(name, value)| (HeaderName::from_static(name), value.parse().unwrap())).collect();
    let secrets: Vec<String> = secrets.iter().map(|secret| (*secret).to_owned()).collect();
    let now = OffsetDateTime::from_unix_timestamp(now).unwrap();
    P::verify(&Signed::new(&headers, url, body.as_bytes(), &secrets, now))
}

/// The vector in GitHub's documentation.
#[test]
fn github() {
    let verify = |signature: &str, body: &str, secrets: &[&str]| {
        let headers = [
            ("x-hub-signature-256", signature),
            ("x-github-delivery", "72d3162e"),
            ("x-github-event", "push"),
        ];
        verified::<GitHub>(&headers, "", body, secrets, 0)
    };
    let signature = "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17";
    let secret = "It's a Secret to Everybody";
    let expected = Verified::new("72d3162e").of_kind(Some("push"));
    assert_eq!(verify(signature, "Hello, World!", &[secret]), Ok(expected.clone()));
    assert_eq!(verify(signature, "Hello, World!", &["another", secret]), Ok(expected));
    for (signature, body, secrets) in [
        (signature, "Hello, World", &[secret][..]),
        (signature, "Hello, World!", &["another"]),
        (signature, "Hello, World!", &[]),
        (&signature[7..], "Hello, World!", &[secret]),
        (&signature[..signature.len() - 1], "Hello, World!", &[secret]),
        ("sha256=", "Hello, World!", &[secret]),
        ("sha256=zz", "Hello, World!", &[secret]),
    ] {
        assert_eq!(verify(signature, body, secrets), Err(Refused::Wrong), "{signature} {body} {secrets:?}");
    }
    assert_eq!(
        verified::<GitHub>(&[], "", "", &[secret], 0).unwrap_err().to_string(),
        "the request has no header `x-hub-signature-256`, so nothing shows who sent it"
    );
}

/// The vector in Slack's documentation.
#[test]
fn slack() {
    let body = "token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow&channel_id=G8PSS9T3V&\
        channel_name=foobar&user_id=U2CERLKJA&user_name=roadrunner&command=%2Fwebhook-collect&text=&response_url=\
        https%3A%2F%2Fhooks.slack.com%2Fcommands%2FT1DC2JH3J%2F397700885554%2F96rGlfmibIGlgcZRskXaIFfN&trigger_id=\
        398738663015.47445629121.803a0bc887a14d10d2c447fce8b6703c";
    let headers = [
        ("x-slack-signature", "v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503"),
        ("x-slack-request-timestamp", "1531420618"),
    ];
    let verify = |now: i64| verified::<Slack>(&headers, "", body, &["8f742231b10e8888abcd99yyyzzz85a5"], now);
    let expected = Verified::new("398738663015.47445629121.803a0bc887a14d10d2c447fce8b6703c")
        .of_kind(Some("/webhook-collect"));
    for now in [1_531_420_618, 1_531_420_918, 1_531_420_318] {
        assert_eq!(verify(now), Ok(expected.clone()), "{now}");
    }
    assert_eq!(verify(1_531_420_919), Err(Refused::Old(301)));
    assert_eq!(verify(1_531_420_317), Err(Refused::Early(301)));
}

/// The vector of the specification, and one with a key pair that was made for it.
#[test]
fn standard_webhooks() {
    let (secret, body, now) =
        ("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", r#"{"test": 2432232314}"#, 1_614_265_330);
    let signature = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";
    let verify = |names: [&'static str; 3], signature: &str, secrets: &[&str], now| {
        let headers =
            [(names[0], "msg_p5jXN8AQM9LWM0D4loKWxJek"), (names[1], "1614265330"), (names[2], signature)];
        verified::<StandardWebhooks>(&headers, "", body, secrets, now)
    };
    let standard = ["webhook-id", "webhook-timestamp", "webhook-signature"];
    let svix = ["svix-id", "svix-timestamp", "svix-signature"];
    for names in [standard, svix] {
        for signature in
            [signature.to_owned(), format!("v1,bm90IGl0 {signature}"), format!("{signature} v2,x")]
        {
            let id = verify(names, &signature, &[secret], now).unwrap().id;
            assert_eq!(id, "msg_p5jXN8AQM9LWM0D4loKWxJek", "{signature}");
        }
    }
    for signature in
        ["v1,bm90IGl0", "v1,", "g0hM9SsE", "v1a,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=", ""]
    {
        assert_eq!(verify(standard, signature, &[secret], now), Err(Refused::Wrong), "{signature}");
    }
    assert_eq!(verify(standard, signature, &[secret], now + 301), Err(Refused::Old(301)));
    let malformed = verify(standard, signature, &["whsec_!"], now).unwrap_err();
    assert_eq!(malformed.to_string(), "the secret is not base64 after its prefix");

    let pair = ring::signature::Ed25519KeyPair::from_seed_unchecked(&[7; 32]).unwrap();
    let message = format!("msg_p5jXN8AQM9LWM0D4loKWxJek.1614265330.{body}");
    let encode = |bytes: &[u8]| base64::Engine::encode(&base64::engine::general_purpose::STANDARD, bytes);
    let public = format!("whpk_{}", encode(ring::signature::KeyPair::public_key(&pair).as_ref()));
    let asymmetric = format!("v1a,{}", encode(pair.sign(message.as_bytes()).as_ref()));
    assert!(verify(standard, &asymmetric, &[&public], now).is_ok());
    assert_eq!(verify(standard, &asymmetric, &[secret], now), Err(Refused::Wrong));
    assert_eq!(verify(standard, signature, &[&public], now), Err(Refused::Wrong));
}

/// The vector in the tests of Twilio's libraries.
#[test]
fn twilio() {
    let url = "https://mycompany.com/myapp.php?foo=1&bar=2";
    let body =
        "CallSid=CA1234567890ABCDE&Digits=1234&From=%2B14158675309&To=%2B18005551212&Caller=%2B14158675309";
    let headers = [("x-twilio-signature", "RSOYDt4T1cUTdK1PDd93/VVr8B8=")];
    let verify = |url: &str, body: &str| verified::<Twilio>(&headers, url, body, &["12345"], 0);
    assert_eq!(verify(url, body), Ok(Verified::new("CA1234567890ABCDE")));
    assert_eq!(verify("https://mycompany.com/myapp.php", body), Err(Refused::Wrong));
    assert_eq!(verify(url, &body.replace("1234&", "1235&")), Err(Refused::Wrong));
    // A body that is no form has a digest in the URL.
    let digest = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
    let url = format!("https://example.com/x?bodySHA256={digest}");
    let signed = sign::<Twilio>("12345", &url, b"{}");
    let signature = signed["x-twilio-signature"].to_str().unwrap();
    assert_eq!(
        verified::<Twilio>(&[("x-twilio-signature", signature)], &url, "{}", &["12345"], 0),
        Err(Refused::Wrong)
    );
    let digest = "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a";
    let url = format!("https://example.com/x?bodySHA256={digest}");
    let signed = sign::<Twilio>("12345", &url, b"{}");
    let signature = signed["x-twilio-signature"].to_str().unwrap();
    assert!(verified::<Twilio>(&[("x-twilio-signature", signature)], &url, "{}", &["12345"], 0).is_ok());
}

#[test]
fn stripe() {
    let (body, now) = (r#"{"id":"evt_1","type":"charge.failed"}"#, 1_492_774_577);
    let secrets = ["whsec_test".to_owned()];
    let none = HeaderMap::new();
    let at = OffsetDateTime::from_unix_timestamp(now).unwrap();
    let made = Stripe::sign(&Signed::new(&none, "", body.as_bytes(), &secrets, at));
    let made = made["stripe-signature"].to_str().unwrap();
    let verify = |signature: &str, now| {
        verified::<Stripe>(&[("stripe-signature", signature)], "", body, &["old", "whsec_test"], now)
    };
    let expected = Verified::new("evt_1").of_kind(Some("charge.failed"));
    assert_eq!(verify(made, now + 300), Ok(expected.clone()));
    // During a rotation, Stripe signs with both secrets.
    let twice = made.replace("v1=", "v1=00,v0=11,v1=");
    assert_eq!(verify(&twice, now), Ok(expected));
    assert_eq!(verify(made, now + 301), Err(Refused::Old(301)));
    assert_eq!(verify(&made.replace("t=1492774577", "t=1492774578"), now), Err(Refused::Wrong));
    for malformed in ["", "v1=00", "t"] {
        let error = verify(malformed, now).unwrap_err().to_string();
        assert_eq!(error, "`Stripe-Signature` has no timestamp `t`", "{malformed}");
    }
}

#[test]
fn the_url_is_that_of_the_sender() {
    let parts = |uri: &str| {
        let request = http::Request::builder().uri(uri).header("host", "example.com").body(()).unwrap();
        request.into_parts().0
    };
    for (uri, set, expected) in [
        ("/a?b=c", None, "https://example.com/a?b=c"),
        ("/a?b=c", Some("https://x.example/y"), "https://x.example/y?b=c"),
        ("/a?b=c", Some("https://x.example/y?z"), "https://x.example/y?z"),
        ("/a", Some("https://x.example/y"), "https://x.example/y"),
    ] {
        assert_eq!(signed::url(&parts(uri), set), expected);
    }
}

/// Whatever comes as a signature or a body is refused, without a panic.
#[test]
fn strange_requests_are_refused() {
    fn check<P: Provider>(names: &[&'static str]) {
        proptest::proptest!(|(values in proptest::collection::vec("[ -~]{0,40}", names.len()),
                              body in proptest::collection::vec(proptest::num::u8::ANY, 0..60),
                              secret in "(whsec_|whpk_)?[ -~]{0,20}")| {
            let headers: HeaderMap = names
                .iter()
                .zip(&values)
                .filter_map(|(name, value)| Some((HeaderName::from_static(name), value.parse().ok()?)))
                .collect();
            let secrets = [secret];
            let signed = Signed::new(&headers, "https://example.com/?bodySHA256=", &body, &secrets, OffsetDateTime::now_utc());
            proptest::prop_assert!(P::verify(&signed).is_err());
        });
    }
    check::<GitHub>(&["x-hub-signature-256", "x-github-delivery", "x-github-event"]);
    check::<Shopify>(&["x-shopify-hmac-sha256", "x-shopify-webhook-id"]);
    check::<Slack>(&["x-slack-signature", "x-slack-request-timestamp"]);
    check::<StandardWebhooks>(&["webhook-id", "webhook-timestamp", "webhook-signature"]);
    check::<Stripe>(&["stripe-signature"]);
    check::<Twilio>(&["x-twilio-signature"]);
}
