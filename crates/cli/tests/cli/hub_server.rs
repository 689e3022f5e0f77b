//! A server with the part of the Hugging Face hub's protocol that downloads use, on this machine.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use serde_json::json;
use sha1::Sha1;
use sha2::{Digest, Sha256};

pub const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";
/// Files from this size on are stored apart, and called by another checksum.
const LARGE: usize = 10 << 10;

/// What a server does differently.
#[derive(Clone, Default)]
pub struct Behavior {
    /// The token without which there is no repository.
    pub token: Option<&'static str>,
    /// Downloads of more bytes than this end early, as often as this.
    pub cut: Option<(usize, usize)>,
    /// Whether those stay open instead of ending.
    pub stalls: bool,
    /// The last byte of every download is another.
    pub damages: bool,
}

/// A repository `org/model` on a server that runs as long as the process.
pub struct HubServer {
    pub endpoint: String,
    served: Arc<Mutex<Vec<String>>>,
}

impl HubServer {
    pub fn start(files: BTreeMap<String, Vec<u8>>, behavior: Behavior) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let served = Arc::default();
        let connection = Connection {
            endpoint: endpoint.clone(),
            files: Arc::new(files),
            cuts: Arc::new(Mutex::new(behavior.cut.map_or(0, |(_, times)| times))),
            behavior,
            served: Arc::clone(&served),
        };
        thread::spawn(move || {
            for stream in listener.incoming() {
                let connection = connection.clone();
                // A client that goes away is no failure of the server.
                thread::spawn(move || drop(connection.serve(stream.unwrap())));
            }
        });
        Self { endpoint, served }
    }

    /// The downloads so far: a file's name, and from which byte.
    pub fn downloads(&self) -> Vec<String> {
        self.served.lock().unwrap().clone()
    }
}

#[derive(Clone)]
struct Connection {
    endpoint: String,
    files: Arc<BTreeMap<String, Vec<u8>>>,
    behavior: Behavior,
    /// How many downloads are still cut.
    cuts: Arc<Mutex<usize>>,
    served: Arc<Mutex<Vec<String>>>,
}

impl Connection {
    /// Returns one response.
    fn serve(&self, mut stream: TcpStream) -> std::io::Result<()> {
        let mut lines = BufReader::new(stream.try_clone()?).lines();
        let request = lines.next().transpose()?.unwrap_or_default();
        let path = request.split(' ').nth(1).unwrap_or_default().to_owned();
        let headers: BTreeMap<String, String> = lines
            .map_while(|line| line.ok().filter(|line| !line.is_empty()))
            .filter_map(|line| {
                let (name, value) = line.split_once(": ")?;
                Some((name.to_lowercase(), value.to_owned()))
            })
            .collect();
        let token = self.behavior.token.map(|token| format!("Bearer {token}"));
        if token.is_some() && headers.get("authorization") != token.as_ref() && !is_apart(&path) {
            return respond(&mut stream, "401 Unauthorized", &[], b"");
        }
        if path == "/api/models/org/model/revision/main" {
            let files = self.files.keys().map(|name| json!({ "rfilename": name }));
            let info = json!({ "sha": COMMIT, "siblings": files.collect::<Vec<_>>() });
            return respond(&mut stream, "200 OK", &[], info.to_string().as_bytes());
        }
        let resolved = path.strip_prefix("/org/model/resolve/main/");
        let file = resolved.or(path.strip_prefix("/apart/"));
        let Some((name, bytes)) = file.and_then(|name| Some((name, self.files.get(name)?))) else {
            return respond(&mut stream, "404 Not Found", &[], b"");
        };
        let mut fields = vec![
            format!("ETag: \"{}\"", etag(bytes)),
            format!("X-Repo-Commit: {COMMIT}"),
        ];
        if resolved.is_some() && bytes.len() >= LARGE {
            fields.push(format!("X-Linked-Etag: \"{}\"", etag(bytes)));
            fields.push(format!("Location: {}/apart/{name}", self.endpoint));
            return respond(&mut stream, "302 Found", &fields, b"");
        }
        let range = headers
            .get("range")
            .and_then(|range| range.strip_prefix("bytes="));
        let (start, end) = range
            .and_then(|range| range.split_once('-'))
            .unwrap_or(("0", ""));
        let start: usize = start.parse().unwrap();
        let end = end.parse().map_or(bytes.len(), |last: usize| last + 1);
        fields.push(format!(
            "Content-Range: bytes {start}-{}/{}",
            end - 1,
            bytes.len()
        ));
        let mut part = bytes[start..end].to_vec();
        if end < bytes.len() {
            return respond(&mut stream, "206 Partial Content", &fields, &part);
        }
        self.served
            .lock()
            .unwrap()
            .push(format!("{name} from {start}"));
        if self.behavior.damages
            && let Some(last) = part.last_mut()
        {
            *last ^= 1;
        }
        let mut sent = part.len();
        if let Some((at_most, _)) = self.behavior.cut
            && part.len() > at_most
        {
            let mut cuts = self.cuts.lock().unwrap();
            if *cuts > 0 {
                *cuts -= 1;
                sent = at_most;
            }
        }
        fields.push(format!("Content-Length: {}", part.len()));
        respond_with(&mut stream, "206 Partial Content", &fields, &part[..sent])?;
        if sent < part.len() && self.behavior.stalls {
            thread::sleep(Duration::from_secs(60));
        }
        Ok(())
    }
}

fn is_apart(path: &str) -> bool {
    path.starts_with("/apart/")
}

/// SHA-256 of large files, Git's SHA-1 of others.
fn etag(bytes: &[u8]) -> String {
    let digest = match bytes.len() < LARGE {
        true => {
            let blob = [format!("blob {}\0", bytes.len()).as_bytes(), bytes].concat();
            Sha1::digest(blob).to_vec()
        }
        false => Sha256::digest(bytes).to_vec(),
    };
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn respond(
    stream: &mut TcpStream,
    status: &str,
    fields: &[String],
    body: &[u8],
) -> std::io::Result<()> {
    let length = format!("Content-Length: {}", body.len());
    respond_with(stream, status, &[fields, &[length]].concat(), body)
}

fn respond_with(
    stream: &mut TcpStream,
    status: &str,
    fields: &[String],
    body: &[u8],
) -> std::io::Result<()> {
    let mut head = format!("HTTP/1.1 {status}\r\nConnection: close\r\n");
    for field in fields {
        head += field;
        head += "\r\n";
    }
    stream.write_all(format!("{head}\r\n").as_bytes())?;
    stream.write_all(body)?;
    stream.flush()
}
