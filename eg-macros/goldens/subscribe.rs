pub async fn notify(event: CloudEvent<Data>) {}
#[allow(unused_imports)]
use ::eg_runtime as _;
#[allow(deprecated)]
const _: () = {
    use ::eg_runtime::__private as __eg;
    #[allow(unused_imports)]
    use ::eg_runtime::__private::defaults::*;
    const _: () = __eg::check_types(&[__eg::event_type::<UserDeleted>()]);
    const _: () = {
        __eg::check_types(__eg::Probe::<CloudEvent<Data>>::EMITS);
        __eg::check_received(
            __eg::Probe::<CloudEvent<Data>>::PAYLOAD,
            &["user.created", __eg::event_type::<UserDeleted>()],
        );
    };
    fn __eg_call(__eg_request: __eg::Request) -> __eg::ResponseFuture {
        __eg::boxed(async move {
            #[allow(unused_mut)]
            let (mut __eg_parts, __eg_body) = __eg_request.into_parts();
            let __eg_0: CloudEvent<Data> = match __eg::Extract::<
                CloudEvent<Data>,
            >::from_request(__eg::Request::from_parts(__eg_parts, __eg_body))
                .await
            {
                ::core::result::Result::Ok(__eg_value) => __eg_value,
                ::core::result::Result::Err(__eg_rejection) => return __eg_rejection,
            };
            match __eg::Returned(notify(__eg_0).await).split() {
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
                route: ::core::option::Option::Some(__eg::Route::new("/x")),
                cors: ::core::option::Option::None,
                stream: false,
                authorizer: ::core::option::Option::None,
                retry: ::core::option::Option::None,
                filter: ::core::option::Option::None,
                ordered: false,
            }),
            __eg::Trigger::Subscription(__eg::Subscription {
                event_type: __eg::event_type::<UserDeleted>(),
                mode: __eg::Mode::Sync,
                method: "PUT",
                path: "/x",
                route: ::core::option::Option::Some(__eg::Route::new("/x")),
                cors: ::core::option::Option::None,
                stream: false,
                authorizer: ::core::option::Option::None,
                retry: ::core::option::Option::None,
                filter: ::core::option::Option::None,
                ordered: false,
            }),
        ],
        timeout: ::core::option::Option::None,
        memory: ::core::option::Option::Some(512u32),
        body_limit: ::core::option::Option::None,
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
