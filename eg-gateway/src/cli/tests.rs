//! Tests of command lines and the options that they set.

use clap::CommandFactory as _;

use super::*;

fn parse(args: &[&str]) -> Result<Cli, clap::Error> {
    let args = std::iter::once("event-gateway").chain(args.iter().copied());
    Cli::try_parse_from(args.map(|arg| two_dashes(OsString::from(arg))))
}

#[test]
fn definition_is_sound() {
    Cli::command().debug_assert();
}

#[test]
fn defaults_are_those_of_the_library() {
    let options = parse(&[]).unwrap().options().unwrap();
    assert_eq!(format!("{options:?}"), format!("{:?}", Options::new("default.eg")));
}

#[test]
fn flags_are_spelled_as_in_go_or_with_two_dashes() {
    for args in [
        &["-dev", "-events-port=5", "-workers", "7"][..],
        &["--dev", "--events-port", "5", "--workers=7"],
        &["-dev=true", "-events-port", "5", "--workers", "7", "-db-hosts=127.0.0.1:2379"],
    ] {
        let cli = parse(args).unwrap();
        assert!(cli.dev, "{args:?}");
        assert_eq!((cli.events_port, cli.config_port, cli.workers), (5, 4001, 7), "{args:?}");
    }
    assert!(!parse(&["-dev=false"]).unwrap().dev);
    assert!(matches!(parse(&["-log-level=DEBUG"]).unwrap().log_level, Level::Debug));
    assert!(matches!(parse(&["-log-level", "Warn"]).unwrap().log_level, Level::Warn));
    for args in [&["-workers=0"][..], &["--events-port", "x"], &["--nonsense"], &["extra"]] {
        assert!(parse(args).is_err(), "{args:?}");
    }
}

#[test]
fn flags_become_options() {
    let args = ["--host=0.0.0.0", "-retry-attempts=3", "-retry-min-backoff=10ms"];
    let options = parse(&args).unwrap().options().unwrap();
    assert_eq!(options.events_addr, ListenAddr::Exact("0.0.0.0:4000".parse().unwrap()));
    assert_eq!((options.retry.attempts, options.retry.min_backoff), (3, Duration::from_millis(10)));
    assert_eq!(parse(&[]).unwrap().options().unwrap().config_addr, ListenAddr::Loopback(4001));
    let options = parse(&["--allowed-host=a.example", "--allowed-host", "*.b.example"]).unwrap().options();
    assert_eq!(options.unwrap().allowed_hosts, ["a.example", "*.b.example"]);
}

#[cfg(feature = "aws")]
#[test]
fn endpoints_of_aws_become_options() {
    let options = parse(&["-lambda-endpoint=http://l", "-aws-endpoint=http://a"]).unwrap().options().unwrap();
    assert_eq!(options.lambda_endpoint.as_deref(), Some("http://l"));
    assert_eq!(options.aws_endpoint.as_deref(), Some("http://a"));
}

#[test]
fn original_flags_are_ignored_or_refused() {
    let original = parse(&["-db-hosts=a", "-workers-backlog=1"]).unwrap().original;
    assert_eq!(original.ignored().collect::<Vec<_>>(), ["db-hosts", "workers-backlog"]);
    assert_eq!(original.refused(), None);
    assert_eq!(parse(&["-plugin=x"]).unwrap().original.refused(), Some("--plugin"));
    for (half, error) in [
        ("-config-tls-key=x", "--config-tls-key needs --config-tls-cert"),
        ("-events-tls-cert=x", "--events-tls-cert needs --events-tls-key"),
    ] {
        assert_eq!(parse(&[half]).unwrap().options().unwrap_err(), error);
    }
    let options = parse(&["-events-tls-cert=", "-events-tls-key", ""]).unwrap().options().unwrap();
    assert_eq!(options.events_tls, None);
    let options = parse(&["-config-tls-key=k", "-config-tls-cert=c"]).unwrap().options().unwrap();
    assert_eq!(options.config_tls, Some(TlsFiles { cert: "c".into(), key: "k".into() }));
}

#[test]
fn sizes_become_options() {
    let args = ["--max-request-size=1MiB", "--max-reply-size", "20MiB"];
    let options = parse(&args).unwrap().options().unwrap();
    assert_eq!((options.body_limit, options.reply_limit), (1 << 20, 20 << 20));
}

#[test]
fn a_proxy_is_used_on_request() {
    let variables = |pairs: &'static [(&str, &str)]| {
        move |name: &str| pairs.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned())
    };
    let options = |args: &[&str], pairs| {
        let mut options = Options::new("unused");
        parse(args).unwrap().calls.apply(&mut options, variables(pairs)).map(|()| options)
    };
    let both: &[_] = &[("HTTPS_PROXY", "http://proxy:3128"), ("no_proxy", "a.example")];
    let unused = options(&["--ca-file=ca.pem"], both).unwrap();
    assert_eq!((unused.https_proxy, unused.no_proxy, unused.ca_file), (None, None, Some("ca.pem".into())));
    let used = options(&["--use-proxy"], both).unwrap();
    assert_eq!(used.https_proxy.as_deref(), Some("http://proxy:3128"));
    assert_eq!(used.no_proxy.as_deref(), Some("a.example"));
    assert_eq!(
        options(&["--use-proxy"], &[("https_proxy", "proxy:1")]).unwrap().https_proxy.unwrap(),
        "proxy:1"
    );
    let missing = "--use-proxy needs a proxy: set HTTPS_PROXY, for example to http://proxy.example:3128";
    assert_eq!(options(&["--use-proxy"], &[]).unwrap_err(), missing);
    let refused = options(&["--use-proxy"], &[("HTTPS_PROXY", "socks5://u:secret@h")]).unwrap_err();
    assert_eq!(refused, "HTTPS_PROXY begins with socks5://, and only http:// is supported");
}

#[test]
fn access_keys() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("key");
    std::fs::write(&file, " from a file \n").unwrap();
    let file = format!("--space-access-key=acme=@{}", file.display());
    let options = parse(&[
        "--access-key",
        "root",
        "--space-access-key",
        "b=k=1",
        &file,
        "--protect-events",
        "--domain=d.example",
    ]);
    let options = options.unwrap().options().unwrap();
    let keys = &options.access_keys;
    assert_eq!(keys.all.as_ref().unwrap().expose(), "root");
    assert_eq!(keys.spaces["acme"].expose(), "from a file");
    assert_eq!(keys.spaces["b"].expose(), "k=1");
    assert!(keys.events);
    assert_eq!(options.domain.as_deref(), Some("d.example"));
    for (args, problem) in [
        (&["--access-key="][..], "the access key is empty"),
        (&["--access-key=@/no/such/file"], "cannot read the access key in /no/such/file"),
        (&["--protect-events"], "--protect-events needs"),
    ] {
        let error = parse(args).unwrap().options().unwrap_err();
        assert!(error.contains(problem), "{error}");
    }
    assert!(parse(&["--space-access-key=x"]).is_err());
}
