/// Registers a user.
async fn create(
    state: State<Users>,
    Path(id): Path<u32>,
    Json(user): Json<User>,
) -> Result<Json<User>, Error> {}
const _: () = {
    use ::eg_runtime::__private as __eg;
    #[allow(unused_imports)]
    use ::eg_runtime::__private::{EmitsNothing as _, NeedsNothing as _, NoEvents as _};
    fn __eg_call(__eg_request: __eg::Request) -> __eg::ResponseFuture {
        ::std::boxed::Box::pin(async move {
            #[allow(unused_mut)]
            let (mut __eg_parts, __eg_body) = __eg_request.into_parts();
            let __eg_0: State<Users> = match __eg::from_parts(&mut __eg_parts).await {
                ::core::result::Result::Ok(value) => value,
                ::core::result::Result::Err(rejection) => return rejection,
            };
            let __eg_1: Path<u32> = match __eg::from_parts(&mut __eg_parts).await {
                ::core::result::Result::Ok(value) => value,
                ::core::result::Result::Err(rejection) => return rejection,
            };
            let __eg_2: Json<User> = match __eg::from_request(
                    __eg::Request::from_parts(__eg_parts, __eg_body),
                )
                .await
            {
                ::core::result::Result::Ok(value) => value,
                ::core::result::Result::Err(rejection) => return rejection,
            };
            __eg::into_response(create(__eg_0, __eg_1, __eg_2).await)
        })
    }
    const __EG_FUNCTION: __eg::FunctionDef = __eg::FunctionDef {
        package: ::core::env!("CARGO_PKG_NAME"),
        version: ::core::env!("CARGO_PKG_VERSION"),
        name: "create",
        doc: "Registers a user.",
        file: ::core::file!(),
        line: ::core::line!(),
        triggers: &[
            __eg::Trigger::Subscription(__eg::Subscription {
                event_type: "http.request",
                mode: __eg::Mode::Sync,
                method: "POST",
                path: "/users/:id",
                route: ::core::option::Option::Some(__eg::Route::new("/users/{id}")),
                cors: ::core::option::Option::Some(__eg::Cors {
                    origins: &["https://a.example"],
                    methods: &[],
                    headers: &[],
                    credentials: true,
                }),
                retry: ::core::option::Option::None,
            }),
        ],
        timeout: ::core::option::Option::Some(30u32),
        memory: ::core::option::Option::None,
        emits: &[
            __eg::Probe::<State<Users>>::EMITS,
            __eg::Probe::<Path<u32>>::EMITS,
            __eg::Probe::<Json<User>>::EMITS,
        ],
        needs: &[
            __eg::Probe::<State<Users>>::NEEDS,
            __eg::Probe::<Path<u32>>::NEEDS,
            __eg::Probe::<Json<User>>::NEEDS,
        ],
        call: __eg_call,
    };
    const __EG_EVENTS: &[__eg::Events] = &[
        __eg::Probe::<State<Users>>::EVENTS,
        __eg::Probe::<Path<u32>>::EVENTS,
        __eg::Probe::<Json<User>>::EVENTS,
    ];
    ::eg_runtime::__register_function!(__EG_FUNCTION, __EG_EVENTS);
};
