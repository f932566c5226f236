async fn resize(event: CloudEvent<Value>) {}
#[allow(unused_imports)]
use ::eg_runtime as _;
#[allow(deprecated)]
const _: () = {
    use ::eg_runtime::__private as __eg;
    #[allow(unused_imports)]
    use ::eg_runtime::__private::defaults::*;
    const _: () = {
        __eg::check_types(__eg::Probe::<CloudEvent<Value>>::EMITS);
    };
    fn __eg_call(__eg_request: __eg::Request) -> __eg::ResponseFuture {
        __eg::boxed(async move {
            #[allow(unused_mut)]
            let (mut __eg_parts, __eg_body) = __eg_request.into_parts();
            let __eg_0: CloudEvent<Value> = match __eg::Extract::<
                CloudEvent<Value>,
            >::from_request(__eg::Request::from_parts(__eg_parts, __eg_body))
                .await
            {
                ::core::result::Result::Ok(__eg_value) => __eg_value,
                ::core::result::Result::Err(__eg_rejection) => return __eg_rejection,
            };
            match __eg::Returned(resize(__eg_0).await).split() {
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
        name: "resize",
        doc: "",
        file: ::core::file!(),
        line: ::core::line!(),
        triggers: &[
            __eg::Trigger::EventBridge(__eg::EventBridge {
                sources: &["aws.s3"],
                detail_types: &["Object Created", "Object Deleted"],
                detail: ::core::option::Option::Some(
                    "{\"bucket\":{\"name\":[\"pictures\"]},\"object\":{\"size\":[{\"numeric\":[\">\",-1.5]}],\"key\":[{\"anything-but\":[null,\"a\\\\b\"]}]}}",
                ),
                retry: ::core::option::Option::Some(__eg::Retry {
                    attempts: ::core::option::Option::Some(3u32),
                    max_age: ::core::option::Option::None,
                    min_backoff: ::core::option::Option::None,
                    max_backoff: ::core::option::Option::None,
                }),
            }),
        ],
        timeout: ::core::option::Option::None,
        memory: ::core::option::Option::None,
        body_limit: ::core::option::Option::None,
        emits: &[__eg::Probe::<CloudEvent<Value>>::EMITS],
        needs: &[__eg::Probe::<CloudEvent<Value>>::NEEDS],
        call: __eg_call,
    };
    const __EG_EVENTS: &[__eg::Events] = &[__eg::Probe::<CloudEvent<Value>>::EVENTS];
    ::eg_runtime::__register_function!(__EG_FUNCTION, __EG_EVENTS);
};
