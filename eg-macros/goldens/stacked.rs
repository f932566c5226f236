#[must_use]
async fn both(emit: Emit<A>) {}
const _: () = {
    #[allow(unused_imports)]
    use subscribe as _;
};
const _: () = {
    use eg::__private as __eg;
    #[allow(unused_imports)]
    use eg::__private::{EmitsNothing as _, NeedsNothing as _, NoEvents as _};
    fn __eg_call(__eg_request: __eg::Request) -> __eg::ResponseFuture {
        ::std::boxed::Box::pin(async move {
            #[allow(unused_mut)]
            let (mut __eg_parts, __eg_body) = __eg_request.into_parts();
            let __eg_0: Emit<A> = match __eg::from_request(
                    __eg::Request::from_parts(__eg_parts, __eg_body),
                )
                .await
            {
                ::core::result::Result::Ok(value) => value,
                ::core::result::Result::Err(rejection) => return rejection,
            };
            __eg::into_response(both(__eg_0).await)
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
                retry: ::core::option::Option::None,
            }),
            __eg::Trigger::Subscription(__eg::Subscription {
                event_type: "a",
                mode: __eg::Mode::Async,
                method: "POST",
                path: "/",
                route: ::core::option::Option::None,
                cors: ::core::option::Option::None,
                retry: ::core::option::Option::None,
            }),
        ],
        timeout: ::core::option::Option::None,
        memory: ::core::option::Option::None,
        emits: &[__eg::Probe::<Emit<A>>::EMITS],
        needs: &[__eg::Probe::<Emit<A>>::NEEDS],
        call: __eg_call,
    };
    const __EG_EVENTS: &[__eg::Events] = &[__eg::Probe::<Emit<A>>::EVENTS];
    eg::__register_function!(__EG_FUNCTION, __EG_EVENTS);
};
