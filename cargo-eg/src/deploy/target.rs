//! The stack that a command works on, and how its options are written in the commands that are printed.

/// A stack.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Target {
    pub(crate) stack: String,
    /// Whether it is a stage of the application here, and not the stack of another tool.
    pub(crate) is_stage: bool,
    /// The options that select it again, each with a space in front: ` --stage test`.
    pub(crate) options: String,
}

impl Target {
    /// Returns the name in AWS of something of the stack without the stack's name.
    pub(crate) fn own_name<'n>(&self, physical: &'n str) -> &'n str {
        physical.strip_prefix(&self.stack).and_then(|rest| rest.strip_prefix('-')).unwrap_or(physical)
    }

    /// Returns a command for this stack: `cargo eg rollback --stage test`.
    pub(crate) fn command(&self, name: &str) -> String {
        format!("cargo eg {name}{}", self.options)
    }
}
