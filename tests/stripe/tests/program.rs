//! The program: it says where it listens, and answers there.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};

/// The program, which ends with its owner.
struct Program(Child);

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn start(arguments: &[&str]) -> (Program, String) {
    let mut child = Command::new(env!("CARGO_BIN_EXE_fake-stripe"))
        .args(arguments)
        .stdout(Stdio::piped())
        .spawn()
        .expect("the program starts");
    let output = child.stdout.take().expect("it is piped");
    let mut address = String::new();
    let read = BufReader::new(output).read_line(&mut address);
    read.expect("the program prints its address");
    (Program(child), address.trim().to_owned())
}

fn post(address: &str, path: &str, key: &str, body: &str) -> String {
    let mut stream = TcpStream::connect(address).expect("it listens");
    let length = body.len();
    let request = format!(
        "POST {path} HTTP/1.1\r\nhost: {address}\r\nauthorization: Bearer {key}\r\n\
         content-length: {length}\r\nconnection: close\r\n\r\n{body}"
    );
    stream.write_all(request.as_bytes()).expect("it reads");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("it answers");
    answer
}

#[test]
fn it_serves_one_key_by_a_clock_of_its_own() {
    let (_program, address) = start(&["--clock", "1790812800", "--key", "sk_demo"]);
    assert!(post(&address, "/v1/customers", "sk_other", "").starts_with("HTTP/1.1 401"));
    let customer = post(&address, "/v1/customers", "sk_demo", "name=A");
    assert!(customer.starts_with("HTTP/1.1 200"), "{customer}");
    assert!(customer.contains("\"created\":1790812800"), "{customer}");
    let moved = post(&address, "/_test/clock", "", "seconds=60");
    assert!(moved.contains("{\"now\":1790812860000}"), "{moved}");
}

#[test]
fn without_a_clock_it_goes_by_the_machines() {
    let (_program, address) = start(&[]);
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    let before = now.expect("past 1970").as_secs();
    let customer = post(&address, "/v1/customers", "sk", "");
    let created = customer.split("\"created\":").nth(1).expect("a time");
    let digits: String = created.chars().take_while(char::is_ascii_digit).collect();
    let created: u64 = digits.parse().expect("digits");
    assert!(
        (before..before + 60).contains(&created),
        "{before} {created}"
    );
}
