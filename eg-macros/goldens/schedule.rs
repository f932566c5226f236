async fn clean_up() -> Result<(), Error> {}
const _: () = {
    use ::eg_runtime::__private as __eg;
    #[allow(unused_imports)]
    use ::eg_runtime::__private::{EmitsNothing as _, NeedsNothing as _, NoEvents as _};
    fn __eg_call(__eg_request: __eg::Request) -> __eg::ResponseFuture {
        ::std::boxed::Box::pin(async move {
            drop(__eg_request);
            __eg::into_response(clean_up().await)
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
        emits: &[],
        needs: &[],
        call: __eg_call,
    };
    const __EG_EVENTS: &[__eg::Events] = &[];
    ::eg_runtime::__register_function!(__EG_FUNCTION, __EG_EVENTS);
};
