async fn confirm(users: State<Users>, event: SignUp) -> SignUp {}
#[allow(unused_imports)]
use ::eg_runtime as _;
#[allow(deprecated)]
const _: () = {
    use ::eg_runtime::__private as __eg;
    #[allow(unused_imports)]
    use ::eg_runtime::__private::defaults::*;
    const _: () = {
        __eg::check_types(__eg::Probe::<State<Users>>::EMITS);
    };
    const _: () = {
        __eg::check_types(__eg::Probe::<SignUp>::EMITS);
    };
    fn __eg_call(__eg_request: __eg::Request) -> __eg::ResponseFuture {
        __eg::boxed(async move {
            #[allow(unused_mut)]
            let (mut __eg_parts, __eg_body) = __eg_request.into_parts();
            let __eg_0: State<Users> = match __eg::Extract::<
                State<Users>,
            >::from_parts(&mut __eg_parts)
                .await
            {
                ::core::result::Result::Ok(__eg_value) => __eg_value,
                ::core::result::Result::Err(__eg_rejection) => return __eg_rejection,
            };
            let __eg_1: SignUp = match (&__eg::Payload::<SignUp>::NEW)
                .kind()
                .read(__eg::Request::from_parts(__eg_parts, __eg_body))
                .await
            {
                ::core::result::Result::Ok(__eg_value) => __eg_value,
                ::core::result::Result::Err(__eg_rejection) => return __eg_rejection,
            };
            match __eg::Returned(confirm(__eg_0, __eg_1).await).split() {
                ::core::result::Result::Ok(__eg_value) => {
                    __eg::Success(&__eg_value).check();
                    (&__eg::Answer(&__eg_value)).kind().response(__eg_value)
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
        name: "confirm",
        doc: "",
        file: ::core::file!(),
        line: ::core::line!(),
        triggers: &[__eg::Trigger::Invoke],
        timeout: ::core::option::Option::None,
        memory: ::core::option::Option::Some(256u32),
        body_limit: ::core::option::Option::None,
        emits: &[__eg::Probe::<State<Users>>::EMITS, __eg::Probe::<SignUp>::EMITS],
        needs: &[__eg::Probe::<State<Users>>::NEEDS, __eg::Probe::<SignUp>::NEEDS],
        call: __eg_call,
    };
    const __EG_EVENTS: &[__eg::Events] = &[
        __eg::Probe::<State<Users>>::EVENTS,
        __eg::Probe::<SignUp>::EVENTS,
    ];
    ::eg_runtime::__register_function!(__EG_FUNCTION, __EG_EVENTS);
};
