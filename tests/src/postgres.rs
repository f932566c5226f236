//! Starts PostgreSQL servers for tests: in a temporary folder, on loopback, as a user without rights. None outlives the test
//! program: a shell waits for the end of that, however it ends, and then stops the server and removes its folder.

use std::ffi::OsStr;
use std::fs;
use std::io::Write as _;
use std::net::TcpListener;
use std::os::unix::fs::chown;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

use tempfile::TempDir;

/// The user and the group whose number is the same on every Linux: `nobody`.
const NOBODY: u32 = 65_534;

/// The user of the database.
const USER: &str = "gateway";

/// The password of that user, which connections over TCP need.
pub const PASSWORD: &str = "open sesame";

/// What the shell does when the test program has ended, which closes the shell's standard input.
const AFTERWARDS: &str = r#"cat >/dev/null; "$1" stop -D "$2/data" -m immediate; rm -rf "$2""#;

/// A server.
#[derive(Debug)]
pub struct Postgres {
    bin: PathBuf,
    dir: PathBuf,
    /// Where it listens on loopback.
    pub port: u16,
    databases: AtomicU32,
    // Ends when its standard input is closed: with this.
    shell: Child,
}

impl Postgres {
    /// Returns the server that all tests of this program share. Prints a note and returns `None` if this machine has no
    /// PostgreSQL.
    ///
    /// # Panics
    /// If it does not start, and in CI if it is missing.
    pub fn shared() -> Option<&'static Self> {
        static SHARED: OnceLock<Option<Postgres>> = OnceLock::new();
        SHARED.get_or_init(Self::start).as_ref()
    }

    /// Starts a server. Prints a note and returns `None` if this machine has no PostgreSQL.
    ///
    /// # Panics
    /// If it does not start, and in CI if it is missing.
    #[must_use]
    pub fn start() -> Option<Self> {
        let server = Self::prepare()?;
        server.create();
        server.resume();
        Some(server)
    }

    /// Starts a server and a synchronous standby of it.
    ///
    /// # Panics
    /// As [`start`](Self::start) does.
    #[must_use]
    pub fn start_pair() -> Option<(Self, Self)> {
        let (primary, standby) = (Self::start()?, Self::prepare()?);
        standby.follow(&primary);
        Some((primary, standby))
    }

    /// Makes the folder of a server that has no data.
    fn prepare() -> Option<Self> {
        let Some(bin) = programs() else {
            assert!(
                std::env::var_os("CI").is_none(),
                "PostgreSQL is missing: install it with `apt-get install postgresql`"
            );
            eprintln!("SKIPPED: this machine has no PostgreSQL");
            return None;
        };
        let dir = TempDir::with_prefix("pg").expect("a temporary folder").keep();
        let shell = Command::new("sh")
            .args(["-c", AFTERWARDS, "sh"])
            .args([&unprivileged_pg_ctl(&bin, &dir), &dir])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("a shell");
        let port = free_port();
        let server = Self { bin, dir, port, databases: AtomicU32::new(0), shell };
        if is_root() {
            chown(&server.dir, Some(NOBODY), Some(NOBODY)).expect("root may do that");
        }
        Some(server)
    }

    fn create(&self) {
        let password = self.dir.join("password");
        fs::write(&password, PASSWORD).expect("the folder is new");
        if is_root() {
            chown(&password, Some(NOBODY), Some(NOBODY)).expect("root may do that");
        }
        let data = self.dir.join("data");
        let mut initdb = self.program("initdb");
        initdb.arg("-D").arg(&data).args([
            "-U",
            USER,
            "--no-sync",
            "--no-instructions",
            "--locale=C",
            "-E",
            "UTF8",
        ]);
        initdb.args(["--auth-local=trust", "--auth-host=scram-sha-256"]).arg("--pwfile").arg(&password);
        run(&mut initdb);
        self.configure("fsync = off\nfull_page_writes = off\nshared_buffers = 32MB\nmax_connections = 300\n");
    }

    /// Adds settings, and those about the place of this server.
    fn configure(&self, settings: &str) {
        let dir = self.dir.to_string_lossy();
        let settings = format!(
            "listen_addresses = '127.0.0.1'\nport = {}\nunix_socket_directories = '{dir}'\n{settings}",
            self.port,
        );
        let file = self.dir.join("data/postgresql.conf");
        let mut file = fs::OpenOptions::new().append(true).open(file).expect("the server has data");
        file.write_all(settings.as_bytes()).expect("it can be written");
    }

    /// Starts the server again after [`stop`](Self::stop).
    ///
    /// # Panics
    /// If it does not start.
    pub fn resume(&self) {
        let log = self.dir.join("log");
        let mut start = self.program("pg_ctl");
        start.args(["start", "--wait", "--silent", "-D"]).arg(self.dir.join("data")).arg("-l").arg(&log);
        // Otherwise the server would keep the output of the test program open.
        start.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let started = start.status().expect("pg_ctl is there").success();
        assert!(started, "PostgreSQL does not start: {}", fs::read_to_string(log).unwrap_or_default());
    }

    /// Stops the server: at once and without cleaning up, as when its machine ends, or in order.
    ///
    /// # Panics
    /// If it does not run.
    pub fn stop(&self, at_once: bool) {
        let mut stop = self.program("pg_ctl");
        let mode = if at_once { "immediate" } else { "fast" };
        run(stop.args(["stop", "--wait", "--silent", "-m", mode, "-D"]).arg(self.dir.join("data")));
    }

    /// Replaces the data of this server, which does not run, by those of a primary, and makes it the synchronous standby of that: the
    /// primary confirms only what both have.
    ///
    /// # Panics
    /// If the primary does not run, or this server does not start.
    pub fn follow(&self, primary: &Self) {
        let data = self.dir.join("data");
        if data.exists() {
            fs::remove_dir_all(&data).expect("the server does not run");
        }
        let mut copy = self.program("pg_basebackup");
        copy.arg("-h").arg(&primary.dir).args(["-p", &primary.port.to_string(), "-U", USER]);
        copy.args(["--checkpoint=fast", "--no-sync", "--write-recovery-conf", "-D"]);
        run(copy.arg(&data));
        self.configure("");
        self.resume();
        primary.set_synchronous("*");
        let deadline = std::time::Instant::now() + std::time::Duration::from_secs(30);
        while primary.sql("postgres", "SELECT count(*) FROM pg_stat_replication WHERE sync_state = 'sync'")
            != "1"
        {
            assert!(std::time::Instant::now() < deadline, "the standby does not follow");
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
    }

    /// Makes a standby a primary, which has no standby itself.
    ///
    /// # Panics
    /// If it is not a standby that runs.
    pub fn promote(&self) {
        run(self.program("pg_ctl").args(["promote", "--wait", "--silent", "-D"]).arg(self.dir.join("data")));
        // Otherwise it would wait for a standby before it confirms anything.
        self.set_synchronous("");
    }

    fn set_synchronous(&self, standbys: &str) {
        self.sql("postgres", &format!("ALTER SYSTEM SET synchronous_standby_names = '{standbys}'"));
        self.sql("postgres", "SELECT pg_reload_conf()");
    }

    /// Returns the URL of a database of this server that names another server, too.
    #[must_use]
    pub fn or(&self, url: &str, other: &Self) -> String {
        let place =
            |server: &Self| format!("{}:{}", server.dir.to_string_lossy().replace('/', "%2F"), server.port);
        let name = url.rsplit('/').next().unwrap_or_default();
        format!("postgres://{USER}@{},{}/{name}", place(self), place(other))
    }

    /// Creates a database, and returns its URL. Connections are made through a socket.
    ///
    /// # Panics
    /// If the server does not run.
    pub fn database(&self) -> String {
        let name = format!("d{}", self.databases.fetch_add(1, Ordering::Relaxed));
        self.sql("postgres", &format!("CREATE DATABASE {name}"));
        let dir = self.dir.to_string_lossy().replace('/', "%2F");
        format!("postgres://{USER}@{dir}:{}/{name}", self.port)
    }

    /// Returns the URL of the same database for connections over TCP.
    #[must_use]
    pub fn over_tcp(&self, url: &str) -> String {
        let name = url.rsplit('/').next().unwrap_or_default();
        let password = PASSWORD.replace(' ', "%20");
        format!("postgres://{USER}:{password}@localhost:{}/{name}", self.port)
    }

    /// Starts PgBouncer in front of the server, in transaction mode, and returns it with the URL of a database behind it. Prints a note
    /// and returns `None` if this machine has no PgBouncer.
    ///
    /// # Panics
    /// If it does not start, and in CI if it is missing.
    #[must_use]
    pub fn pooled(&self, url: &str) -> Option<(Pool, String)> {
        let paths = std::env::var_os("PATH").unwrap_or_default();
        let places = std::env::split_paths(&paths).chain(["/usr/sbin".into()]);
        let Some(program) = places.map(|bin| bin.join("pgbouncer")).find(|program| program.exists()) else {
            let missing = "PgBouncer is missing: install it with `apt-get install pgbouncer`";
            assert!(std::env::var_os("CI").is_none(), "{missing}");
            eprintln!("SKIPPED: this machine has no PgBouncer");
            return None;
        };
        let port = free_port();
        let (dir, file) = (self.dir.to_string_lossy(), self.dir.join(format!("pool-{port}.ini")));
        let settings = format!(
            "[databases]\n* = host={dir} port={} user={USER}\n[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\n\
             unix_socket_dir =\nauth_type = any\npool_mode = transaction\ndefault_pool_size = 4\nlogfile =\n",
            self.port
        );
        fs::write(&file, settings).expect("the folder is there");
        // It ends with its standard input, like the server.
        let mut shell = self.unprivileged("sh");
        shell.args(["-c", r#""$1" -q "$2" & cat >/dev/null; kill $!; wait"#, "sh"]).arg(program).arg(file);
        let shell = shell.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
        let pool = Pool { shell: shell.expect("a shell") };
        let deadline = std::time::Instant::now() + std::time::Duration::from_secs(30);
        while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(std::time::Instant::now() < deadline, "PgBouncer does not start");
            std::thread::sleep(std::time::Duration::from_millis(10));
        }
        let name = url.rsplit('/').next().unwrap_or_default();
        Some((pool, format!("postgres://{USER}@127.0.0.1:{port}/{name}")))
    }

    /// Makes the server offer TLS with this certificate and key.
    ///
    /// # Panics
    /// If the server does not run.
    pub fn use_tls(&self, certificate: &str, key: &str) {
        use std::os::unix::fs::PermissionsExt as _;

        for (name, content) in [("server.crt", certificate), ("server.key", key)] {
            let path = self.dir.join("data").join(name);
            fs::write(&path, content).expect("the folder is there");
            fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).expect("it is ours");
            if is_root() {
                chown(&path, Some(NOBODY), Some(NOBODY)).expect("root may do that");
            }
        }
        self.sql("postgres", "ALTER SYSTEM SET ssl = on");
        self.sql("postgres", "SELECT pg_reload_conf()");
    }

    /// Runs SQL in a database, and returns the values that it prints, a row a line.
    ///
    /// # Panics
    /// If it fails.
    pub fn sql(&self, database: &str, sql: &str) -> String {
        let name = database.rsplit('/').next().unwrap_or_default();
        let mut psql = Command::new(self.bin.join("psql"));
        psql.args(["-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-U", USER, "-d", name, "-c", sql]);
        psql.arg("-h").arg(&self.dir).arg("-p").arg(self.port.to_string());
        run(&mut psql)
    }

    /// Returns a command that runs a program of the server.
    fn program(&self, name: &str) -> Command {
        self.unprivileged(self.bin.join(name))
    }

    /// Returns a command that runs a program as a user without rights: PostgreSQL and PgBouncer refuse root.
    fn unprivileged(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = if is_root() {
            let mut command = Command::new("setpriv");
            command.args(["--reuid", "65534", "--regid", "65534", "--clear-groups"]).arg(program);
            command
        } else {
            Command::new(program)
        };
        command.current_dir(&self.dir);
        command
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        drop(self.shell.stdin.take());
        let _ = self.shell.wait();
    }
}

/// A PgBouncer. Dropping it ends it.
#[derive(Debug)]
pub struct Pool {
    // Ends when its standard input is closed: with this.
    shell: Child,
}

impl Drop for Pool {
    fn drop(&mut self) {
        drop(self.shell.stdin.take());
        let _ = self.shell.wait();
    }
}

fn free_port() -> u16 {
    let address = TcpListener::bind("127.0.0.1:0").and_then(|socket| socket.local_addr());
    address.expect("a free port").port()
}

/// Writes a program that runs `pg_ctl` as the user of the server, and returns its path.
fn unprivileged_pg_ctl(bin: &Path, dir: &Path) -> PathBuf {
    use std::os::unix::fs::PermissionsExt as _;

    let pg_ctl = bin.join("pg_ctl");
    if !is_root() {
        return pg_ctl;
    }
    let path = dir.join("stop");
    let script = format!(
        "#!/bin/sh\nexec setpriv --reuid {NOBODY} --regid {NOBODY} --clear-groups '{}' \"$@\"\n",
        pg_ctl.display()
    );
    fs::write(&path, script).expect("the folder is new");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("it is ours");
    path
}

/// Returns the folder of the newest PostgreSQL of this machine.
fn programs() -> Option<PathBuf> {
    let versions = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().filter_map(Result::ok);
    // Of some versions there may be only a client.
    let servers = versions.filter(|version| version.path().join("bin/initdb").exists());
    let newest =
        servers.max_by_key(|version| version.file_name().to_string_lossy().parse::<u32>().unwrap_or(0));
    let installed = newest.map(|version| version.path().join("bin"));
    let paths = std::env::var_os("PATH").unwrap_or_default();
    installed.or_else(|| std::env::split_paths(&paths).find(|bin| bin.join("initdb").exists()))
}

fn is_root() -> bool {
    use std::os::unix::fs::MetadataExt as _;

    fs::metadata("/proc/self").is_ok_and(|process| process.uid() == 0)
}

/// Runs a command to its end, and returns what it prints.
fn run(command: &mut Command) -> String {
    let output = command.stdin(Stdio::null()).output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let (out, errors) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{command:?}: {out}{errors}");
    out.trim_end().to_owned()
}
