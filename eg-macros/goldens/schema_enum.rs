#[automatically_derived]
impl ::eg_sdk::Schema for Payment
where
    String: ::eg_sdk::Schema,
    Account: ::eg_sdk::Schema,
{
    const SHAPE: &'static ::eg_sdk::__private::Shape = &::eg_sdk::__private::Shape::AnyOf(
        &[
            &::eg_sdk::__private::Shape::Described {
                text: "Later.",
                shape: &::eg_sdk::__private::Shape::Object {
                    parts: &[
                        ::eg_sdk::__private::Part::Field(::eg_sdk::__private::Field {
                            name: "kind",
                            doc: "",
                            shape: &::eg_sdk::__private::Shape::Words(&["open"]),
                            presence: ::eg_sdk::__private::Presence::Required,
                        }),
                    ],
                    closed: false,
                },
            },
            &::eg_sdk::__private::Shape::Object {
                parts: &[
                    ::eg_sdk::__private::Part::Field(::eg_sdk::__private::Field {
                        name: "kind",
                        doc: "",
                        shape: &::eg_sdk::__private::Shape::Words(&["card"]),
                        presence: ::eg_sdk::__private::Presence::Required,
                    }),
                    ::eg_sdk::__private::Part::Field(::eg_sdk::__private::Field {
                        name: "number",
                        doc: "",
                        shape: <String as ::eg_sdk::Schema>::SHAPE,
                        presence: ::eg_sdk::__private::Presence::AsShape,
                    }),
                ],
                closed: false,
            },
            &::eg_sdk::__private::Shape::Object {
                parts: &[
                    ::eg_sdk::__private::Part::Field(::eg_sdk::__private::Field {
                        name: "kind",
                        doc: "",
                        shape: &::eg_sdk::__private::Shape::Words(&["transfer"]),
                        presence: ::eg_sdk::__private::Presence::Required,
                    }),
                    ::eg_sdk::__private::Part::Flat(<Account as ::eg_sdk::Schema>::SHAPE),
                ],
                closed: false,
            },
        ],
    );
}
