"""A server of the runtime, and what may come to it: raw bytes over sockets. Python alone."""

import os
import re
import signal
import socket
import struct
import subprocess
import threading
import time

LIMIT = 20  # seconds within which anything must be over


class Answer:
    """What came back: status (0 if none), head, body, and after how long it ended."""

    def __init__(self, data, seconds, closed):
        head, _, self.body = data.partition(b"\r\n\r\n")
        self.data, self.seconds, self.closed = data, seconds, closed
        self.head = head.decode("latin-1")
        found = re.match(r"HTTP/1\.1 (\d{3}) ", self.head)
        self.status = int(found[1]) if found else 0

    def header(self, name):
        for line in self.head.split("\r\n")[1:]:
            field, _, value = line.partition(":")
            if field.lower() == name.lower():
                return value.strip()
        return None

    def __str__(self):
        return f"{self.status or 'no answer'} after {self.seconds:.1f} s: {self.data[:120]!r}"


class Server:
    """A running `runtime` with a page. Use it in a `with`."""

    def __init__(self, program, arguments, folder, token=None):
        self.token, self.stderr = token, []
        more = ["--token", token] if token else []
        command = [program, "--provider", "cpu", *arguments, "--serve", "0", *more]
        self.child = subprocess.Popen(command, cwd=folder, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                      stderr=subprocess.PIPE, text=True)
        self.port = None
        for line in self.child.stderr:
            self.stderr.append(line)
            found = re.search(r"http://127\.0\.0\.1:(\d+)/", line)
            if found:
                self.port = int(found[1])
                break
        if self.port is None:
            raise SystemExit("the server did not start: " + "".join(self.stderr))
        threading.Thread(target=lambda: self.stderr.extend(self.child.stderr), daemon=True).start()
        self.host = f"127.0.0.1:{self.port}"
        self.origin = f"Origin: http://{self.host}\r\n"

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.child.poll() is None:
            self.child.kill()
            self.child.wait()

    def connect(self, source="127.0.0.1", buffer=None):
        sock = socket.socket()
        if buffer:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
        sock.bind((source, 0))
        sock.settimeout(LIMIT)
        sock.connect(("127.0.0.1", self.port))
        return sock

    def raw(self, data, source="127.0.0.1", limit=LIMIT):
        """Sends bytes and reads until the server ends the connection, or until the limit."""
        start = time.monotonic()
        got, closed = b"", False
        sock = self.connect(source)
        try:
            sock.sendall(data)
        except OSError:
            pass  # it was closed before all was sent: what it said may still be there
        try:
            while time.monotonic() - start < limit:
                sock.settimeout(max(0.01, limit - (time.monotonic() - start)))
                part = sock.recv(1 << 16)
                if not part:
                    closed = True
                    break
                got += part
        except TimeoutError:
            pass
        except OSError:
            closed = True
        sock.close()
        return Answer(got, time.monotonic() - start, closed)

    def head(self, line, headers="", host=None, token=True):
        host = self.host if host is None else host
        bearer = f"Authorization: Bearer {self.token}\r\n" if self.token and token else ""
        return f"{line} HTTP/1.1\r\nHost: {host}\r\n{bearer}{headers}\r\n".encode("latin-1")

    def ask(self, line, headers="", body=b"", **more):
        source = more.pop("source", "127.0.0.1")
        if line.startswith("POST") and "Content-Length" not in headers:
            headers += f"Content-Length: {len(body)}\r\n"
        return self.raw(self.head(line, headers, **more) + body, source)

    def alive(self, source="127.0.0.1"):
        """Whether a visitor is served."""
        answer = self.ask("GET /", source=source)
        return answer.status == 200 and answer.seconds < 5

    def visited(self, tries=20, source="127.0.0.1"):
        """The same for a visitor who comes again where he is told to."""
        return any(self.alive(source) or time.sleep(0.25) for _ in range(tries))

    def status(self):
        """Peak of memory (MB), threads and open files."""
        with open(f"/proc/{self.child.pid}/status", encoding="ascii", errors="replace") as file:
            fields = dict(line.split(":", 1) for line in file)
        files = len(os.listdir(f"/proc/{self.child.pid}/fd"))
        return int(fields["VmHWM"].split()[0]) / 1024, int(fields["Threads"]), files

    def stop(self):
        """Ctrl-C; the exit code, None if it does not end."""
        self.child.send_signal(signal.SIGINT)
        try:
            return self.child.wait(LIMIT)
        except subprocess.TimeoutExpired:
            return None


def reset(sock):
    """Ends a connection as a machine that lost its power does not: at once, without a word."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()
