//! One binary that runs behind a function URL, behind API Gateway, or as a plain HTTP server, without knowing which.
//!
//! As a server, on `PORT` (default 3000):
//!
//! ```text
//! $ cargo run -p function-url
//! $ curl 'localhost:3000/convert/100?to=fahrenheit'
//! {"degrees":212.0}
//! ```
//!
//! On Lambda, here with the payload of a function URL (the same as that of API Gateway's HTTP APIs):
//!
//! ```text
//! $ cargo eg run examples/function-url
//! $ curl localhost:9001/2015-03-31/functions/function-url-convert/invocations -d @examples/function-url/request.json
//! {"statusCode":200,…"body":"{\"degrees\":212.0}",…}
//! ```

use eg_runtime::{App, Error, Json, Path, Query, http};
use serde::{Deserialize, Serialize};

#[derive(Deserialize)]
struct Options {
    to: Scale,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum Scale {
    Fahrenheit,
    Kelvin,
}

#[derive(Serialize)]
struct Temperature {
    degrees: f64,
}

/// Converts degrees Celsius.
#[http(GET, "/convert/{celsius}")]
async fn convert(Path(celsius): Path<f64>, Query(options): Query<Options>) -> Json<Temperature> {
    let degrees = match options.to {
        Scale::Fahrenheit => celsius * 9.0 / 5.0 + 32.0,
        Scale::Kelvin => celsius + 273.15,
    };
    Json(Temperature { degrees })
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    App::new().run().await
}
