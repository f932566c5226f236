/// Registers a user.
async fn create(
    state: State<Users>,
    Path(id): Path<u32>,
    Json(user): Json<User>,
) -> Result<Json<User>, Error> {}
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
        __eg::check_types(__eg::Probe::<Path<u32>>::EMITS);
    };
    const _: () = {
        __eg::check_types(__eg::Probe::<Json<User>>::EMITS);
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
            let __eg_1: Path<u32> = match __eg::Extract::<
                Path<u32>,
            >::from_parts(&mut __eg_parts)
                .await
            {
                ::core::result::Result::Ok(__eg_value) => __eg_value,
                ::core::result::Result::Err(__eg_rejection) => return __eg_rejection,
            };
            let __eg_2: Json<User> = match __eg::Extract::<
                Json<User>,
            >::from_request(__eg::Request::from_parts(__eg_parts, __eg_body))
                .await
            {
                ::core::result::Result::Ok(__eg_value) => __eg_value,
                ::core::result::Result::Err(__eg_rejection) => return __eg_rejection,
            };
            match __eg::Returned(create(__eg_0, __eg_1, __eg_2).await).split() {
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
                stream: true,
                authorizer: ::core::option::Option::None,
                retry: ::core::option::Option::None,
                filter: ::core::option::Option::None,
                ordered: false,
            }),
        ],
        timeout: ::core::option::Option::Some(30u32),
        memory: ::core::option::Option::None,
        body_limit: ::core::option::Option::None,
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
