//! The event gateway: accepts events over HTTP, stores them, and delivers each one to the functions that subscribe to it.
//!
//! A `202` means that the event is on disk and will be delivered at least once to every subscription that existed when the
//! gateway accepted it, across crashes and restarts. A delivery ends when it succeeds, becomes a dead letter with its
//! payload and history, or expires at an age that you set. The gateway records a reason for every event that it does not
//! deliver.
//!
//! The wire format is compatible with the Serverless Event Gateway 0.9.1 (called "the original" in these sources), except
//! where the original lost events or crashed.
//!
//! ```no_run
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! use eg_gateway::{Gateway, Options};
//!
//! let gateway = Gateway::start(Options::new("./data")).await?;
//! println!("emit events to {}", gateway.events_url());
//! gateway.shutdown().await;
//! # Ok(())
//! # }
//! ```
//!
//! # Beyond the original
//! An `async` subscription may have these fields. Without them it behaves as in the original.
//!
//! | field | meaning |
//! |---|---|
//! | `retry` | `{"attempts", "minBackoffMs", "maxBackoffMs", "maxAgeMs"}`, each optional, or `"eventbridge"`; default: [`Options::retry`] |
//! | `filter` | an EventBridge pattern on attributes, extensions and `data`: values, `prefix`, `suffix`, `wildcard`, `equals-ignore-case`, `anything-but`, `numeric`, `cidr`, `exists`, `$or` |
//! | `ordered` | `true`: events with the same `partitionkey` are delivered one after the other |
//! | `disabled` | why the gateway delivers nothing; set when the function answers 410, cleared by an update without it |
//!
//! With `"stream": true`, a function of `http` or `awslambda` may answer waiting emitters part by part: with the media type
//! `application/vnd.awslambda.http-integration-response`, which the gateway names in `Accept` or in the client context. Then
//! `timeout` limits the time until the answer begins, and each pause in it. A body that fails breaks the connection off. The
//! system event about the call (`eventgateway.function.invoked`) has the beginning of the answer: its status and headers.
//!
//! A function of type `webhook` is an `http` endpoint of somebody else, who verifies the signature of each event. Its `provider` is
//! `{"url", "secrets"}`: secrets of [Standard Webhooks](https://www.standardwebhooks.com) 1.0, `whsec_…` or `whsk_…`, each of which
//! makes a signature.
//!
//! A function may have `concurrency`, the maximum number of concurrent deliveries to it, and `timeout`, the maximum
//! duration of one call in seconds. A function at a private address needs [`Options::private_targets`].
//!
//! An event type that no subscription can name, such as `Object Created` of S3, is routed like the type with `-` for each
//! character that is not allowed: subscriptions to `Object-Created` get the event, unchanged.
//!
//! If ten different deliveries to a function fail and it answers none for a second, its circuit breaker opens: one delivery
//! per second is attempted, as a probe, until the function answers. Probes prefer events that have not failed yet. While
//! first attempts wait, retries get a twentieth of the places, so events that always fail do not slow down the others.
//! Deliveries that the breaker holds back use up no attempts.
//!
//! Each call carries a `traceparent` ([W3C Trace Context](https://www.w3.org/TR/trace-context/)). It comes from the event's
//! extensions, else from the request that brought the event (which is then added to the extensions), else the gateway
//! derives it from the event. Retries and replays keep the trace. Lambda functions receive it as `X-Amzn-Trace-Id`.
//!
//! An event with the `source` and `id` of one that was accepted within [`Options::dedupe_window`] is a duplicate: it is
//! answered with the same 202 and not stored. The header `eg-duplicates` of the 202 has the number of duplicates. A function
//! that repeats its work may emit the same event with another payload (a time, for example), so the first one counts then,
//! too; `eg-conflicts` has the number of these duplicates, and so have the accounting, the live feed and the log.
//!
//! When a function emits an event while handling another, it sets the extension `hops` to the handled event's `hops` plus
//! one. The gateway uses `hops` to break loops; system events carry the `hops` of the event that they are about. The
//! extension `causationid`, the handled event's id, shows the cause in the live feed. The gateway sets the `hops` of an
//! event that has none and whose cause it has stored.
//!
//! When a delivery is given up, the gateway emits the system event `eventgateway.delivery.deadLettered` exactly once, in
//! the same transaction. Its data has `functionId`, `subscriptionId`, `state` (`dead` or `expired`), `attempts`, `reason`
//! and the `event`. A function that subscribes to it handles dead letters.
//!
//! If the gateway ends unexpectedly during an attempt, the attempt counts as no failure. After four such ends in a row the
//! delivery is given up, because it may be their reason; until then it is attempted apart from the others. A stop of the
//! gateway does not count.
//!
//! The gateway's time never runs backwards. If the clock of the machine is set while the gateway runs, the gateway logs
//! it, shows the difference in the metric `eventgateway_clock_ahead_seconds` and in the header `eg-clock-ahead` of
//! `GET /v1/status`, and follows by six minutes per hour. On Linux it does the same if the clock was set while no gateway ran,
//! until the machine is restarted; [`Options::trust_clock`] ends that. In any case, the time continues from the newest event.
//! The time in which no gateway ran counts for the age of deliveries, and not for [`Options::retention`].
//!
//! The `data` of an `http.request` event has three more members. Each is present only where the original's members
//! cannot tell what the client sent. With [`Options::strict_compat`], only `isBase64Encoded` may be.
//!
//! | member | meaning |
//! |---|---|
//! | `rawQuery` | the query as it was sent, if `query` would be written differently. The names in `query` have the order of the request |
//! | `isBase64Encoded` | `true`: `body` is base64 although the content type denotes text |
//! | `bodyWhitespace` | the white space before and after the JSON in `body`, for signatures that cover it |
//!
//! JSON has no bytes, so the value of a header that is not UTF-8 is read as ISO-8859-1: a function gets `caf\xe9` as `café`.
//!
//! A function's reply may have `multiValueHeaders` and `cookies`, as at API Gateway, and `headers` may hold arrays. A
//! `sync` call that Lambda throttles or cannot make is repeated within the function's timeout.
//!
//! # Limits
//! An event that the gateway accepts can be delivered. A request gets a 413, and nothing is stored, if its body exceeds
//! [`Options::body_limit`], or if a function that has to get the event cannot take it:
//!
//! | function | the JSON of the event, at most |
//! |---|---|
//! | `awslambda` | 6 MB ([`eg_grammar::limits::PAYLOAD`]) |
//! | `awssqs` | 1 MB ([`eg_grammar::limits::QUEUE_MESSAGE`]) |
//!
//! The JSON of an event may be larger than the request: bytes that are not text are base64 in it, so a binary upload for a
//! Lambda function has at most some 4.5 MB, and each control character of a form takes six bytes. The 413 has the size
//! that was measured and the limit. Of the events in a batch, all are accepted or none; of the entries of `PutEvents`, each
//! for itself. An authorizer is asked before.
//!
//! The Config API has these operations beyond those of the original. `GET /v1/openapi.json` describes all of them.
//!
//! | request | answer |
//! |---|---|
//! | `GET /v1/spaces/<space>/events` | accepted events, the newest first, with counts of their deliveries by state; `id`, `type`, `source`, `subject`, `state`, `function`, `system=false`, `from`, `to`, `text`, `limit`, `before` |
//! | `GET /v1/spaces/<space>/events/<id>` | one event, with its deliveries and their attempts; `source` and `type` select among equal ids |
//! | `GET /v1/spaces/<space>/dead-letters` | deliveries that were given up; `state=expired`, `limit`, `before` |
//! | `GET`, `DELETE …/dead-letters/<id>` | returns or discards one; `DELETE …/dead-letters` discards all, or those of `state=expired` |
//! | `POST …/dead-letters/<id>/redrive` | delivers one again; a body `{"event": {…}}` replaces the event. `…/dead-letters/redrive` redrives all, or those of `state=expired` |
//! | `POST /v1/spaces/<space>/replays` | delivers stored events again, with the extension `replay`: `{"eventId"}` or `{"from", "to"}`, and `type`, `source`, `subscriptionId` |
//! | `GET /v1/spaces/<space>/jobs`, `GET …/jobs/<id>` | the jobs and their progress; `limit`, `before` |
//! | `POST …/jobs/<id>/cancel`, `POST …/jobs/<id>/resume` | stops a job, or continues it where it stopped |
//! | `POST /v1/spaces/<space>/subscriptions/replace` | `{"delete": [<id>, …], "create": [<subscription>, …]}`, as one change, so that no request arrives between the old and the new subscription |
//! | `POST /v1/backup` | a copy of the store, while the gateway runs |
//! | `GET /v1/accounting` | counts of deliveries: `accepted = delivered + pending + dead + expired + filtered` |
//! | `POST /v1/spaces/<space>/deliveries/<id>/retry` | attempts a delivery at once that waits for its next attempt |
//! | `GET /v1/spaces/<space>/access` | whether the client's access key allows changes |
//! | `GET /v1/statistics` | events and calls in each minute of the last hour, the backlog, the size of the store |
//! | `GET /v1/spaces/<space>/statistics` | for each function: calls, failures, p50 and p95, the last failure, the circuit breaker |
//! | `GET /v1/spaces/<space>/calls` | the last calls of functions, with what they answered and printed, while [`Options::recent_calls`] keeps them; `function`, `event`, `text`, `limit`, `before` |
//! | `GET /v1/feed` | everything that happens, as server-sent events; resumes after `Last-Event-ID` |
//!
//! The answers are the types of [`eg_sdk::history`]. The body of an error is an [`ErrorBody`](eg_sdk::errors::ErrorBody),
//! `{"errors":[{"code":"not_found","message":"…"}]}`: the [code](eg_sdk::errors::ErrorCode) is stable, the message is for
//! people. Calls of AWS SDKs get AWS's error bodies.
//!
//! # Loops
//!
//! Functions that emit events may call one another for ever. The gateway ends such chains in three ways. Each delivery that
//! it gives up becomes a dead letter whose reason says so, and is reported by `eventgateway.delivery.deadLettered`.
//!
//! | what ends | limit | what counts |
//! |---|---|---|
//! | a long chain | [`Options::max_hops`], 16 | the extension `hops`. The gateway counts for functions that only set `causationid` |
//! | a chain that branches | [`Options::max_fan_out`], 10,000 | the events that descend from one event, by `causationid` |
//! | a function that keeps itself busy with events without a known cause | [`Options::max_loop`], off | the events for the function in a row, with pauses of at most 100 ms |
//!
//! Independent events do not reach the second limit, however many they are: they descend from nothing. After a restart,
//! the events of a root are counted anew.
//!
//! The third one is off unless you set it, because it can be wrong about an emitter that waits for the effect of each event
//! before it emits the next one. If it is on, a busy function is stopped after five tests in a row: the gateway holds the
//! function's deliveries for up to twelve times the longest recent pause between two events, and nothing comes.
//! Independent events nearly always keep coming at that moment, so the first test shows that they are independent. A test
//! usually takes milliseconds, and at most about two seconds; the next one is made after ten minutes. With a limit
//! below 1,000, tests are wrong more often.
//!
//! # Jobs
//! Replays, redrives and discards of many deliveries are jobs, and so is giving up the deliveries that wait when their
//! subscription is deleted or disabled. A job runs in small transactions beside everything else, and continues after a
//! restart exactly where it was. A request that creates a job waits for up to a second; if the job is not done then, the
//! answer has the counts so far and the `jobId`. Replays and redrives of all dead letters are refused while the store is
//! full, and wait if it becomes full. Redriving a single dead letter is possible nevertheless: its success makes room.
//! Subscriptions that match the events when their turn comes get the events of a replay.
//!
//! # Routes
//! A route is a method and a path with a synchronous subscription. Of the routes that match a request, the most specific
//! takes it: segment by segment from the left, a literal goes before a parameter, and a parameter before a wildcard
//! ([`eg_grammar::Routes`], the rule of the runtime and of `cargo eg check`, too). Two routes conflict only if they have
//! the same method and event type and match the same paths. A parameter matches one segment that is not empty, and a
//! slash at the end makes another path. A HEAD request without a route of its own is answered by the route of GET.
//!
//! An HTTP request that no function answers, and to which no asynchronous subscription listens, gets a 404, or a 405 with
//! `Allow` if its path has other methods. The message names the near routes; nothing is stored. An event that no function
//! subscribes to gets its 202 and is stored.
//!
//! A CORS configuration whose path is a route is for the requests that take this route: that of `/users/:id` does not open
//! `/users/me`, if that is a route, too. A configuration with another path is for all requests that match it.
//!
//! With [`Options::strict_compat`], the rules of the original hold: at each place of a path there are literals, or one
//! parameter, or one wildcard; parameters match empty segments; HEAD is a method like any other; a CORS configuration is
//! for all requests that match its path; and every request without a route is stored as an event and gets a 202.
//!
//! # Spaces
//! A space has its own functions, event types, subscriptions and events. What a request belongs to:
//!
//! | request | space |
//! |---|---|
//! | to `<space>.<domain>`, with [`Options::domain`] | that space, whatever the path. The name of the space at the start of a subscription's path makes no difference |
//! | to `/spaces/<space>/…` | that space, with the rest of the path |
//! | to `/<space>/…`, if the space has subscriptions at such paths | that space, with the whole path: where the plugin of the original puts its subscriptions |
//! | any other | `default`; if that has no subscription for it, all spaces that have one |
//!
//! The last row is for clients of the original, where all spaces share all paths. If spaces have keys
//! ([`AccessKeys::spaces`]) or a domain, such a request reaches `default` only, so that no space gets what is not meant for
//! it. Then a client of the original that has a space of its own and emits to `/` must name the space: give it the address
//! `http://<gateway>/spaces/<space>`, or that of the space's host. Self-hosted, the original knows no keys; hosted, it has
//! one host per space, and its clients name the space by it. A subscription under the name of
//! another space is refused while both `default` and that space would have subscriptions there. With
//! [`Options::strict_compat`], a request that names no space reaches all spaces, as in the original.
//!
//! # Under load
//! What clients and functions can make the gateway hold is limited, and nobody gets all of it: one client gets at most half
//! of a limit, one function two thirds and one space three quarters; two clients get a third each, and so on. (Of the
//! connections, one client gets eight ninths.) An IPv6 network of 64 bits is one client. Behind a proxy all clients are one.
//!
//! | what | limit | beyond it |
//! |---|---|---|
//! | memory for requests and answers, as the bytes arrive | [`Options::memory_limit`] | 503 |
//! | events that wait for the store | 2048; large events and batches count as several | 503 |
//! | requests that wait for functions | half of [`Options::max_connections`] | 503 |
//! | connections to each API | [`Options::max_connections`] | those that have waited longest for a request are closed |
//! | events of a batch, with their deliveries | 5000 | 413 |
//! | time for the head of a request, and for a TLS handshake | 10 s | closed |
//! | time for a body | 10 s, and 1 s more for each KiB, at most 60 s | 408 |
//! | time without reading an answer | 10 s; reading 1 KiB regains 1 s | closed |
//! | time without a request | 60 s | closed |
//! | head of a request | 64 KiB | 431 |
//!
//! A 503 has a `Retry-After` and one of the codes `overloaded`, `store_busy` or `store_full`, and nothing was accepted. The
//! status is the same whether the client or everybody has used up the limit, because the client should do the same: try
//! again later.
//!
//! The gateway raises its limit of open files as far as it may. If it nevertheless lacks files, ports or memory for a call,
//! that does not count as a failure of the function.
//! # Web pages
//! A browser sends requests of any page to this machine. So a request that needs no access key gets a 403 if a page from
//! elsewhere sent it (`Origin`, `Sec-Fetch-Site`), or if its `Host` is no name of the port: `localhost`, a loopback address, the
//! address that the port listens on, a name under [`Options::domain`], or one of [`Options::allowed_hosts`]. The Events API also
//! serves the origins that the CORS configuration of a route allows, and links. If it listens for other machines, it is open to
//! everyone. The Config API answers a 415 if the body of a change is declared as something other than JSON.
//!
//! The allowed origins of a CORS configuration are `*`, or a scheme, a host and an optional port. One `*` in an origin stands for
//! text within a label of the host, or for a port ([`eg_grammar::cors::covers`]). Credentials need named origins.
//!
//! With [`Options::strict_compat`], the Events API serves pages whose browser does not send `Sec-Fetch-Site`, the Config API ignores
//! content types, and any text is an origin.
//!
//! # How it is built
//! A request passes through `server` (HTTP), `api` (what the request means), `decide` (classification, routes, rules; no
//! I/O) and `store` (on disk, then the 202). `deliver` then calls the functions.

mod activity;
mod api;
mod budget;
mod clock;
mod configuration;
mod decide;
mod deliver;
mod feed;
#[cfg(feature = "fuzz")]
#[doc(hidden)]
pub mod fuzz;
mod gateway;
mod jobs;
mod log;
mod metrics;
mod neighbours;
mod options;
mod outbound;
mod recent;
mod reception;
mod retention;
mod server;
#[cfg(test)]
mod simulation;
mod spans;
mod store;
mod system_events;
mod timestamp;
mod tls;
mod wakeups;

pub use activity::{Activity, DeliveryOutcome, LOG_OF_CALLS};
pub use decide::access::AccessKeys;
pub use decide::targets::PrivateTargets;
pub use eg_grammar::DeliveryPolicy;
pub use gateway::{Api, Gateway, StartError};
pub use log::{JsonLines, log_fields};
pub use options::{ListenAddr, Options};
pub use recent::{OutsideCall, OutsideCalls};
pub use store::{CheckReport, RepairReport, StoreError, StoreUrl, check, repair, restore};
#[cfg(feature = "postgres")]
pub use store::{MoveReport, migrate};
pub use tls::TlsFiles;
