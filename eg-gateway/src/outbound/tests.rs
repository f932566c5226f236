use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use super::resolve::blocked;
use super::*;

const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

fn pool(listener: &TcpListener, host: &str, allowed: PrivateTargets) -> Arc<Pool> {
    let origin = format!("http://{host}:{}", listener.local_addr().unwrap().port());
    let connector =
        Connector::of_functions(&Options::new("unused"), &ClientTls::default(), &Arc::new(allowed));
    Pool::new(connector, origin.parse().unwrap())
}

fn post() -> Request<Full<Bytes>> {
    Request::post("/").header("host", "h").body(Full::from("event")).unwrap()
}

/// Accepts a connection and answers this many requests on it.
async fn serve(listener: &TcpListener, requests: usize) -> TcpStream {
    let (mut stream, _) = listener.accept().await.unwrap();
    for _ in 0..requests {
        let mut read = Vec::new();
        while !read.ends_with(b"event") {
            assert!(stream.read_buf(&mut read).await.unwrap() > 0, "{read:?}");
        }
        stream.write_all(ANSWER).await.unwrap();
    }
    stream
}

#[tokio::test]
async fn a_connection_serves_one_exchange_after_the_other() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let pool = pool(&listener, "127.0.0.1", PrivateTargets::all());
    let call = async {
        for _ in 0..3 {
            assert_eq!(pool.send(post(), 2, Reading::Excerpt).await.unwrap().into_body(), "ok");
        }
    };
    tokio::join!(serve(&listener, 3), call);
}

/// The host closes an idle connection. The next call must not fail because of that.
#[tokio::test]
async fn a_connection_that_was_closed_while_idle_is_replaced() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let pool = pool(&listener, "127.0.0.1", PrivateTargets::all());
    let serve = async {
        for _ in 0..2 {
            drop(serve(&listener, 1).await);
        }
    };
    let call = async {
        assert_eq!(pool.send(post(), 2, Reading::Excerpt).await.unwrap().into_body(), "ok");
        tokio::time::sleep(Duration::from_millis(50)).await;
        assert_eq!(pool.send(post(), 2, Reading::Excerpt).await.unwrap().into_body(), "ok");
    };
    tokio::join!(serve, call);
}

#[tokio::test]
async fn a_failure_to_connect_names_the_host() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let pool = pool(&listener, "localhost", PrivateTargets::all());
    let port = listener.local_addr().unwrap().port();
    drop(listener);
    let error = pool.send(post(), 2, Reading::Excerpt).await.unwrap_err();
    assert_eq!(error.to_string(), format!("cannot connect to localhost:{port}"));
    assert!(error.source().is_some());
}

#[tokio::test]
async fn a_response_that_is_too_large_is_not_read() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let pool = pool(&listener, "127.0.0.1", PrivateTargets::all());
    let (response, _) = tokio::join!(pool.send(post(), 1, Reading::Excerpt), serve(&listener, 1));
    assert!(response.unwrap_err().is::<http_body_util::LengthLimitError>());
    assert!(pool.idle().connections.is_empty());
}

#[tokio::test]
async fn idle_connections_are_closed_in_time() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let pool = pool(&listener, "127.0.0.1", PrivateTargets::all());
    let (response, mut stream) = tokio::join!(pool.send(post(), 2, Reading::Excerpt), serve(&listener, 1));
    response.unwrap();
    assert!(!pool.idle().connections.is_empty());
    pool.idle().connections[0].0 -= MAX_IDLE;
    tokio::time::pause();
    assert_eq!(stream.read(&mut [0]).await.unwrap(), 0);
}

/// A name does not show where it leads, so its addresses are checked when it is resolved. (This name is in every
/// hosts file. `http` would have refused it earlier.)
#[tokio::test]
async fn names_that_lead_to_private_addresses_are_not_connected_to() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let error = pool(&listener, "localhost", PrivateTargets::none())
        .send(post(), 2, Reading::Excerpt)
        .await
        .unwrap_err();
    assert!(blocked(&*error).is_some(), "{error:?}");

    let allowed = pool(&listener, "localhost", PrivateTargets::none().allow("127.0.0.0/8").unwrap());
    let request = tokio::spawn(async move { allowed.send(post(), 2, Reading::Excerpt).await });
    listener.accept().await.unwrap();
    request.abort();
}

/// A proxy may reach more than the gateway does. The rules for private addresses hold all the same.
#[tokio::test]
async fn a_proxy_is_no_way_to_private_addresses() {
    let proxy = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut options = Options::new("unused");
    options.https_proxy = Some(format!("http://{}", proxy.local_addr().unwrap()));
    for (allowed, reached) in [(PrivateTargets::none(), false), (PrivateTargets::all(), true)] {
        let connector = Connector::of_functions(&options, &ClientTls::default(), &Arc::new(allowed));
        let pool = Pool::new(connector, "https://localhost:9".parse().unwrap());
        let tunnel = async {
            let mut line = [0; 19];
            proxy.accept().await.unwrap().0.read_exact(&mut line).await.unwrap();
            line
        };
        tokio::select! {
            response = pool.send(post(), 2, Reading::Excerpt) => {
                assert!(!reached && blocked(&*response.unwrap_err()).is_some());
            }
            line = tunnel => assert!(reached && line == *b"CONNECT localhost:9"),
        }
    }
}
