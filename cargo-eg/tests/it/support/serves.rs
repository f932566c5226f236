// A whole runtime without dependencies: the `main.rs` of services in temporary workspaces.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;

fn call(request: String) -> (Option<String>, String) {
    let mut stream = TcpStream::connect(std::env::var("AWS_LAMBDA_RUNTIME_API").unwrap()).unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = BufReader::new(stream);
    let (mut id, mut length) = (None, 0);
    loop {
        let mut line = String::new();
        if answer.read_line(&mut line).unwrap() <= 2 {
            break;
        }
        let (name, value) = line.trim().split_once(": ").unwrap_or_default();
        match name {
            "lambda-runtime-aws-request-id" => id = Some(value.to_owned()),
            "content-length" => length = value.parse().unwrap(),
            _ => {}
        }
    }
    let mut body = vec![0; length];
    answer.read_exact(&mut body).unwrap();
    (id, String::from_utf8(body).unwrap())
}

fn main() {
    let base = "/2018-06-01/runtime/invocation";
    let handler = std::env::var("_HANDLER").unwrap();
    loop {
        let (id, event) =
            call(format!("GET {base}/next HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n"));
        println!("{handler} got {event}");
        let body = if event.contains("\"Records\"") {
            // Of a batch, it fails the messages `0`.
            let failed: Vec<String> = event
                .split("\"body\":\"0\"")
                .skip(1)
                .filter_map(|rest| rest.split("\"messageId\":\"").nth(1)?.split('"').next())
                .map(|id| format!(r#"{{"itemIdentifier":"{id}"}}"#))
                .collect();
            format!(r#"{{"batchItemFailures":[{}]}}"#, failed.join(","))
        } else {
            format!(r#"{{"statusCode":200,"headers":{{"content-type":"text/plain"}},"body":"from {handler}"}}"#)
        };
        let (id, length) = (id.unwrap(), body.len());
        call(format!(
            "POST {base}/{id}/response HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n{body}"
        ));
    }
}
