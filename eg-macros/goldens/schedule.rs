async fn clean_up() -> Result<(), Error> {}
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
            match __eg::Returned(clean_up().await).split() {
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
        name: "clean_up",
        doc: "",
        file: ::core::file!(),
        line: ::core::line!(),
        triggers: &[__eg::Trigger::Schedule("rate(1 day)")],
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
