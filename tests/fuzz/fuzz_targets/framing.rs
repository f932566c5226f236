#![cfg_attr(fuzzing, no_main)]

eg_fuzz::target!(framing);
