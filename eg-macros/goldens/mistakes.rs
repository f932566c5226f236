fn list() -> u8 {
    1
}
::core::compile_error! {
    "unknown HTTP method `GTE`; did you mean `GET`?; the methods are `GET`, `POST`, `PUT`, `PATCH`, `DELETE`, `HEAD` and `OPTIONS`"
}
::core::compile_error! {
    "a path starts with `/`: \"/users\""
}
::core::compile_error! {
    "an event function must be an `async fn`"
}
