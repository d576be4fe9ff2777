//! The page's web server: files of `web/` and `fixtures/` and the built firmware, on this machine only.
//!
//! One thread and one request per connection. It knows GET and HEAD, sends the security headers
//! with every answer, refusals included, and gives slow or broken clients a short time. It does
//! not list folders, keep connections, resume downloads or write anything.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use crate::project::Project;
use crate::sys::Result;

/// The port of `cargo lab` when nobody chose one.
pub const DEFAULT_PORT: u16 = 8137;
/// How many ports after the default one are tried.
const MORE_PORTS: u16 = 40;
/// A request's head, in bytes, at most.
const MAX_HEAD: usize = 16 * 1024;
/// A client must have sent its request by then, and take each piece of the answer.
const PATIENCE: Duration = Duration::from_secs(10);
/// Connections at the same time, at most.
const MAX_CONNECTIONS: usize = 128;

/// Sent with every answer. The page may load from this server alone, and may compile wasm.
const HEADERS: &str = "Content-Security-Policy: default-src 'none'; \
    script-src 'self' 'wasm-unsafe-eval'; worker-src 'self'; style-src 'self'; \
    img-src 'self' data: blob:; connect-src 'self'; manifest-src 'self'; base-uri 'none'; \
    form-action 'none'; frame-ancestors 'none'\r\n\
    X-Content-Type-Options: nosniff\r\n\
    Referrer-Policy: no-referrer\r\n\
    Cache-Control: no-store\r\n\
    Connection: close\r\n";

/// A server that has its port and does not answer yet.
pub struct Server {
    listener: TcpListener,
    port: u16,
    site: Site,
}

/// Which folders are served; the paths hold no symbolic link.
#[derive(Clone)]
struct Site {
    web: PathBuf,
    fixtures: PathBuf,
    /// Where `cargo xtask firmware` writes; it may come to be later.
    firmware: PathBuf,
}

/// What is served of the built firmware: the catalogue and the parts of the flash that it names.
const CATALOGUE: &str = "manifest.json";
const FLASH_PART: &str = ".bin";

impl Server {
    /// Takes a port of 127.0.0.1: the given one, else the default one or a free one after it.
    ///
    /// # Errors
    ///
    /// When the given port, or all tried ones, are taken.
    pub fn bind(project: &Project, port: Option<u16>) -> Result<Self> {
        let candidates = match port {
            Some(port) => port..=port,
            None => DEFAULT_PORT..=DEFAULT_PORT + MORE_PORTS,
        };
        let mut why = String::new();
        for port in candidates {
            match TcpListener::bind((Ipv4Addr::LOCALHOST, port)) {
                Ok(listener) => {
                    let port = listener.local_addr().map_err(|e| e.to_string())?.port();
                    return Ok(Self { listener, port, site: Site::of(project) });
                }
                Err(error) => why = format!("127.0.0.1:{port}: {error}"),
            }
        }
        Err(format!("{why}. Choose another port: cargo lab --port N"))
    }

    /// Returns the address to open.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}/", self.port)
    }

    /// Answers until the process ends.
    pub fn run(self) {
        let open = Arc::new(AtomicUsize::new(0));
        for stream in self.listener.incoming() {
            let Ok(stream) = stream else {
                // Out of file descriptors, say: give the running answers time to end.
                std::thread::sleep(Duration::from_millis(50));
                continue;
            };
            let (site, open) = (self.site.clone(), Arc::clone(&open));
            if open.fetch_add(1, Ordering::SeqCst) >= MAX_CONNECTIONS {
                open.fetch_sub(1, Ordering::SeqCst);
                continue;
            }
            std::thread::spawn(move || {
                // A client that went away is no error of the server's.
                let _ = site.answer(stream);
                open.fetch_sub(1, Ordering::SeqCst);
            });
        }
    }
}

impl Site {
    fn of(project: &Project) -> Self {
        let real = |folder: PathBuf| folder.canonicalize().unwrap_or(folder);
        Self {
            web: real(project.root.join("web")),
            fixtures: real(project.root.join("fixtures")),
            firmware: project.target.join("firmware"),
        }
    }

    fn answer(&self, mut stream: TcpStream) -> io::Result<()> {
        stream.set_write_timeout(Some(PATIENCE))?;
        match read_head(&mut stream)? {
            // Browsers open connections in advance and close them unused.
            Head::Nothing => return Ok(()),
            Head::TooLong => refuse(&mut stream, "431 Request Header Fields Too Large", true)?,
            Head::Late => refuse(&mut stream, "408 Request Timeout", true)?,
            Head::Whole(head) => match parse_request(&head) {
                Err(status) => refuse(&mut stream, status, true)?,
                Ok(request) => match self.find(&request.path) {
                    Some((path, file, length)) => {
                        let mime = mime(&path);
                        write!(
                            stream,
                            "HTTP/1.1 200 OK\r\nContent-Type: {mime}\r\nContent-Length: {length}\r\n{HEADERS}\r\n"
                        )?;
                        if request.with_body {
                            // Not more than announced, should the file grow meanwhile.
                            io::copy(&mut file.take(length), &mut stream)?;
                        }
                    }
                    // That no firmware was built is an answer, not a fault of the page's.
                    None if request.path == format!("/firmware/{CATALOGUE}") => {
                        write!(stream, "HTTP/1.1 204 No Content\r\n{HEADERS}\r\n")?;
                    }
                    None => refuse(&mut stream, "404 Not Found", request.with_body)?,
                },
            },
        }
        // Closing with unread bytes would reset the connection and could lose the answer.
        stream.shutdown(Shutdown::Write)?;
        stream.set_read_timeout(Some(Duration::from_millis(200)))?;
        io::copy(&mut stream.take(64 * 1024), &mut io::sink())?;
        Ok(())
    }

    /// Opens the file of a URL path, if it is one of the served files.
    fn find(&self, url_path: &str) -> Option<(PathBuf, File, u64)> {
        let inside = relative_path(url_path)?;
        let firmware = self.firmware.canonicalize();
        let (base, inside) = if let Some(rest) = inside.strip_prefix("fixtures/") {
            (&self.fixtures, rest)
        } else if let Some(file) = inside.strip_prefix("firmware/") {
            let served = file == CATALOGUE || file.ends_with(FLASH_PART);
            (firmware.as_ref().ok().filter(|_| served)?, file)
        } else {
            (&self.web, inside.as_str())
        };
        // Symbolic links may not lead out of the folder.
        let path = base.join(inside).canonicalize().ok().filter(|path| path.starts_with(base))?;
        let file = File::open(&path).ok()?;
        let metadata = fs::metadata(&path).ok().filter(fs::Metadata::is_file)?;
        Some((path, file, metadata.len()))
    }
}

enum Head {
    Whole(Vec<u8>),
    Nothing,
    TooLong,
    Late,
}

/// Reads up to the empty line after a request's headers.
fn read_head(stream: &mut TcpStream) -> io::Result<Head> {
    let end = Instant::now() + PATIENCE;
    let mut head = Vec::new();
    let mut piece = [0; 2048];
    loop {
        let left = end.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Ok(if head.is_empty() { Head::Nothing } else { Head::Late });
        }
        stream.set_read_timeout(Some(left))?;
        match stream.read(&mut piece) {
            Ok(0) if head.is_empty() => return Ok(Head::Nothing),
            // The other side has said all it will: what came may still be answered with 400.
            Ok(0) => return Ok(Head::Whole(head)),
            Ok(n) => head.extend_from_slice(&piece[..n]),
            Err(e) if matches!(e.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => {
                continue;
            }
            Err(e) if e.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        }
        if head.windows(4).any(|bytes| bytes == b"\r\n\r\n") {
            return Ok(Head::Whole(head));
        }
        if head.len() > MAX_HEAD {
            return Ok(Head::TooLong);
        }
    }
}

#[derive(Debug, PartialEq, Eq)]
struct Request {
    /// Still percent-encoded, begins with `/`, without the query.
    path: String,
    /// False for HEAD.
    with_body: bool,
}

/// Reads the request line; the error is the status to refuse with. No header matters here.
fn parse_request(head: &[u8]) -> std::result::Result<Request, &'static str> {
    const BAD: &str = "400 Bad Request";
    if !head.windows(4).any(|bytes| bytes == b"\r\n\r\n") {
        return Err(BAD);
    }
    let line = head.split(|&byte| byte == b'\r').next().unwrap_or_default();
    let line = str::from_utf8(line).map_err(|_| BAD)?;
    let [method, target, version] = line.split(' ').collect::<Vec<_>>()[..] else {
        return Err(BAD);
    };
    if !matches!(version, "HTTP/1.1" | "HTTP/1.0") {
        return Err("505 HTTP Version Not Supported");
    }
    let with_body = match method {
        "GET" => true,
        "HEAD" => false,
        _ if !method.is_empty() && method.bytes().all(|b| b.is_ascii_alphabetic()) => {
            return Err("405 Method Not Allowed");
        }
        _ => return Err(BAD),
    };
    if !target.starts_with('/') {
        return Err(BAD);
    }
    let path = target.split(['?', '#']).next().unwrap_or_default().to_string();
    Ok(Request { path, with_body })
}

/// Turns a URL path into a relative file path with `/` between its parts.
///
/// Returns `None` for everything that could leave the folder or reach a hidden file: parts that
/// begin with a dot, backslashes, control characters, empty parts, wrong percent-encoding.
fn relative_path(url_path: &str) -> Option<String> {
    let decoded = percent_decode(url_path.strip_prefix('/')?)?;
    let mut path = decoded;
    if path.is_empty() || path.ends_with('/') {
        path.push_str("index.html");
    }
    let fine = |part: &str| {
        let odd = |c: char| matches!(c, '\\' | ':') || c.is_control();
        !part.is_empty() && !part.starts_with('.') && part != "node_modules" && !part.contains(odd)
    };
    path.split('/').all(fine).then_some(path)
}

fn percent_decode(text: &str) -> Option<String> {
    let mut bytes = text.bytes();
    let mut decoded = Vec::with_capacity(text.len());
    while let Some(byte) = bytes.next() {
        if byte != b'%' {
            decoded.push(byte);
            continue;
        }
        let digit = |byte: Option<u8>| char::from(byte?).to_digit(16);
        let value = digit(bytes.next())? * 16 + digit(bytes.next())?;
        decoded.push(u8::try_from(value).ok()?);
    }
    String::from_utf8(decoded).ok()
}

fn refuse(stream: &mut TcpStream, status: &str, with_body: bool) -> io::Result<()> {
    let allow = if status.starts_with("405") { "Allow: GET, HEAD\r\n" } else { "" };
    let body = format!("{status}\n");
    write!(
        stream,
        "HTTP/1.1 {status}\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: {}\r\n{allow}{HEADERS}\r\n",
        body.len()
    )?;
    if with_body { stream.write_all(body.as_bytes()) } else { Ok(()) }
}

fn mime(path: &Path) -> &'static str {
    match path.extension().and_then(|e| e.to_str()).unwrap_or_default() {
        "html" => "text/html; charset=utf-8",
        "js" | "mjs" => "text/javascript; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "wasm" => "application/wasm",
        "json" | "map" => "application/json",
        "jsonl" => "application/jsonl",
        "csv" => "text/csv; charset=utf-8",
        "txt" | "md" | "ts" => "text/plain; charset=utf-8",
        "svg" => "image/svg+xml",
        "png" => "image/png",
        "ico" => "image/x-icon",
        "webmanifest" => "application/manifest+json",
        "pcap" => "application/vnd.tcpdump.pcap",
        _ => "application/octet-stream",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_path_leaves_the_folders() {
        for path in [
            "/../Cargo.toml",
            "/..",
            "/a/../../b",
            "/%2e%2e/Cargo.toml",
            "/%2E%2e%2fCargo.toml",
            "/..%2fCargo.toml",
            "/fixtures/../Cargo.toml",
            "/fixtures/%2e%2e/Cargo.toml",
            "/fixtures//etc/passwd",
            "//etc/passwd",
            "/%2fetc/passwd",
            "/..\\Cargo.toml",
            "/%5c..%5cx",
            "/c:/x",
            "/.git/config",
            "/a/.hidden",
            "/./a",
            "/node_modules/a.js",
            "/a%00.js",
            "/a%0a.js",
            "/%",
            "/%4",
            "/%zz",
            "/%+f",
            "/%ff",
            "a.js",
            "",
        ] {
            assert_eq!(relative_path(path), None, "{path}");
        }
    }

    #[test]
    fn paths_are_decoded() {
        for (url, path) in [
            ("/", "index.html"),
            ("/src/main.js", "src/main.js"),
            ("/fixtures/a%20b.csi.jsonl", "fixtures/a b.csi.jsonl"),
            ("/fixtures/%C3%A4.csv", "fixtures/ä.csv"),
            ("/a/", "a/index.html"),
            ("/a..b", "a..b"),
        ] {
            assert_eq!(relative_path(url).as_deref(), Some(path), "{url}");
        }
    }

    #[test]
    fn request_lines_are_judged() {
        let status = |head: &str| parse_request(head.as_bytes()).map(|r| (r.path, r.with_body));
        assert_eq!(status("GET /a?b=1 HTTP/1.1\r\nHost: x\r\n\r\n"), Ok(("/a".into(), true)));
        assert_eq!(status("HEAD / HTTP/1.0\r\n\r\n"), Ok(("/".into(), false)));
        for (head, code) in [
            ("POST / HTTP/1.1\r\n\r\n", "405"),
            ("GET / HTTP/2\r\n\r\n", "505"),
            ("GET  / HTTP/1.1\r\n\r\n", "400"),
            ("GET http://x/ HTTP/1.1\r\n\r\n", "400"),
            ("GET /\r\n\r\n", "400"),
            ("GET / HTTP/1.1\r\n", "400"),
            ("\u{16}\u{3}\u{1} / HTTP/1.1\r\n\r\n", "400"),
        ] {
            assert!(status(head).unwrap_err().starts_with(code), "{head:?}");
        }
    }

    #[test]
    fn types_are_named() {
        for (file, expected) in [
            ("a.wasm", "application/wasm"),
            ("a.js", "text/javascript; charset=utf-8"),
            ("a.csv", "text/csv; charset=utf-8"),
            ("a.csi.jsonl", "application/jsonl"),
            ("a.bin", "application/octet-stream"),
            ("a.rvne", "application/octet-stream"),
            ("a.pcap", "application/vnd.tcpdump.pcap"),
            ("a", "application/octet-stream"),
        ] {
            assert_eq!(mime(Path::new(file)), expected, "{file}");
        }
    }

    /// A real server over a folder of its own: one connection in, the whole answer out.
    fn ask(test: &str, request: &[u8]) -> String {
        let root = std::env::temp_dir().join(format!("xtask-serve-{test}-{}", std::process::id()));
        for folder in ["web", "fixtures"] {
            fs::create_dir_all(root.join(folder)).unwrap();
        }
        fs::write(root.join("secret.txt"), "secret").unwrap();
        fs::write(root.join("web/index.html"), "<p>page").unwrap();
        fs::write(root.join("fixtures/a.bin"), [7; 3]).unwrap();
        if test.starts_with("built") {
            fs::create_dir_all(root.join("firmware")).unwrap();
            fs::write(root.join("firmware/manifest.json"), "{}").unwrap();
            fs::write(root.join("firmware/app.bin"), [7; 3]).unwrap();
            fs::write(root.join("firmware/node.elf"), "secret").unwrap();
        }
        #[cfg(unix)]
        let _ = std::os::unix::fs::symlink(root.join("secret.txt"), root.join("web/link.txt"));
        let project = Project { root: root.clone(), target: root.clone(), cache: root.clone() };
        let server = Server::bind(&project, Some(0)).unwrap();
        let port = server.port;
        std::thread::spawn(move || server.run());
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).unwrap();
        stream.write_all(request).unwrap();
        stream.shutdown(Shutdown::Write).unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).unwrap();
        fs::remove_dir_all(root).unwrap();
        String::from_utf8_lossy(&answer).into_owned()
    }

    #[test]
    fn files_come_with_type_length_and_policy() {
        let answer = ask("file", b"GET / HTTP/1.1\r\n\r\n");
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\nContent-Type: text/html"), "{answer}");
        assert!(
            answer.contains("\r\nContent-Length: 7\r\n") && answer.ends_with("\r\n\r\n<p>page")
        );
        assert!(answer.contains("\r\nCache-Control: no-store\r\n"));
        assert!(answer.contains("script-src 'self' 'wasm-unsafe-eval'; worker-src 'self'; "));
        let answer = ask("fixture", b"GET /fixtures/a.bin HTTP/1.1\r\n\r\n");
        assert!(answer.ends_with("\r\n\r\n\u{7}\u{7}\u{7}"), "{answer:?}");
    }

    #[test]
    fn the_built_firmware_is_served_and_nothing_beside_it() {
        let answer = ask("built-list", b"GET /firmware/manifest.json HTTP/1.1\r\n\r\n");
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.ends_with("\r\n\r\n{}"));
        let answer = ask("built-part", b"GET /firmware/app.bin HTTP/1.1\r\n\r\n");
        assert!(answer.ends_with("\r\n\r\n\u{7}\u{7}\u{7}"), "{answer:?}");
        for (test, path) in [("built-elf", "node.elf"), ("built-up", "../secret.txt")] {
            let answer = ask(test, format!("GET /firmware/{path} HTTP/1.1\r\n\r\n").as_bytes());
            assert!(answer.starts_with("HTTP/1.1 404 "), "{path}: {answer}");
        }
        let answer = ask("none-built", b"GET /firmware/manifest.json HTTP/1.1\r\n\r\n");
        assert!(answer.starts_with("HTTP/1.1 204 No Content\r\n"), "{answer}");
    }

    #[test]
    fn head_sends_the_length_and_no_body() {
        let answer = ask("head", b"HEAD / HTTP/1.1\r\n\r\n");
        assert!(answer.contains("\r\nContent-Length: 7\r\n") && answer.ends_with("\r\n\r\n"));
    }

    #[test]
    fn refusals_carry_the_policy_too() {
        for (test, request, status) in [
            ("missing", &b"GET /no HTTP/1.1\r\n\r\n"[..], "404"),
            ("folder", b"GET /fixtures HTTP/1.1\r\n\r\n", "404"),
            ("outside", b"GET /../secret.txt HTTP/1.1\r\n\r\n", "404"),
            ("link", b"GET /link.txt HTTP/1.1\r\n\r\n", "404"),
            ("post", b"POST / HTTP/1.1\r\nContent-Length: 3\r\n\r\nabc", "405"),
            ("noise", b"\x00\xff\x13\x37", "400"),
            ("long", &[b'a'; 2 * MAX_HEAD], "431"),
        ] {
            let answer = ask(test, request);
            assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{test}: {answer}");
            assert!(answer.contains("\r\nX-Content-Type-Options: nosniff\r\n"), "{test}");
            assert!(!answer.contains("secret\n") && !answer.ends_with("secret"), "{test}");
        }
    }
}
