async fn notify() {}
const _: () = {
    use ::eg_runtime::__private as __eg;
    #[allow(unused_imports)]
    use ::eg_runtime::__private::{EmitsNothing as _, NeedsNothing as _, NoEvents as _};
    fn __eg_call(__eg_request: __eg::Request) -> __eg::ResponseFuture {
        ::std::boxed::Box::pin(async move {
            drop(__eg_request);
            __eg::into_response(notify().await)
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
                retry: ::core::option::Option::Some(__eg::Retry {
                    attempts: ::core::option::Option::Some(5u32),
                    max_age: ::core::option::Option::Some(3600u32),
                    min_backoff: ::core::option::Option::None,
                    max_backoff: ::core::option::Option::Some(60u32),
                }),
            }),
        ],
        timeout: ::core::option::Option::None,
        memory: ::core::option::Option::None,
        emits: &[],
        needs: &[],
        call: __eg_call,
    };
    const __EG_EVENTS: &[__eg::Events] = &[];
    ::eg_runtime::__register_function!(__EG_FUNCTION, __EG_EVENTS);
};
