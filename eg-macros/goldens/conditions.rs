async fn check(event: CloudEvent<OrderPlaced>) {}
#[allow(unused_imports)]
use ::eg_runtime as _;
#[allow(deprecated)]
const _: () = {
    use ::eg_runtime::__private as __eg;
    #[allow(unused_imports)]
    use ::eg_runtime::__private::defaults::*;
    const _: () = __eg::check_types(&[__eg::event_type::<OrderPlaced>()]);
    const _: () = {
        __eg::check_types(__eg::Probe::<CloudEvent<OrderPlaced>>::EMITS);
        __eg::check_received(
            __eg::Probe::<CloudEvent<OrderPlaced>>::PAYLOAD,
            &[__eg::event_type::<OrderPlaced>()],
        );
    };
    fn __eg_call(__eg_request: __eg::Request) -> __eg::ResponseFuture {
        __eg::boxed(async move {
            #[allow(unused_mut)]
            let (mut __eg_parts, __eg_body) = __eg_request.into_parts();
            let __eg_0: CloudEvent<OrderPlaced> = match __eg::Extract::<
                CloudEvent<OrderPlaced>,
            >::from_request(__eg::Request::from_parts(__eg_parts, __eg_body))
                .await
            {
                ::core::result::Result::Ok(__eg_value) => __eg_value,
                ::core::result::Result::Err(__eg_rejection) => return __eg_rejection,
            };
            match __eg::Returned(check(__eg_0).await).split() {
                ::core::result::Result::Ok(__eg_value) => {
                    __eg::Success(&__eg_value).check();
                    __eg::reply(__eg_value)
                }
                ::core::result::Result::Err(__eg_error) => {
                    let __eg_kind = (&__eg::Failed(&__eg_error)).kind();
                    __eg_kind.response(__eg_error)
                }
            }
        })
    }
    const __EG_FUNCTION: __eg::FunctionDef = __eg::FunctionDef {
        package: ::core::env!("CARGO_PKG_NAME"),
        version: ::core::env!("CARGO_PKG_VERSION"),
        name: "check",
        doc: "",
        file: ::core::file!(),
        line: ::core::line!(),
        triggers: &[
            __eg::Trigger::Subscription(__eg::Subscription {
                event_type: __eg::event_type::<OrderPlaced>(),
                mode: __eg::Mode::Async,
                method: "POST",
                path: "/",
                route: ::core::option::Option::None,
                cors: ::core::option::Option::None,
                stream: false,
                authorizer: ::core::option::Option::None,
                retry: ::core::option::Option::None,
                filter: ::core::option::Option::Some(__eg::Filter {
                    pattern: "{\"data\":{\"amount\":[{\"numeric\":[\">\",500,\"<=\",1000]}],\"country\":[{\"anything-but\":[\"DE\",\"AT\"]}],\"address\":{\"post-code\":[{\"wildcard\":\"10*\"}]}},\"subject\":[{\"exists\":true}],\"$or\":[{\"data\":{\"gift\":[true]}},{\"data\":{\"lines\":{\"sku\":[\"a\",\"b\"],\"count\":[{\"numeric\":[\"=\",2]}]}}}]}",
                    takes: __eg::takes,
                }),
                ordered: true,
            }),
        ],
        timeout: ::core::option::Option::None,
        memory: ::core::option::Option::None,
        body_limit: ::core::option::Option::None,
        emits: &[__eg::Probe::<CloudEvent<OrderPlaced>>::EMITS],
        needs: &[__eg::Probe::<CloudEvent<OrderPlaced>>::NEEDS],
        call: __eg_call,
    };
    const __EG_EVENTS: &[__eg::Events] = &[
        __eg::Probe::<CloudEvent<OrderPlaced>>::EVENTS,
        __eg::Probe::<__eg::CloudEvent<OrderPlaced>>::EVENTS,
    ];
    const _: () = __eg::check_field(
        __EG_EVENTS,
        __eg::event_type::<OrderPlaced>(),
        &["data", "amount"],
    );
    const _: () = __eg::check_operand(
        __EG_EVENTS,
        __eg::event_type::<OrderPlaced>(),
        &["data", "amount"],
        __eg::Operand::Integer(500i128),
    );
    const _: () = __eg::check_field(
        __EG_EVENTS,
        __eg::event_type::<OrderPlaced>(),
        &["data", "amount"],
    );
    const _: () = __eg::check_operand(
        __EG_EVENTS,
        __eg::event_type::<OrderPlaced>(),
        &["data", "amount"],
        __eg::Operand::Integer(1000i128),
    );
    const _: () = __eg::check_field(
        __EG_EVENTS,
        __eg::event_type::<OrderPlaced>(),
        &["data", "country"],
    );
    const _: () = __eg::check_operand(
        __EG_EVENTS,
        __eg::event_type::<OrderPlaced>(),
        &["data", "country"],
        __eg::Operand::Text("DE"),
    );
    const _: () = __eg::check_field(
        __EG_EVENTS,
        __eg::event_type::<OrderPlaced>(),
        &["data", "country"],
    );
    const _: () = __eg::check_operand(
        __EG_EVENTS,
        __eg::event_type::<OrderPlaced>(),
        &["data", "country"],
        __eg::Operand::Text("AT"),
    );
    const _: () = __eg::check_field(
        __EG_EVENTS,
        __eg::event_type::<OrderPlaced>(),
        &["data", "address", "post-code"],
    );
    const _: () = __eg::check_operand(
        __EG_EVENTS,
        __eg::event_type::<OrderPlaced>(),
        &["data", "address", "post-code"],
        __eg::Operand::Pattern,
    );
    const _: () = __eg::check_field(
        __EG_EVENTS,
        __eg::event_type::<OrderPlaced>(),
        &["data", "gift"],
    );
    const _: () = __eg::check_operand(
        __EG_EVENTS,
        __eg::event_type::<OrderPlaced>(),
        &["data", "gift"],
        __eg::Operand::Flag,
    );
    const _: () = __eg::check_field(
        __EG_EVENTS,
        __eg::event_type::<OrderPlaced>(),
        &["data", "lines", "sku"],
    );
    const _: () = __eg::check_operand(
        __EG_EVENTS,
        __eg::event_type::<OrderPlaced>(),
        &["data", "lines", "sku"],
        __eg::Operand::Text("a"),
    );
    const _: () = __eg::check_operand(
        __EG_EVENTS,
        __eg::event_type::<OrderPlaced>(),
        &["data", "lines", "sku"],
        __eg::Operand::Text("b"),
    );
    const _: () = __eg::check_field(
        __EG_EVENTS,
        __eg::event_type::<OrderPlaced>(),
        &["data", "lines", "count"],
    );
    const _: () = __eg::check_operand(
        __EG_EVENTS,
        __eg::event_type::<OrderPlaced>(),
        &["data", "lines", "count"],
        __eg::Operand::Integer(2i128),
    );
    ::eg_runtime::__register_function!(__EG_FUNCTION, __EG_EVENTS);
};
