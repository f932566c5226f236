async fn notify() {}
#[allow(unused_imports)]
use ::eg_runtime as _;
#[allow(deprecated)]
const _: () = {
    use ::eg_runtime::__private as __eg;
    #[allow(unused_imports)]
    use ::eg_runtime::__private::defaults::*;
    fn __eg_call(__eg_request: __eg::Request) -> __eg::ResponseFuture {
        __eg::boxed(async move {
            ::core::mem::drop(__eg_request);
            match __eg::Returned(notify().await).split() {
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
        name: "notify",
        doc: "",
        file: ::core::file!(),
        line: ::core::line!(),
        triggers: &[
            __eg::Trigger::Subscription(__eg::Subscription {
                event_type: "user.created",
                mode: __eg::Mode::Async,
                method: "POST",
                path: "/",
                route: ::core::option::Option::None,
                cors: ::core::option::Option::None,
                stream: false,
                authorizer: ::core::option::Option::None,
                retry: ::core::option::Option::Some(__eg::Retry {
                    attempts: ::core::option::Option::Some(5u32),
                    max_age: ::core::option::Option::Some(3600u32),
                    min_backoff: ::core::option::Option::None,
                    max_backoff: ::core::option::Option::Some(60u32),
                }),
                filter: ::core::option::Option::None,
                ordered: false,
            }),
        ],
        timeout: ::core::option::Option::None,
        memory: ::core::option::Option::None,
        body_limit: ::core::option::Option::None,
        emits: &[],
        needs: &[],
        call: __eg_call,
    };
    const __EG_EVENTS: &[__eg::Events] = &[];
    ::eg_runtime::__register_function!(__EG_FUNCTION, __EG_EVENTS);
};
