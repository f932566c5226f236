#[automatically_derived]
impl<T> ::eg_runtime::Event for Seen<T> {
    const TYPE: &'static str = "page.seen";
}
