pub async fn notify(event: CloudEvent<Data>) {}
const _: () = {
    use ::eg_runtime::__private as __eg;
    #[allow(unused_imports)]
    use ::eg_runtime::__private::{EmitsNothing as _, NeedsNothing as _, NoEvents as _};
    fn __eg_call(__eg_request: __eg::Request) -> __eg::ResponseFuture {
        ::std::boxed::Box::pin(async move {
            #[allow(unused_mut)]
            let (mut __eg_parts, __eg_body) = __eg_request.into_parts();
            let __eg_0: CloudEvent<Data> = match __eg::from_request(
                    __eg::Request::from_parts(__eg_parts, __eg_body),
                )
                .await
            {
                ::core::result::Result::Ok(value) => value,
                ::core::result::Result::Err(rejection) => return rejection,
            };
            __eg::into_response(notify(__eg_0).await)
        })
    }
    const __EG_FUNCTION: __eg::FunctionDef = __eg::FunctionDef {
        package: ::core::env!("CARGO_PKG_NAME"),
        version: ::core::env!("CARGO_PKG_VERSION"),
        name: "tell",
        doc: "",
        file: ::core::file!(),
        line: ::core::line!(),
        triggers: &[
            __eg::Trigger::Subscription(__eg::Subscription {
                event_type: "user.created",
                mode: __eg::Mode::Sync,
                method: "PUT",
                path: "/x",
                route: ::core::option::Option::None,
                cors: ::core::option::Option::None,
                retry: ::core::option::Option::None,
            }),
            __eg::Trigger::Subscription(__eg::Subscription {
                event_type: __eg::event_type::<UserDeleted>(),
                mode: __eg::Mode::Sync,
                method: "PUT",
                path: "/x",
                route: ::core::option::Option::None,
                cors: ::core::option::Option::None,
                retry: ::core::option::Option::None,
            }),
        ],
        timeout: ::core::option::Option::None,
        memory: ::core::option::Option::Some(512u32),
        emits: &[__eg::Probe::<CloudEvent<Data>>::EMITS],
        needs: &[__eg::Probe::<CloudEvent<Data>>::NEEDS],
        call: __eg_call,
    };
    const __EG_EVENTS: &[__eg::Events] = &[
        __eg::Probe::<CloudEvent<Data>>::EVENTS,
        __eg::Probe::<__eg::CloudEvent<UserDeleted>>::EVENTS,
    ];
    ::eg_runtime::__register_function!(__EG_FUNCTION, __EG_EVENTS);
};
