//! Who is at the other end of a loopback connection: found as `ss -p` does.

use std::{
    fs,
    net::SocketAddr,
    os::fd::AsRawFd,
    sync::{Mutex, PoisonError},
};

use nix::{
    sys::{
        signal::{Signal, kill},
        socket::{AddressFamily, MsgFlags, SockFlag, SockProtocol, SockType, recv, send, socket},
    },
    unistd::Pid,
};

/// A process of this machine that called a simulator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Client {
    /// Its process id.
    pub pid: i32,
    /// The Lambda function that it runs, from its environment.
    pub function: Option<String>,
}

impl Client {
    /// Whether the simulators run in this very process.
    pub fn is_ourselves(&self) -> bool {
        i64::from(self.pid) == i64::from(std::process::id())
    }

    /// Kills the process at once (SIGKILL). The simulator's own process is never killed.
    ///
    /// # Errors
    /// A sentence that says why the process was not killed.
    pub fn kill(&self) -> Result<(), String> {
        if self.is_ourselves() {
            return Err("the held call was made by the simulator's own process".into());
        }
        kill(Pid::from_raw(self.pid), Signal::SIGKILL)
            .map_err(|error| format!("process {} cannot be killed: {error}", self.pid))
    }
}

/// The processes that called one listener, the last first: the next connection is most often one of theirs.
#[derive(Debug, Default)]
pub struct Callers {
    known: Mutex<Vec<i32>>,
    all_here: bool,
}

impl Callers {
    /// Callers that are anywhere on this machine, or, `all_here`, all of this very process.
    pub fn new(all_here: bool) -> Self {
        Self { all_here, ..Self::default() }
    }

    /// Finds the process that holds the client's end of the connection `peer` -> `local`.
    pub fn find(&self, peer: SocketAddr, local: SocketAddr) -> Option<Client> {
        if self.all_here {
            return Some(Client { pid: i32::try_from(std::process::id()).ok()?, function: None });
        }
        let inode = inode_of(peer, local)?;
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let pid = holder_of(inode, &known)?;
        let mut callers = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        callers.retain(|known| *known != pid);
        callers.insert(0, pid);
        Some(Client { pid, function: function_of(pid) })
    }
}

/// Asks the kernel for this one connection by its two ends (sock_diag(7)): `/proc/net/tcp` would tell all of the last minute's.
fn inode_of(peer: SocketAddr, local: SocketAddr) -> Option<u64> {
    const SOCK_DIAG_BY_FAMILY: u16 = 20;
    let (SocketAddr::V4(here), SocketAddr::V4(there)) = (peer, local) else { return None };
    // A message header (length, type, request, no sequence, no port), then `inet_diag_req_v2`: IPv4, TCP, every state.
    let mut request = 72_u32.to_ne_bytes().to_vec();
    request.extend(SOCK_DIAG_BY_FAMILY.to_ne_bytes());
    request.extend(1_u16.to_ne_bytes());
    request.extend([0; 8]);
    request.extend([2, 6, 0, 0]);
    request.extend([0xff; 4]);
    request.extend(here.port().to_be_bytes());
    request.extend(there.port().to_be_bytes());
    for end in [here, there] {
        request.extend(end.ip().octets());
        request.extend([0; 12]);
    }
    // Any interface, and no cookie.
    request.extend([0; 4]);
    request.extend([0xff; 8]);
    let protocol = SockProtocol::NetlinkSockDiag;
    let asked = socket(AddressFamily::Netlink, SockType::Datagram, SockFlag::SOCK_CLOEXEC, protocol).ok()?;
    send(asked.as_raw_fd(), &request, MsgFlags::empty()).ok()?;
    let mut answer = [0; 512];
    let length = recv(asked.as_raw_fd(), &mut answer, MsgFlags::empty()).ok()?;
    let message = answer.get(..length)?;
    // `inet_diag_msg` is 72 bytes behind the header of 16; the inode is its last number.
    let found = message.get(4..6)? == SOCK_DIAG_BY_FAMILY.to_ne_bytes();
    let inode = u32::from_ne_bytes(message.get(84..88)?.try_into().ok()?);
    found.then_some(inode.into())
}

/// Processes that began last, which are asked before the simulators' own.
const NEWEST: usize = 16;

/// Known callers are asked first, then those that began last, as functions come and go, then the simulators' own process, which may hold the sockets of
/// many labs, then all others.
fn holder_of(inode: u64, known: &[i32]) -> Option<i32> {
    let wanted = format!("socket:[{inode}]");
    let holds = |pid: &i32| {
        let open = fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten().flatten();
        open.into_iter().any(|fd| fs::read_link(fd.path()).is_ok_and(|to| to.as_os_str() == wanted.as_str()))
    };
    let ours = i32::try_from(std::process::id()).ok()?;
    let found = known.iter().copied().filter(|pid| *pid != ours).find(holds);
    found.or_else(|| {
        let processes = fs::read_dir("/proc").ok()?.flatten();
        let mut pids: Vec<i32> = processes.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect();
        pids.retain(|pid| *pid != ours && !known.contains(pid));
        pids.sort_unstable_by(|one, other| other.cmp(one));
        let (newest, others) = pids.split_at(pids.len().min(NEWEST));
        newest.iter().chain([&ours]).chain(others).copied().find(holds)
    })
}

fn function_of(pid: i32) -> Option<String> {
    let environment = fs::read(format!("/proc/{pid}/environ")).ok()?;
    let value = |name: &str| {
        environment.split(|byte| *byte == 0).find_map(|pair| {
            let pair = String::from_utf8_lossy(pair);
            pair.strip_prefix(name)?.strip_prefix('=').map(str::to_owned)
        })
    };
    // A process is a function if it was given a runtime interface to take its events from.
    value("AWS_LAMBDA_RUNTIME_API")?;
    Some(value("AWS_LAMBDA_FUNCTION_NAME").unwrap_or_else(|| "unnamed".into()))
}
