//! The grammar of EventBridge's schedules: `rate(5 minutes)` and `cron(0 12 * * ? *)`. Source: the EventBridge
//! user guide, "schedule expressions".

/// One field of a cron expression.
struct Field {
    name: &'static str,
    min: u32,
    max: u32,
    /// Names for the numbers from `min` on.
    names: &'static [&'static str],
    /// What may stand there besides numbers, lists, ranges, steps and `*`.
    wildcards: &'static str,
}

const MONTHS: [&str; 12] =
    ["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"];
const DAYS: [&str; 7] = ["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"];

const FIELDS: [Field; 6] = [
    Field { name: "minutes", min: 0, max: 59, names: &[], wildcards: "" },
    Field { name: "hours", min: 0, max: 23, names: &[], wildcards: "" },
    Field { name: "day of month", min: 1, max: 31, names: &[], wildcards: "?LW" },
    Field { name: "month", min: 1, max: 12, names: &MONTHS, wildcards: "" },
    Field { name: "day of week", min: 1, max: 7, names: &DAYS, wildcards: "?L#" },
    Field { name: "year", min: 1970, max: 2199, names: &[], wildcards: "" },
];

/// Whether EventBridge takes this expression; the error names the piece that is wrong and what it should be.
pub(crate) fn check(expression: &str) -> Result<(), String> {
    let inside = |kind: &str| expression.strip_prefix(kind)?.strip_prefix('(')?.strip_suffix(')');
    if let Some(inside) = inside("rate") {
        return rate(inside);
    }
    if let Some(inside) = inside("cron") {
        return cron(inside);
    }
    Err(format!(
        "{expression:?} is no schedule: write `rate(5 minutes)`, or `cron(0 12 * * ? *)` with minutes, hours, day \
         of month, month, day of week and year"
    ))
}

fn rate(inside: &str) -> Result<(), String> {
    let mut words = inside.split(' ');
    let (Some(number), Some(unit), None) = (words.next(), words.next(), words.next()) else {
        return Err(format!("`rate({inside})`: expected a number and a unit, as in `rate(5 minutes)`"));
    };
    let digits = !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit());
    let Some(count) = number.parse::<u32>().ok().filter(|count| digits && *count > 0) else {
        return Err(format!("`{number}` is no rate: use a whole number from 1 on"));
    };
    let singular = unit.strip_suffix('s').unwrap_or(unit);
    if !["minute", "hour", "day"].contains(&singular) {
        return Err(format!("`{unit}` is no unit of a rate: use `minutes`, `hours` or `days`"));
    }
    let right = if count == 1 { singular.to_owned() } else { format!("{singular}s") };
    if unit == right { Ok(()) } else { Err(format!("write `rate({count} {right})`")) }
}

fn cron(inside: &str) -> Result<(), String> {
    let fields: Vec<&str> = inside.split_ascii_whitespace().collect();
    let Ok(fields) = <[&str; 6]>::try_from(fields.as_slice()) else {
        return Err(format!(
            "a cron expression has 6 fields (minutes, hours, day of month, month, day of week, year), not {}",
            fields.len()
        ));
    };
    for (field, text) in FIELDS.iter().zip(fields) {
        field.check(text).map_err(|message| format!("{}: {message}", field.name))?;
    }
    match (fields[2], fields[4]) {
        ("?", "?") => Err("day of month and day of week are both `?`: say one of them".to_owned()),
        ("?", _) | (_, "?") => Ok(()),
        _ => Err("day of month and day of week cannot both be given: put `?` for one of them".to_owned()),
    }
}

impl Field {
    fn check(&self, text: &str) -> Result<(), String> {
        if text == "*" || (text == "?" && self.wildcards.contains('?')) {
            return Ok(());
        }
        if text == "?" {
            return Err("`?` stands for a day only; use `*`".to_owned());
        }
        if text.contains('#') && text.contains(',') {
            return Err(format!("`{text}`: `#` cannot stand in a list"));
        }
        text.split(',').try_for_each(|piece| self.piece(piece))
    }

    /// One piece of a list.
    fn piece(&self, piece: &str) -> Result<(), String> {
        if self.special(piece) {
            return Ok(());
        }
        let (range, step) = match piece.split_once('/') {
            Some((range, step)) => (range, Some(step)),
            None => (piece, None),
        };
        if let Some(step) = step {
            let steps = self.max - self.min + 1;
            if !step.parse().is_ok_and(|step: u32| (1..=steps).contains(&step)) {
                return Err(format!("`{piece}`: a step is a number from 1 to {steps}"));
            }
        }
        if range == "*" && step.is_some() {
            return Ok(());
        }
        match range.split_once('-') {
            Some((from, to)) => self.number(from, piece).and_then(|()| self.number(to, piece)),
            None => self.number(range, piece),
        }
    }

    /// `L`, `LW`, `15W`, `6L` and `6#3`, where they may stand.
    fn special(&self, piece: &str) -> bool {
        let is = |text: &str| self.number(text, piece).is_ok();
        let last = self.wildcards.contains('L');
        let week = self.wildcards.contains('#');
        let weekday = self.wildcards.contains('W');
        (last && piece == "L")
            || (weekday && (piece == "LW" || piece.strip_suffix('W').is_some_and(is)))
            || (week && piece.strip_suffix('L').is_some_and(is))
            || (week
                && piece.split_once('#').is_some_and(|(day, week)| {
                    is(day) && week.parse().is_ok_and(|week: u8| (1..=5).contains(&week))
                }))
    }

    fn number(&self, text: &str, piece: &str) -> Result<(), String> {
        let named = self.names.iter().any(|name| name.eq_ignore_ascii_case(text));
        let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
        let number = text.parse().is_ok_and(|number: u32| (self.min..=self.max).contains(&number));
        if named || (digits && number) {
            return Ok(());
        }
        let names = match self.names {
            [first, .., last] => format!(" or {first} to {last}"),
            _ => String::new(),
        };
        Err(format!("`{piece}`: expected {} to {}{names}", self.min, self.max))
    }
}

#[cfg(test)]
mod tests {
    use super::check;

    #[test]
    fn what_eventbridge_takes() {
        for expression in [
            "rate(1 minute)",
            "rate(5 minutes)",
            "rate(1 hour)",
            "rate(24 hours)",
            "rate(1 day)",
            "rate(7 days)",
            "cron(0 10 * * ? *)",
            "cron(15 12 * * ? *)",
            "cron(0 18 ? * MON-FRI *)",
            "cron(0 8 1 * ? *)",
            "cron(0/15 * * * ? *)",
            "cron(0/5 8-17 ? * MON-FRI *)",
            "cron(*/10 * ? * 2-6 *)",
            "cron(0 9 ? * 2#1 *)",
            "cron(0 9 ? * 6L *)",
            "cron(0 9 L * ? *)",
            "cron(0 9 15W * ? *)",
            "cron(0 9 LW * ? *)",
            "cron(0,30 9 1,15 jan,JUL ? 2027-2030)",
        ] {
            assert_eq!(check(expression), Ok(()), "{expression}");
        }
    }

    #[test]
    fn mistakes_name_the_piece() {
        for (expression, part) in [
            ("", "is no schedule"),
            ("5 minutes", "is no schedule"),
            ("at(2027-01-01T00:00:00)", "is no schedule"),
            ("rate(5 minutes", "is no schedule"),
            ("rate()", "expected a number and a unit"),
            ("rate(5)", "expected a number and a unit"),
            ("rate(5  minutes)", "expected a number and a unit"),
            ("rate(0 minutes)", "`0` is no rate"),
            ("rate(-5 minutes)", "`-5` is no rate"),
            ("rate(+5 minutes)", "`+5` is no rate"),
            ("rate(1.5 hours)", "`1.5` is no rate"),
            ("rate(1 minutes)", "write `rate(1 minute)`"),
            ("rate(5 minute)", "write `rate(5 minutes)`"),
            ("rate(5 seconds)", "`seconds` is no unit"),
            ("rate(2 weeks)", "`weeks` is no unit"),
            ("cron(0 12 * * *)", "not 5"),
            ("cron(0 0 12 * * ? *)", "not 7"),
            ("cron(60 12 * * ? *)", "minutes: `60`: expected 0 to 59"),
            ("cron(0 24 * * ? *)", "hours: `24`"),
            ("cron(0 12 0 * ? *)", "day of month: `0`: expected 1 to 31"),
            ("cron(0 12 * 13 ? *)", "month: `13`: expected 1 to 12 or JAN to DEC"),
            ("cron(0 12 ? * 0 *)", "day of week: `0`: expected 1 to 7 or SUN to SAT"),
            ("cron(0 12 ? * 8 *)", "day of week: `8`"),
            ("cron(0 12 ? * 2#6 *)", "day of week: `2#6`"),
            ("cron(0 12 ? * 2#1,6#3 *)", "`#` cannot stand in a list"),
            ("cron(0 12 * * ? 1969)", "year: `1969`"),
            ("cron(0 12 * * * *)", "cannot both be given"),
            ("cron(0 12 1 * MON *)", "cannot both be given"),
            ("cron(0 12 ? * ? *)", "both `?`"),
            ("cron(? 12 * * ? *)", "`?` stands for a day only"),
            ("cron(*/0 12 * * ? *)", "a step is a number from 1 to 60"),
            ("cron(0,,5 12 * * ? *)", "minutes: ``"),
            ("cron(L 12 * * ? *)", "minutes: `L`"),
            ("cron(1-2-3 12 * * ? *)", "minutes: `1-2-3`"),
        ] {
            let message = check(expression).unwrap_err();
            assert!(message.contains(part), "{expression}: {message}");
        }
    }
}
