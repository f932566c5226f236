#[automatically_derived]
impl<T: Default> ::eg_runtime::Event for Seen<T> {
    const TYPE: &'static str = "page.seen";
    const SOURCE: ::core::option::Option<&'static str> = ::core::option::Option::Some(
        "/web",
    );
}
