async fn ship(change: Json<Change<Order>>) -> Result<(), Error> {}
#[allow(unused_imports)]
use ::eg_runtime as _;
#[allow(deprecated)]
const _: () = {
    use ::eg_runtime::__private as __eg;
    #[allow(unused_imports)]
    use ::eg_runtime::__private::defaults::*;
    const _: () = {
        __eg::check_types(__eg::Probe::<Json<Change<Order>>>::EMITS);
    };
    fn __eg_call(__eg_request: __eg::Request) -> __eg::ResponseFuture {
        __eg::boxed(async move {
            #[allow(unused_mut)]
            let (mut __eg_parts, __eg_body) = __eg_request.into_parts();
            let __eg_0: Json<Change<Order>> = match __eg::Extract::<
                Json<Change<Order>>,
            >::from_request(__eg::Request::from_parts(__eg_parts, __eg_body))
                .await
            {
                ::core::result::Result::Ok(__eg_value) => __eg_value,
                ::core::result::Result::Err(__eg_rejection) => return __eg_rejection,
            };
            match __eg::Returned(ship(__eg_0).await).split() {
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
        name: "ship",
        doc: "",
        file: ::core::file!(),
        line: ::core::line!(),
        triggers: &[
            __eg::Trigger::Stream(__eg::Stream {
                kind: __eg::StreamKind::DynamoDb,
                name: "orders",
                batch_size: ::core::option::Option::Some(100u32),
                window: ::core::option::Option::Some(5u32),
                retry: ::core::option::Option::Some(__eg::Retry {
                    attempts: ::core::option::Option::Some(5u32),
                    max_age: ::core::option::Option::Some(3600u32),
                    min_backoff: ::core::option::Option::None,
                    max_backoff: ::core::option::Option::None,
                }),
            }),
        ],
        timeout: ::core::option::Option::None,
        memory: ::core::option::Option::None,
        body_limit: ::core::option::Option::None,
        emits: &[__eg::Probe::<Json<Change<Order>>>::EMITS],
        needs: &[__eg::Probe::<Json<Change<Order>>>::NEEDS],
        call: __eg_call,
    };
    const __EG_EVENTS: &[__eg::Events] = &[__eg::Probe::<Json<Change<Order>>>::EVENTS];
    ::eg_runtime::__register_function!(__EG_FUNCTION, __EG_EVENTS);
};
