#[automatically_derived]
impl ::eg_sdk::Schema for User
where
    u32: ::eg_sdk::Schema,
    Vec<String>: ::eg_sdk::Schema,
    Address: ::eg_sdk::Schema,
{
    const SHAPE: &'static ::eg_sdk::__private::Shape = &::eg_sdk::__private::Shape::Object {
        parts: &[
            ::eg_sdk::__private::Part::Field(::eg_sdk::__private::Field {
                name: "userId",
                doc: "Who.",
                shape: <u32 as ::eg_sdk::Schema>::SHAPE,
                presence: ::eg_sdk::__private::Presence::AsShape,
            }),
            ::eg_sdk::__private::Part::Field(::eg_sdk::__private::Field {
                name: "nickNames",
                doc: "",
                shape: <Vec<String> as ::eg_sdk::Schema>::SHAPE,
                presence: ::eg_sdk::__private::Presence::Optional,
            }),
            ::eg_sdk::__private::Part::Flat(<Address as ::eg_sdk::Schema>::SHAPE),
            ::eg_sdk::__private::Part::Field(::eg_sdk::__private::Field {
                name: "since",
                doc: "",
                shape: &::eg_sdk::__private::Shape::String {
                    format: ::core::option::Option::Some("date-time"),
                },
                presence: ::eg_sdk::__private::Presence::Required,
            }),
        ],
        closed: false,
    };
}
