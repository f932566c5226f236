//! Applies the settings of a stage over those of all stages: a value replaces a value, and names are added to names.

use super::format::{Function, Map, Section, Service};

impl Section {
    /// Returns these settings with those of a stage, which take precedence.
    pub(super) fn with(mut self, stage: Self) -> Self {
        let Self {
            stack,
            region,
            protect,
            exclude,
            bus,
            gateway,
            domain,
            archive,
            features,
            tags,
            environment,
            secrets,
            resources,
            vpc,
            ..
        } = stage;
        self.stack = stack.or(self.stack);
        self.region = region.or(self.region);
        self.protect = protect.or(self.protect);
        self.exclude = exclude.or(self.exclude);
        // Each replaces the other.
        match (&bus, &gateway) {
            (Some(_), None) => self.gateway = None,
            (None, Some(_)) => self.bus = None,
            _ => {}
        }
        self.bus = bus.or(self.bus);
        // A gateway takes the place of the API, and so of its domain.
        if gateway.is_some() {
            self.domain = None;
        }
        self.domain = domain.or(self.domain);
        self.gateway = gateway.or(self.gateway);
        self.archive = archive.or(self.archive);
        self.features = features.or(self.features);
        self.tags.extend(tags);
        variables(&mut self.environment, &mut self.secrets, (environment, secrets));
        self.resources = resources.or(self.resources);
        self.vpc = vpc.or(self.vpc);
        put(&mut self.tables, stage.tables);
        put(&mut self.queues, stage.queues);
        for (name, Service { environment, secrets }) in stage.service {
            let known = self.service.entry(name).or_default();
            variables(&mut known.environment, &mut known.secrets, (environment, secrets));
        }
        for (id, function) in stage.function {
            let Function { environment, secrets, timeout, memory, concurrency, policies, vpc, exclude } =
                function;
            let known = self.function.entry(id).or_default();
            variables(&mut known.environment, &mut known.secrets, (environment, secrets));
            known.timeout = timeout.or(known.timeout);
            known.memory = memory.or(known.memory);
            known.concurrency = concurrency.or(known.concurrency);
            known.policies = policies.or(known.policies.take());
            known.vpc = vpc.or(known.vpc.take());
            known.exclude = exclude.or(known.exclude.take());
        }
        self
    }
}

/// Sets variables. A plain value replaces a secret with the same name, and a secret a plain value.
fn variables<V, S>(environment: &mut Map<V>, secrets: &mut Map<S>, new: (Map<V>, Map<S>)) {
    environment.retain(|name, _| !new.1.contains_key(name));
    secrets.retain(|name, _| !new.0.contains_key(name));
    put(environment, new.0);
    put(secrets, new.1);
}

/// Like `extend`, but the places are those of the new names.
fn put<T>(known: &mut Map<T>, new: Map<T>) {
    for (name, value) in new {
        known.remove(&name);
        known.insert(name, value);
    }
}
