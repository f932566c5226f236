#[automatically_derived]
impl<T: Default + ::eg_runtime::Schema> ::eg_runtime::Event for Seen<T> {
    const TYPE: &'static str = "page.seen";
    const SOURCE: ::core::option::Option<&'static str> = ::core::option::Option::Some(
        "/web",
    );
    const SCHEMA: ::core::option::Option<&'static ::eg_runtime::__private::Shape> = ::core::option::Option::Some(
        <Self as ::eg_runtime::Schema>::SHAPE,
    );
}
#[automatically_derived]
impl<T: Default + ::eg_runtime::Schema> ::eg_runtime::Schema for Seen<T>
where
    T: ::eg_runtime::Schema,
{
    const SHAPE: &'static ::eg_runtime::__private::Shape = &::eg_runtime::__private::Shape::Described {
        text: "Somebody saw a page.",
        shape: &::eg_runtime::__private::Shape::Object {
            parts: &[
                ::eg_runtime::__private::Part::Field(::eg_runtime::__private::Field {
                    name: "what",
                    doc: "",
                    shape: <T as ::eg_runtime::Schema>::SHAPE,
                    presence: ::eg_runtime::__private::Presence::AsShape,
                }),
            ],
            closed: false,
        },
    };
}
