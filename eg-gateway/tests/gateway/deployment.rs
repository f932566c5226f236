//! The files in `deploy/` start gateways that serve what the files say. Of the programs that read these files, only systemd may be here.

use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::process::{PROGRAM, Program};

fn file(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy").join(name);
    std::fs::read_to_string(path).unwrap()
}

fn yaml(text: &str) -> Value {
    serde_saphyr::from_str(text).unwrap()
}

fn texts(list: &Value) -> Vec<String> {
    list.as_array().unwrap().iter().map(|item| item.as_str().unwrap().to_owned()).collect()
}

/// Starts a gateway with these arguments. `secrets` and `data` are the folders of the machine or the container, and `database` is
/// the store.
async fn serves(arguments: &[String], secrets: &str, data: &str, database: Option<&str>) {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("access-key"), "a long key\n").unwrap();
    let mut command = Command::new(PROGRAM);
    command.args(["--events-port=0", "--config-port=0"]).stdout(Stdio::null()).stderr(Stdio::piped());
    for argument in arguments {
        let here = dir.path().display().to_string();
        let own = argument.replace("0.0.0.0", "127.0.0.1").replace(secrets, &here);
        command.arg(own.replace(data, &format!("{here}/data")));
    }
    command.envs(database.map(|url| ("EVENT_GATEWAY_STORE", url)));
    let gateway = Program::spawn(command);
    let get = async |path: &str, key: &str| {
        let request = gateway.api.client.get(format!("{}{path}", gateway.api.config)).bearer_auth(key);
        request.send().await.unwrap().status().as_u16()
    };
    let has_key = arguments.iter().any(|argument| argument.starts_with("--access-key=@"));
    let statuses = (get("/v1/status", "").await, get("/v1/accounting", "wrong").await);
    assert_eq!(statuses, (200, if has_key { 403 } else { 200 }), "{arguments:?}");
    assert_eq!(get("/v1/accounting", "a long key").await, 200, "{arguments:?}");
}

#[tokio::test]
async fn the_unit_of_systemd_starts_a_gateway() {
    let unit = file("event-gateway.service");
    let start =
        unit.lines().find_map(|line| line.strip_prefix("ExecStart=/usr/local/bin/event-gateway ")).unwrap();
    let arguments: Vec<_> = start.split(' ').map(str::to_owned).collect();
    serves(&arguments, "%d", "%S/event-gateway", None).await;
    // Where systemd is, it reads the unit. The program would have to be installed.
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("event-gateway.service");
    std::fs::write(&path, unit.replace("/usr/local/bin/event-gateway", "/bin/true")).unwrap();
    if let Ok(verified) = Command::new("systemd-analyze").arg("verify").arg(&path).output() {
        // It may also complain about other units of the machine.
        let printed = String::from_utf8_lossy(&verified.stderr).into_owned();
        assert!(!printed.contains("event-gateway"), "{printed}");
    }
    // For exit codes that a restart does not change.
    let kept = unit.lines().find_map(|line| line.strip_prefix("RestartPreventExitStatus=")).unwrap();
    let help = Command::new(PROGRAM).arg("--help").output().unwrap();
    let help = String::from_utf8(help.stdout).unwrap();
    let meaning =
        |code: &str| help.lines().find(|line| line.starts_with(&format!("  {code}  "))).unwrap().to_owned();
    let meanings: Vec<_> = kept.split(' ').map(meaning).collect();
    assert!(meanings[0].contains("invalid command line") && meanings[1].contains("damaged"), "{meanings:?}");
}

#[tokio::test]
async fn the_image_starts_a_gateway() {
    let text = file("Containerfile");
    let command = text.lines().find_map(|line| line.strip_prefix("CMD ")).unwrap();
    serves(&texts(&serde_json::from_str(command).unwrap()), "/secrets", "/data", None).await;
    for port in ["4000", "4001"] {
        let exposed = text.lines().find_map(|line| line.strip_prefix("EXPOSE ")).unwrap();
        assert!(exposed.split(' ').any(|exposed| exposed == port));
    }
}

#[cfg(feature = "postgres")]
#[tokio::test]
async fn compose_and_kubernetes_start_gateways() {
    use eg_gateway::StoreUrl;
    use eg_tests::postgres::Postgres;

    let Some(server) = Postgres::shared() else { return };
    let compose = yaml(&file("compose.yaml"));
    let gateway = &compose["services"]["gateway"];
    let url = gateway["environment"]["EVENT_GATEWAY_STORE"].as_str().unwrap();
    let database = &compose["services"]["database"]["environment"];
    let known = |name: &str| database[name].as_str().unwrap();
    let expected = format!(
        "postgres://{}:{}@database/{}?sslmode=disable",
        known("POSTGRES_USER"),
        known("POSTGRES_PASSWORD"),
        known("POSTGRES_DB")
    );
    assert_eq!(url, expected);
    url.replace("${PASSWORD}", "secret").parse::<StoreUrl>().unwrap();
    serves(&texts(&gateway["command"]), "/run/secrets", "/data", Some(&server.database())).await;

    let text = file("kubernetes.yaml");
    let (deployment, service) = text.split_once("\n---\n").unwrap();
    let (deployment, service) = (yaml(deployment), yaml(service));
    let pod = &deployment["spec"]["template"];
    let container = &pod["spec"]["containers"][0];
    assert_eq!(container["env"][0]["name"], "EVENT_GATEWAY_STORE");
    assert_eq!(container["readinessProbe"]["httpGet"]["path"], "/v1/status");
    let secrets = container["volumeMounts"][0]["mountPath"].as_str().unwrap();
    serves(&texts(&container["args"]), secrets, "/data", Some(&server.database())).await;
    for labels in [&deployment["spec"]["selector"]["matchLabels"], &service["spec"]["selector"]] {
        assert_eq!(labels, &pod["metadata"]["labels"]);
    }
    let ports = container["ports"].as_array().unwrap();
    for port in service["spec"]["ports"].as_array().unwrap() {
        let target = ports.iter().find(|known| known["name"] == port["targetPort"]).unwrap();
        assert_eq!(target["containerPort"], port["port"]);
    }
}
