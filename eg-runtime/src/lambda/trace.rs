//! Sets the environment variable `_X_AMZN_TRACE_ID` to the trace of the current invocation, as every Lambda runtime does:
//! AWS's SDKs read it, and Lambda uses it to detect loops. With glibc, `setenv` would leak memory for each invocation,
//! because glibc never frees the values that it has copied; there, the variable points to memory of this module.

/// The variable.
const NAME: &str = "_X_AMZN_TRACE_ID";

#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
pub(super) use self::copied::TraceVariable;
#[cfg(all(target_os = "linux", target_env = "gnu"))]
pub(super) use self::in_place::TraceVariable;

#[cfg(all(target_os = "linux", target_env = "gnu"))]
mod in_place {
    use std::ffi::c_char;
    use std::sync::atomic::{AtomicPtr, Ordering};

    use super::NAME;

    /// How many invocations pass before memory is written again. What reads the variable meanwhile copies it at once.
    const SLOTS: usize = 64;

    /// The length of a slot. X-Ray's headers have up to some 200 bytes.
    const SIZE: usize = 512;

    /// The variable, which one worker sets between its invocations.
    pub(crate) struct TraceVariable {
        slots: Vec<AtomicPtr<u8>>,
        next: usize,
    }

    impl TraceVariable {
        pub(crate) fn new() -> Self {
            // The environment may refer to the memory as long as the process lives.
            let slot = |_| AtomicPtr::new(Box::leak(Box::new([0_u8; SIZE])).as_mut_ptr());
            Self { slots: (0..SLOTS).map(slot).collect(), next: 0 }
        }

        /// Sets the variable; removes it if there is no trace, or one that is too long.
        #[expect(unsafe_code, reason = "the environment is where AWS's SDKs look")]
        pub(crate) fn show(&mut self, x_ray: Option<&str>) {
            let Some(x_ray) =
                x_ray.filter(|text| NAME.len() + text.len() + 2 <= SIZE && !text.contains('\0'))
            else {
                // SAFETY: as below.
                unsafe { std::env::remove_var(NAME) };
                return;
            };
            if std::env::var_os(NAME).is_none() {
                // SAFETY: as for `remove_var`. It makes room in the environment under the lock of `std`.
                unsafe { std::env::set_var(NAME, "") };
            }
            let slot = self.slots[self.next % SLOTS].load(Ordering::Relaxed);
            self.next = self.next.wrapping_add(1);
            let text = [NAME, "=", x_ray, "\0"].concat();
            // SAFETY: the slot has room for the text, as checked above. Nobody else writes to it, and the environment has
            // not referred to it for the last `SLOTS - 1` invocations, or ever.
            unsafe { std::ptr::copy_nonoverlapping(text.as_ptr(), slot, text.len()) };
            // SAFETY: the slot lives as long as the process and holds a C string of the form that `putenv` wants. The
            // variable is present, so `putenv` replaces one pointer and does not move the environment. A thread that reads
            // it meanwhile finds the earlier text or this one; both are whole.
            unsafe { libc::putenv(slot.cast::<c_char>()) };
        }
    }
}

#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
mod copied {
    use std::env;

    use super::NAME;

    /// The variable, which one worker sets between its invocations.
    pub(crate) struct TraceVariable;

    impl TraceVariable {
        pub(crate) fn new() -> Self {
            Self
        }

        /// Sets the variable; removes it if there is no trace.
        #[expect(unsafe_code, reason = "the environment is where AWS's SDKs look")]
        pub(crate) fn show(&mut self, x_ray: Option<&str>) {
            match x_ray.filter(|text| !text.contains('\0')) {
                // SAFETY: done between invocations, by the only worker. What else reads variables in this process does so
                // through `std`, which has a lock for it.
                Some(x_ray) => unsafe { env::set_var(NAME, x_ray) },
                // SAFETY: as above.
                None => unsafe { env::remove_var(NAME) },
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One test, because the environment belongs to the whole process.
    #[test]
    fn the_variable_changes_without_letting_the_process_grow() {
        // Other tests in this process need memory, too.
        const ALONE: &str = "EG_RUNTIME_TESTS_ALONE";
        if std::env::var_os(ALONE).is_none() {
            let mut alone = std::process::Command::new(std::env::current_exe().unwrap());
            alone.args([
                "--exact",
                "lambda::trace::tests::the_variable_changes_without_letting_the_process_grow",
            ]);
            let output = alone.env(ALONE, "1").output().unwrap();
            let text = String::from_utf8_lossy(&output.stdout);
            assert!(output.status.success() && text.contains("1 passed"), "{text}");
            return;
        }
        let value = || std::env::var(NAME).ok();
        let mut variable = TraceVariable::new();
        let trace = |n: usize| format!("Root=1-5bef4de7-{n:024x};Parent={n:016x};Sampled=1;Lineage=a:{n}");
        let run = |variable: &mut TraceVariable, from: usize, to: usize| {
            for n in from..to {
                variable.show(Some(&trace(n)));
                assert_eq!(value(), Some(trace(n)));
            }
        };
        run(&mut variable, 0, 1_000);
        let before = resident_bytes();
        run(&mut variable, 1_000, 101_000);
        let grown = resident_bytes().saturating_sub(before);
        // With `setenv`, these are 14 million bytes.
        assert!(grown < 4_000_000, "{grown} bytes more after 100,000 invocations");

        variable.show(None);
        assert_eq!(value(), None);
        variable.show(Some("Root=1"));
        assert_eq!(value().as_deref(), Some("Root=1"));
        variable.show(Some(&"x".repeat(10_000)));
        assert!(value().is_none_or(|value| value.len() == 10_000), "whole, or not at all");
    }

    #[cfg(target_os = "linux")]
    fn resident_bytes() -> usize {
        let status = std::fs::read_to_string("/proc/self/status").unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        line.trim().trim_end_matches(" kB").parse::<usize>().unwrap() * 1024
    }

    #[cfg(not(target_os = "linux"))]
    fn resident_bytes() -> usize {
        0
    }
}
