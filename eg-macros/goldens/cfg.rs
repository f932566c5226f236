#[deprecated]
#[rustfmt::registered_by_eg_runtime]
async fn upload(
    #[cfg(unix)]
    uri: Uri,
    body: Bytes,
    #[cfg(test)]
    #[cfg(unix)]
    more: Uri,
) {}
#[allow(unused_imports)]
use ::eg_runtime as _;
#[allow(deprecated)]
const _: () = {
    use ::eg_runtime::__private as __eg;
    #[allow(unused_imports)]
    use ::eg_runtime::__private::defaults::*;
    #[cfg(unix)]
    const _: () = {
        __eg::check_types(__eg::Probe::<Uri>::EMITS);
    };
    const _: () = {
        __eg::check_types(__eg::Probe::<Bytes>::EMITS);
    };
    #[cfg(test)]
    #[cfg(unix)]
    const _: () = {
        __eg::check_types(__eg::Probe::<Uri>::EMITS);
    };
    fn __eg_call(__eg_request: __eg::Request) -> __eg::ResponseFuture {
        __eg::boxed(async move {
            #[allow(unused_mut)]
            let (mut __eg_parts, __eg_body) = __eg_request.into_parts();
            #[cfg(unix)]
            let __eg_0: Uri = match __eg::Extract::<Uri>::from_parts(&mut __eg_parts)
                .await
            {
                ::core::result::Result::Ok(__eg_value) => __eg_value,
                ::core::result::Result::Err(__eg_rejection) => return __eg_rejection,
            };
            #[cfg(not(any(all(test, unix))))]
            let __eg_1: Bytes = match __eg::Extract::<
                Bytes,
            >::from_request(__eg::Request::from_parts(__eg_parts, __eg_body))
                .await
            {
                ::core::result::Result::Ok(__eg_value) => __eg_value,
                ::core::result::Result::Err(__eg_rejection) => return __eg_rejection,
            };
            #[cfg(any(all(test, unix)))]
            let __eg_1: Bytes = match __eg::Extract::<Bytes>::from_parts(&mut __eg_parts)
                .await
            {
                ::core::result::Result::Ok(__eg_value) => __eg_value,
                ::core::result::Result::Err(__eg_rejection) => return __eg_rejection,
            };
            #[cfg(test)]
            #[cfg(unix)]
            let __eg_2: Uri = match __eg::Extract::<
                Uri,
            >::from_request(__eg::Request::from_parts(__eg_parts, __eg_body))
                .await
            {
                ::core::result::Result::Ok(__eg_value) => __eg_value,
                ::core::result::Result::Err(__eg_rejection) => return __eg_rejection,
            };
            match __eg::Returned(
                    upload(#[cfg(unix)] __eg_0, __eg_1, #[cfg(test)] #[cfg(unix)] __eg_2)
                        .await,
                )
                .split()
            {
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
        name: "upload",
        doc: "",
        file: ::core::file!(),
        line: ::core::line!(),
        triggers: &[
            __eg::Trigger::Subscription(__eg::Subscription {
                event_type: "http.request",
                mode: __eg::Mode::Sync,
                method: "POST",
                path: "/",
                route: ::core::option::Option::Some(__eg::Route::new("/")),
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
        emits: &[
            #[cfg(unix)]
            __eg::Probe::<Uri>::EMITS,
            __eg::Probe::<Bytes>::EMITS,
            #[cfg(test)]
            #[cfg(unix)]
            __eg::Probe::<Uri>::EMITS,
        ],
        needs: &[
            #[cfg(unix)]
            __eg::Probe::<Uri>::NEEDS,
            __eg::Probe::<Bytes>::NEEDS,
            #[cfg(test)]
            #[cfg(unix)]
            __eg::Probe::<Uri>::NEEDS,
        ],
        call: __eg_call,
    };
    const __EG_EVENTS: &[__eg::Events] = &[
        #[cfg(unix)]
        __eg::Probe::<Uri>::EVENTS,
        __eg::Probe::<Bytes>::EVENTS,
        #[cfg(test)]
        #[cfg(unix)]
        __eg::Probe::<Uri>::EVENTS,
    ];
    ::eg_runtime::__register_function!(__EG_FUNCTION, __EG_EVENTS);
};
