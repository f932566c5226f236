#[must_use]
#[rustfmt::registered_by_eg_runtime]
async fn both(emit: Emit<A>) {}
const _: () = {
    #[allow(unused_imports)]
    use subscribe as _;
};
#[allow(unused_imports)]
use eg as _;
#[allow(deprecated)]
const _: () = {
    use eg::__private as __eg;
    #[allow(unused_imports)]
    use eg::__private::defaults::*;
    const _: () = {
        __eg::check_types(__eg::Probe::<Emit<A>>::EMITS);
        __eg::check_received(__eg::Probe::<Emit<A>>::PAYLOAD, &["a"]);
    };
    fn __eg_call(__eg_request: __eg::Request) -> __eg::ResponseFuture {
        __eg::boxed(async move {
            #[allow(unused_mut)]
            let (mut __eg_parts, __eg_body) = __eg_request.into_parts();
            let __eg_0: Emit<A> = match __eg::Extract::<
                Emit<A>,
            >::from_request(__eg::Request::from_parts(__eg_parts, __eg_body))
                .await
            {
                ::core::result::Result::Ok(__eg_value) => __eg_value,
                ::core::result::Result::Err(__eg_rejection) => return __eg_rejection,
            };
            match __eg::Returned(both(__eg_0).await).split() {
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
        name: "both",
        doc: "",
        file: ::core::file!(),
        line: ::core::line!(),
        triggers: &[
            __eg::Trigger::Subscription(__eg::Subscription {
                event_type: "http.request",
                mode: __eg::Mode::Sync,
                method: "GET",
                path: "/",
                route: ::core::option::Option::Some(__eg::Route::new("/")),
                cors: ::core::option::Option::None,
                stream: false,
                authorizer: ::core::option::Option::None,
                retry: ::core::option::Option::None,
                filter: ::core::option::Option::None,
                ordered: false,
            }),
            __eg::Trigger::Subscription(__eg::Subscription {
                event_type: "a",
                mode: __eg::Mode::Async,
                method: "POST",
                path: "/",
                route: ::core::option::Option::None,
                cors: ::core::option::Option::None,
                stream: false,
                authorizer: ::core::option::Option::None,
                retry: ::core::option::Option::None,
                filter: ::core::option::Option::None,
                ordered: false,
            }),
        ],
        timeout: ::core::option::Option::None,
        memory: ::core::option::Option::None,
        body_limit: ::core::option::Option::None,
        emits: &[__eg::Probe::<Emit<A>>::EMITS],
        needs: &[__eg::Probe::<Emit<A>>::NEEDS],
        call: __eg_call,
    };
    const __EG_EVENTS: &[__eg::Events] = &[__eg::Probe::<Emit<A>>::EVENTS];
    eg::__register_function!(__EG_FUNCTION, __EG_EVENTS);
};
